"""The comparisons of a verification, each of a recorded run with the same run made again.

What stands in several places (MLflow's parameters, its files, the outputs that lie in the project)
is compared in all of them, so that a record that contradicts itself is noticed.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.core.inputs import sha256
from truefit.core.paths import EVALUATE, PREPARED, TRAIN
from truefit.core.prepared.folder import read_facts
from truefit.core.trees import flatten
from truefit.tracking.events import Params
from truefit.tracking.provenance import CODE, config_params
from truefit.tracking.records import MODEL, Record
from truefit.tracking.values import Fitted
from truefit.verify.dvc_lock import md5
from truefit.verify.numbers import Apart, arrays_between, between, models_between, together
from truefit.verify.verdict import Check, check

if TYPE_CHECKING:
    from truefit.config.schema import Config

Row = dict[str, object]  # of history.csv or repeats.csv, by column
STAGES = ("train", "evaluate")
SPLIT_SCORE = re.compile(r"^(train|validation|test)_")
AT_BEST = ("best_epoch", "best_val_loss", "train_loss_at_best", "gap", "parameters")


def code(old: Record, tree: Path, stage: str) -> Check:
    """The files that a stage ran, as they are in the tree."""
    recorded: dict[str, str] = old.json(f"inputs/{stage}.json") or {}
    files = {name: digest for name, digest in recorded.items() if not _is_data(name)}
    # Notes and back-ups that git does not know are no code, and not kept.
    lost = [n for n in files if Path(n).suffix not in CODE and not (tree / n).exists()]

    def found() -> Iterator[Apart | None]:
        for name, digest in files.items():
            if name not in lost:
                yield _file(name, digest, tree / name)

    what = "code" if stage != "evaluate" else "evaluation"
    if not recorded:
        return Check(what, f"the run has no record of what its {stage} stage read")
    note = f"{', '.join(lost[:3])} is in no commit, and no code" if lost else ""
    return check(what, found(), note)


def _is_data(name: str) -> bool:
    return name.startswith((f"{PREPARED}/", "outputs/")) or Path(name).is_absolute()


def _file(name: str, recorded: str, file: Path) -> Apart | None:
    now = sha256(file) if file.exists() else None
    if now == recorded:
        return None
    return Apart(f"{name}: recorded {recorded[:12]}, now {now[:12] if now else 'gone'}", None)


def data(old: Record, tree: Path, project: Path | None, note: str = "") -> Check:
    """The prepared data as made again, and as they lie in the project where it holds this run."""
    facts = read_facts(tree / PREPARED)
    before = old.json("inputs/dataset.json") or {}
    recorded = {
        name: digest
        for stage in ("search", *STAGES)
        for name, digest in (old.json(f"inputs/{stage}.json") or {}).items()
        if name.startswith(f"{PREPARED}/")
    }

    def found() -> Iterator[Apart | None]:
        for stage in ("search", *STAGES):
            if changed := old.tags.get(f"truefit.changed.{stage}"):
                yield Apart(f"{changed} changed while the {stage} stage ran", None)
        raw: list[dict[str, str]] = [before.get("raw") or {}, facts.raw]
        for name in sorted({*raw[0], *raw[1]}):
            digests = [one.get(name, "none")[:12] for one in raw]
            yield between(f"raw data {name}", *digests)
        for name, digest in recorded.items():
            yield _file(name, digest, tree / name)
        dataset = md5(tree / PREPARED / "dataset.json")
        yield between("tag dvc.data.md5", old.tags.get("dvc.data.md5", dataset), dataset)
        if project:
            for name, digest in recorded.items():
                if (project / name).exists():
                    yield _prefixed("in the project", _file(name, digest, project / name))

    if not recorded or not before:
        return Check("data", "the run has no record of its data")
    return check("data", found(), note)


def _prefixed(where: str, found: Apart | None) -> Apart | None:
    return Apart(f"{where}, {found.first}", found.largest) if found else None


def configuration(old: Record, new: Config) -> Check:
    """The configuration composed again, with the winner's parameters, and all that MLflow shows."""
    recorded = old.yaml("config.yaml") or {}
    space = {f"space.{key}": rule for key, rule in new["search"]["space"].items()}
    is_study = old.tags.get("truefit.kind") == "study"
    params = Fitted().params(space if is_study else config_params(new))
    seed = None if is_study else new["training"].get("seed")  # older commits have no such key

    def found() -> Iterator[Apart | None]:
        yield from _keys("", flatten(recorded), flatten(new))
        yield from _keys("MLflow's parameter ", old.params, params)
        yield between("tag seed", old.tags.get("seed"), str(new["seed"] if seed is None else seed))

    return check("configuration", found())


