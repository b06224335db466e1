"""A recorded study searched again, and compared slot by slot."""

from __future__ import annotations

import csv
from pathlib import Path

from truefit.core.files import read_json, write_text
from truefit.core.paths import RESOLVED, SEARCH
from truefit.core.resolved import CONTENT, HEADER, dump, read_yaml
from truefit.tracking.records import (
    Record,
    children,
    from_mlflow,
)
from truefit.tracking.store import MlflowRun, Store
from truefit.verify.study import slots
from truefit.verify.verdict import Check, CouldNotTryError
from truefit.verify.work_tree import run_stage


def study_of(store: Store, old: Record) -> Record | None:
    """The record of the study that a training's parameters come from, if MLflow has it."""
    found = (old.json("search/study.json") or {}).get("run_id")
    return from_mlflow(store, found, old.folder.parent / "study") if found else None


def search_again(
    store: Store, old: Record, study: Record | None, tree: Path, workers: int | None
) -> Check:
    """The check of a study that is searched again in `tree`.

    Args:
        store: where the study is on record.
        old: the training's record.
        study: the study's.
        tree: a work tree with the commit's code, configuration and data.
        workers: trials side by side, which changes no result; `None`: as configured.

    Raises:
        CouldNotTryError: it began from others' results, did not end, or hung on a time limit.
    """
    config = read_yaml(tree / RESOLVED)
    if config["search"]["warm_start"]:
        raise CouldNotTryError("its study began from the results of others (search.warm_start)")
    if workers is not None:
        config["search"]["workers"] = workers  # which changes no result
        config.pop(CONTENT, None)  # it is of the file as compose wrote it
        write_text(tree / RESOLVED, HEADER + dump(config))
    recorded = old.text("search/trials.csv") or old.text("trials.csv")
    if recorded is None:
        raise CouldNotTryError("the run has no trials.csv: its search did not end")
    finalists = children(store, study, "finalist") if study else []
    if what := _timed_out(recorded, finalists):
        raise CouldNotTryError(
            f"training.time_limit ended {what} of its study: how far it came, and what followed, "
            "hung on the machine's speed"
        )
    run_stage(tree, "search")
    summaries = (
        old.json("search/study.json"),
        read_json(tree / SEARCH / "study.json", "winner"),
    )
    trials = children(store, study) if study else []
    changed = study.tags.get("truefit.changed.search", "") if study else ""
    return slots(recorded, (tree / SEARCH / "trials.csv").read_text(), summaries, trials, changed)


def _timed_out(trials: str, finalists: list[MlflowRun]) -> str:
    """What of a study its time limit ended, so that it does not repeat bit for bit."""
    if "timed_out" in [row["state"] for row in csv.DictReader(trials.splitlines())]:
        return "a trial"
    states = [run.data.tags.get("truefit.state") for run in finalists]
    return "a finalist" if "timed_out" in states else ""
