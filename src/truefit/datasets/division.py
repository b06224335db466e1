"""How a source's rows are divided: which are trained, validated and tested on, and the coding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from truefit.core.prepared.coding import Coding
from truefit.core.prepared.duplicates import row_digests
from truefit.core.prepared.facts import Target
from truefit.core.prepared.findings import Finding, note
from truefit.core.prepared.table import feature_names, fit_coding
from truefit.datasets.checks import Source
from truefit.datasets.split_keys import GIVEN, classes_to_share, follow, key_of
from truefit.datasets.splits import Indices, given_by_column, split_rows
from truefit.datasets.target import code_target, doubts_of

if TYPE_CHECKING:
    from truefit.config.schema import Split

CODING: dict[str, Any] = {"types": {}}


@dataclass(frozen=True)
class Division:
    """A source with the splits of its rows, and what the training rows say.

    Args:
        source: what a data function returned, with the split that a column gives.
        y: the target of each row, coded.
        target: what is predicted; a number has mean and scale of the training rows.
        rows: row numbers of each split.
        coding: how the columns of a table are coded; `None` for arrays.
        counts: rows of each class in each split; nothing for a target without classes.
        groups: the group of each row, if groups stay whole.
        stratified: whether each split got its share of each class.
        in_order: whether each row, from training to test, is later than the one before.
    """

    source: Source
    y: np.ndarray
    target: Target
    rows: Indices
    coding: list[Coding] | None
    counts: dict[str, dict[str, int]]
    groups: np.ndarray | None
    stratified: bool
    in_order: bool


def divide(source: Source, split: Split, kind: str, seed: int) -> Division:
    """Give each row to one split, and fit the coding to the training rows.

    Args:
        source: what a data function returned.
        split: `data.split`.
        kind: of the target, as `task.target` names it.
        seed: the same seed gives the same splits.

    Raises:
        ValueError: too few rows or classes, missing targets.
    """
    y, target = code_target(source, kind)
    source = _with_doubts(source, doubts_of(source, kind, y, target))
    source, split = _with_given(source, split)
    groups, times = (key_of(source, split, name) for name in ("group", "time"))
    if split.get("duplicates") == "together":
        groups = row_digests(_learned_from(source))
    labels = classes_to_share(source, y, target, split)
    masks: dict[str, Any] = {name: source.get(name) for name in GIVEN}
    rows = split_rows(
        labels,
        len(y),
        validation=split["validation"],
        test=split["test"],
        seed=seed,
        **masks,
        groups=groups,
        times=times,
    )
    coding = _fit(source, rows["train"])
    target = _measured(target, y, rows)
    counts = _count_classes(target, y, rows)
    in_order = times is not None and follow(times, rows)
    return Division(source, y, target, rows, coding, counts, groups, labels is not None, in_order)


def _with_doubts(source: Source, doubtful: list[Finding]) -> Source:
    """The source with what is doubtful of its target among its findings, once that is said."""
    for one in doubtful:
        note(one)
    return {**source, "findings": [*source.get("findings", []), *doubtful]}


def _with_given(source: Source, split: Split) -> tuple[Source, Split]:
    """The source with the split that a column gives, if one does; what is left to split by."""
    given, split = given_by_column(source.get("keys") or {}, split)
    source = {**source}
    if "is_test" in given:
        source["is_test"] = given["is_test"]
    if "is_validation" in given:
        source["is_validation"] = given["is_validation"]
    return source, split


def _learned_from(source: Source) -> Any:
    """The rows without columns that would be left out, such as ids, which make all rows differ."""
    x = source["x"]
    if not isinstance(x, pd.DataFrame):
        return x
    coding = fit_coding(x, **source.get("coding", CODING))
    return x[[c["name"] for c in coding if c["kind"] != "drop"]]


def _fit(source: Source, train: np.ndarray) -> list[Coding] | None:
    x = source["x"]
    if not isinstance(x, pd.DataFrame):
        return None
    known = {name: table.index for name, table in (source.get("tables") or {}).items()}
    coding = fit_coding(x.iloc[train], **source.get("coding", CODING), known=known)
    if not feature_names(coding):
        raise ValueError("no column is left to learn from: all are constant or id-like")
    return coding


def _measured(target: Target, y: np.ndarray, rows: Indices) -> Target:
    """The target, of a number with mean and scale of the training rows."""
    if target.kind != "number":
        return target
    train = y[rows["train"]]
    if (scale := float(train.std())) == 0:
        raise ValueError(f"{target.name} is the same in every training row")
    return replace(target, mean=float(train.mean()), scale=scale)


def _count_classes(target: Target, y: np.ndarray, rows: Indices) -> dict[str, dict[str, int]]:
    """Rows of each class in each split; nothing of a target without classes.

    Raises:
        ValueError: a class that training does not see is validated or tested on.
    """
    if not (classes := target.classes):
        return {name: {} for name in rows}
    unseen = np.setdiff1d(y, y[rows["train"]])
    if len(unseen):
        names = ", ".join(repr(classes[code]) for code in unseen[:5])
        raise ValueError(
            f"{target.name}: no training row is of class {names}, and other splits "
            "have it: split otherwise (data.split), or drop it"
        )
    counts = {name: np.bincount(y[chosen], minlength=len(classes)) for name, chosen in rows.items()}
    return {name: dict(zip(classes, count.tolist(), strict=True)) for name, count in counts.items()}