def _keys(label: str, old: Params, new: Params) -> Iterator[Apart | None]:
    for key in sorted({*old, *new}):
        apart = between(f"{label}{key}", old.get(key), new.get(key))
        yield Apart(apart.first, None) if apart else None


def history(old: Record, new: Record, project: Path | None) -> Check:
    """Every value of every epoch: of history.csv, of MLflow's curves, of the project's outputs."""
    ours = _epochs(new.text("history.csv"))
    places = {"": _epochs(old.text("history.csv"))}
    if project and (project / TRAIN / "history.csv").exists():
        places["in the project, "] = _epochs((project / TRAIN / "history.csv").read_text())

    def found() -> Iterator[Apart | None]:
        for label, theirs in places.items():
            yield from _rows(label, theirs, ours)
        yield from _curves(old, new)

    return check("history", found())


def _epochs(text: str | None) -> list[Row]:
    if not text:
        return []
    frame = pd.read_csv(io.StringIO(text))
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.astype(object).to_numpy()]


def _rows(label: str, old: list[Row], new: list[Row]) -> Iterator[Apart | None]:
    for number in range(max(len(old), len(new))):
        rows = [rows[number] if number < len(rows) else None for rows in (old, new)]
        if rows[0] is None or rows[1] is None:
            yield Apart(f"{label}epochs: recorded {len(old)}, now {len(new)}", None)
            return
        for key in sorted({*rows[0], *rows[1]}):
            place = f"{label}epoch {number + 1}, {key}"
            yield between(place, rows[0].get(key), rows[1].get(key))


def _curves(old: Record, new: Record) -> Iterator[Apart | None]:
    keys = [key for key, steps in new.series.items() if max(steps) > 0 and "/" not in key]
    for key in keys:
        theirs, ours = old.series.get(key, {}), new.series[key]
        for step in sorted({*theirs, *ours} - {0}):
            place = f"epoch {step}, MLflow's {key}"
            yield between(place, theirs.get(step), ours.get(step))


def weights(old: Record, new: Record, project: Path | None, tree: Path) -> Check:
    """The digest of the weights, and every model file, number by number."""
    if not (old.folder / MODEL).exists():
        return Check("weights", "MLflow has no model of this run")

    def found() -> Iterator[Apart | None]:
        yield models_between("MLflow's model", old.folder / MODEL, new.folder / MODEL)
        file = TRAIN / "model.keras"
        if project and (project / file).exists():
            yield models_between(str(file), project / file, tree / file)

    apart = together(found())
    if apart is None:
        digests = [one.tags.get("truefit.weights") for one in (old, new)]
        apart = between("SHA-256", *digests)
    return Check("weights", apart.first, apart.largest) if apart else Check("weights")


def predictions(old: Record, new: Record) -> Check:
    """What the model makes of every row of the test split."""
    digests = [one.tags.get("truefit.predictions") for one in (old, new)]
    files = [one.folder / "predictions.npy" for one in (old, new)]
    if not all(file.exists() for file in files):
        apart = between("SHA-256", *digests)
        return Check("predictions", apart.first) if apart else Check("predictions")
    try:
        arrays = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
    except (ValueError, OSError) as error:
        return Check("predictions", f"predictions.npy cannot be read: {error}")
    apart = arrays_between("row", *arrays)
    if apart is None and digests[0] != digests[1]:
        apart = between("SHA-256", *digests)
    return Check("predictions", apart.first, apart.largest) if apart else Check("predictions")


def _repeats(*records: Record) -> list[list[Row]]:
    return [_epochs(record.text("repeats.csv")) for record in records]


def metrics(old: Record, new: Record, project: Path | None) -> Check:
    """Scores with their intervals, the gap and the verdict, and trainings over seeds."""
    ours = flatten(new.json("metrics.json") or {})
    places = {"": flatten(old.json("metrics.json") or {})}
    if project and (project / EVALUATE / "metrics.json").exists():
        found_there = json.loads((project / EVALUATE / "metrics.json").read_text())
        places["in the project, "] = flatten(found_there)

    def found() -> Iterator[Apart | None]:
        for label, theirs in places.items():
            for key in sorted({*theirs, *ours}):
                yield between(f"{label}{key}", theirs.get(key), ours.get(key))
        for number, rows in enumerate(zip(*_repeats(old, new), strict=False), start=1):
            for key in rows[1]:
                yield between(f"repeats.csv, row {number}, {key}", rows[0].get(key), rows[1][key])
        yield between("rows of repeats.csv", *map(len, _repeats(old, new)))
        shown_there, made = old.metrics, new.metrics
        for key in sorted(made):
            if SPLIT_SCORE.match(key) or key in AT_BEST:
                yield between(f"MLflow's {key}", shown_there.get(key), made[key])
        yield between("tag truefit.verdict", *(r.tags.get("truefit.verdict") for r in (old, new)))

    return check("metrics", found())
