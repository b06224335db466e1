"""`truefit verify`: a recorded run, made again from its commit and data, and compared."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from truefit.core.errors import UserError
from truefit.core.files import write_text
from truefit.core.paths import PREPARED, RESOLVED, SEARCH, TRAIN
from truefit.core.resolved import CONTENT, SEED, SOURCE, Params, dump, override, read_yaml
from truefit.core.run import Run
from truefit.search.space import parse_space
from truefit.tracking.faults import first_line
from truefit.tracking.provenance import environment
from truefit.tracking.records import (
    Record,
    from_journals,
    from_mlflow,
    latest,
    told_tags,
    told_text,
)
from truefit.tracking.store import Store
from truefit.verify import checks
from truefit.verify.data import (
    bring_named_files,
    bring_raw_data,
    changed_raw_data,
    fetch_prepared,
)
from truefit.verify.dvc_lock import lock
from truefit.verify.environment import same_environment
from truefit.verify.search import search_again, study_of
from truefit.verify.trust import parameters, require_known
from truefit.verify.verdict import Check, CouldNotTryError, Proof, decide, table
from truefit.verify.work_tree import run_stage, work_tree
from truefit.verify.write_back import write_back

if TYPE_CHECKING:
    from truefit.config.schema import Config

DIFF = "uncommitted.diff.txt"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What is asked: how far numbers may be apart, and whether the study runs again too.

    `trust` runs code that is in no commit and that this project has not recorded itself.
    """

    tolerance: float | None = None
    search: bool = False
    workers: int | None = None
    trust: bool = False


class OtherDataError(Exception):
    """The raw data are not those of the run, and cannot be prepared."""


def verify(run_id: str, wish: Wish, say: Say, place: Path) -> tuple[Proof, Record | None]:
    """Make a run again and compare it with its record.

    Args:
        run_id: MLflow's id of a training or a study, or `latest`.
        wish: how.
        say: hears what is under way.
        place: an empty folder for the records.

    Returns:
        The verdict, and the record where there is one.
    """
    record = None
    try:
        store = Store.open()
        wanted = latest(store) if run_id == "latest" else run_id
        say(f"run {wanted}: reading its record from MLflow")
        record = from_mlflow(store, wanted, place / "old")
        _require_complete(record)
        found = list(_checks(store, record, wish, place, say))
        verdict = decide(found, wish.tolerance)
    except (CouldNotTryError, UserError) as error:
        verdict = Proof("could not try", f"could not try: {error}")
    except Exception as error:  # noqa: BLE001 - a record may hold anything
        said = f"{type(error).__name__}: {first_line(error)}"
        verdict = Proof("could not try", f"could not try: the record cannot be used: {said}")
    return verdict, record


def verify_and_tell(run_id: str, wish: Wish, say: Say) -> Proof:
    """Verify a run, say what comes of it, and write it back."""
    with tempfile.TemporaryDirectory(prefix="truefit-record-") as place:
        verdict, record = verify(run_id, wish, say, Path(place))
        say("\n" + table(verdict))
        if record:
            try:
                write_back(Store.open(), record, verdict)
            except Exception as error:  # noqa: BLE001 - the verdict stands, whoever notes it
                say(f"note: MLflow has not taken the verdict: {first_line(error)}")
    return verdict


def _require_complete(record: Record) -> None:
    kind = record.tags.get("truefit.kind")
    if kind not in ("train", "study"):
        raise CouldNotTryError(
            f"the run is of kind {kind!r}; a training can be run again, and a study with all of "
            "its trials"
        )
    state = record.tags.get("truefit.state", record.status)
    if record.status == "FINISHED" and state == "timed_out":
        reached = record.tags.get("truefit.reason", "training.time_limit ended it")
        raise CouldNotTryError(f"how far the training came hung on its machine's speed: {reached}")
    if record.status != "FINISHED":
        raise CouldNotTryError(f"the run did not complete: {state}")
    if "git.commit" not in record.tags:
        raise CouldNotTryError(
            "the run was recorded outside of git, or before the first commit: its code is not known"
        )
    if not (record.folder / "inputs").exists():
        raise CouldNotTryError("the run was recorded by a version that kept no inputs")
    if kind == "train" and "evaluate/git.commit" not in record.tags:
        raise CouldNotTryError("the run was not evaluated: `dvc repro` goes on with it")


def _checks(store: Store, old: Record, wish: Wish, place: Path, say: Say) -> Iterator[Check]:
    """Each comparison in its order; after another code, data or configuration none follows."""
    project = _holds(old)
    is_study = old.tags["truefit.kind"] == "study"
    with _code_of(old, wish) as tree:
        say(f"its code: commit {old.tags['git.commit'][:12]}")
        first = [checks.code(old, tree, "search" if is_study else "train")]
        if not first[0].difference:
            say("its configuration and data")
            try:
                config, best, note = _prepare(old, tree)
            except OtherDataError as error:
                yield from [*first, Check("data", str(error))]
                return
            first += [checks.data(old, tree, project, note)]
            if project:
                _leave_winner(old, {tree}, best)
                first += [lock(project, tree, config, old)]
            first += [checks.configuration(old, override(config, best))]
        yield from first
        if any(check.difference for check in first):
            return
        now = replace(environment(config["runtime"]["device"]), backend=config["backend"])
        if is_study:
            yield same_environment(old, now, config)
            say("its trials")
            yield search_again(store, old, old, tree, wish.workers)
            return
        with _evaluated_by(old, tree, wish) as other:
            searched = []
            if wish.search:
                say("its study, all slots of it")
                searched.append(search_again(store, old, study_of(store, old), other, wish.workers))
            _leave_winner(old, {tree, other}, best)
            say("its training")
            run_stage(tree, "train")
            if other != tree:
                shutil.copytree(tree / TRAIN, other / TRAIN, dirs_exist_ok=True)
            run_stage(other, "repeat")
            say("its evaluation")
            run_stage(other, "evaluate")
            new = _made(tree, other, place / "new")
            yield same_environment(old, now, config, new.tags["device"])
            yield from searched
            yield checks.history(old, new, project)
            yield checks.weights(old, new, project, tree)
            yield checks.code(old, other, "evaluate")
            yield checks.predictions(old, new)
            yield checks.metrics(old, new, project)


def _holds(old: Record) -> Path | None:
    """This project, if the run's outputs lie in it."""
    run = Run.find(TRAIN / "run.json")
    return Path.cwd() if run and run.run == old.name else None


@contextlib.contextmanager
def _code_of(old: Record, wish: Wish, prefix: str = "") -> Iterator[Path]:
    """The project as the run's stages saw it, composed.

    What the tracker alone has is held to choices that the commit itself offers.
    """
    commit = old.tags[f"{prefix}git.commit"]
    diff = old.text(f"{prefix}{DIFF}") or ""
    if old.tags.get(f"{prefix}git.diff.whole", "true") != "true":
        raise CouldNotTryError(
            "the run's uncommitted changes were not kept whole: they held a password, another "
            "encoding than UTF-8, or more than 2,000,000 characters"
        )
    told = told_text(old.name, f"{prefix}{DIFF}"), told_tags(old.name).get(f"{prefix}git.commit")
    trusted = wish.trust or told == (diff, commit)
    with work_tree(commit, diff, trusted=trusted) as tree:
        bring_raw_data(tree)
        run_stage(tree, "compose")
        if diff and not trusted:
            require_known(tree, commit)
        bring_named_files(tree)
        yield tree


def _prepare(old: Record, tree: Path) -> tuple[Config, Params, str]:
    """Make the data in the tree; the configuration, the run's own parameters, and a note.

    Where raw data are not to be had, the prepared ones are fetched by DVC's hash.
    """
    config, note = read_yaml(tree / RESOLVED), ""
    for digest in (CONTENT, SOURCE):  # earlier versions wrote one
        config.pop(digest, None)
    try:
        run_stage(tree, "preprocess")
    except CouldNotTryError as error:
        if (changed := changed_raw_data(old, tree)) is not None:
            if changed:
                raise OtherDataError(f"raw data {changed}: not as recorded") from error
            raise
        try:
            fetch_prepared(old, tree)
        except CouldNotTryError as other:
            raise CouldNotTryError(f"{error}\nand {other}") from None
        note = "the raw data are not here: prepared data by their hash in DVC"
    best: Params = {}
    if old.tags["truefit.kind"] == "train" and "truefit.slot" in old.tags:
        recorded = old.yaml("config.yaml") or {}
        best = parameters(recorded, parse_space(config["search"]["space"]))
        seed = recorded.get("training", {}).get("seed")
        if seed is not None and config["training"].get("seed") is None:
            best[SEED] = seed  # which of the winner's trainings the search kept
    return config, best, note


def _leave_winner(old: Record, trees: set[Path], best: Params) -> None:
    """What the search left for the stages behind it, as it is on record."""
    for tree in trees:
        write_text(tree / SEARCH / "best.yaml", dump(best))
        for name in ("study.json", "trials.csv"):
            if (text := old.text(f"search/{name}")) is None:
                raise CouldNotTryError(f"the run has no search/{name}: its evaluation did not end")
            write_text(tree / SEARCH / name, text)


@contextlib.contextmanager
def _evaluated_by(old: Record, tree: Path, wish: Wish) -> Iterator[Path]:
    """The tree in which to evaluate: another one if the run was evaluated again later."""
    diff = hashlib.sha256((old.text(DIFF) or "").encode()).hexdigest()
    wanted = [old.tags["evaluate/git.commit"], old.tags.get("evaluate/git.diff.sha256")]
    if wanted == [old.tags["git.commit"], diff]:
        yield tree
        return
    with _code_of(old, wish, "evaluate/") as other:
        shutil.copytree(tree / PREPARED, other / PREPARED, dirs_exist_ok=True)
        yield other


def _made(trained: Path, evaluated: Path, folder: Path) -> Record:
    """The run that has just been made, out of the trees' own journals."""
    name = Run.read(trained / TRAIN / "run.json").run
    shared = os.environ.get("DVC_ROOT")
    found = []
    try:
        for tree in dict.fromkeys((trained, evaluated)):
            os.environ["DVC_ROOT"] = str(tree)
            found.append(from_journals(name, folder))
    finally:
        os.environ.pop("DVC_ROOT")
        if shared is not None:
            os.environ["DVC_ROOT"] = shared
    made = found[0]
    for later in found[1:]:
        series = {
            key: made.series.get(key, {}) | later.series.get(key, {})
            for key in {*made.series, *later.series}
        }
        made = replace(made, tags=made.tags | later.tags, series=series)
    return made
