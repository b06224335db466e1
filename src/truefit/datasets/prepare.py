"""Preprocess: a source becomes the prepared folder. TensorFlow is not imported."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from truefit.core.inputs import Inputs, digest_of
from truefit.core.paths import input_path
from truefit.core.prepared.coding import Coding
from truefit.core.prepared.duplicates import row_digests
from truefit.core.prepared.facts import Facts, Moments, SplitFacts, Target
from truefit.core.prepared.findings import note
from truefit.core.prepared.folder import GROUPS, SPLITS, Pair, write_split
from truefit.core.prepared.mapped import read
from truefit.core.prepared.statistics import Statistics, check_finite, count_unseen
from truefit.core.prepared.table import apply_coding, feature_names, fit_coding, sizes
from truefit.core.targets import make
from truefit.datasets.checks import Source
from truefit.datasets.report import Seen, make_report
from truefit.datasets.source import check_source
from truefit.datasets.split_keys import GIVEN, classes_to_share, follow, key_of
from truefit.datasets.splits import Indices, given_by_column, split_rows
from truefit.datasets.tables import write_tables
from truefit.datasets.target import code_target, doubts_of

if TYPE_CHECKING:
    from truefit.config.schema import Data

PIECE = 32 * 2**20  # bytes of rows that are coded and written at a time
NAMED = 1000  # raw files that dataset.json lists
CODING: dict[str, Any] = {"types": {}}


def read_source(data: Data, seed: int, packages: Collection[str] = ()) -> Source:
    """Call the source that `data._target_` names; relative paths also work in temporary trees.

    Raises:
        ValueError: what it returned cannot be used; see `check_source`.
    """
    arguments: dict[str, Any] = {
        key: value for key, value in data.items() if key not in ("split", "normalize")
    }
    if arguments.get("path"):
        arguments["path"] = str(input_path(arguments["path"]))
    source = make(arguments, "data", packages, if_taken={"seed": seed})
    return check_source(source, data["_target_"])


def prepare(
    source: Source,
    data: Data,
    kind: str,
    seed: int,
    folder: Path,
    raw: Inputs | None = None,
) -> Facts:
    """Split, code, describe and write a source; statistics come from the training rows alone.

    Rows are read, coded and written piece by piece, so that a source may be larger than memory.
    Everything is written into a folder beside `folder`, which then takes its place, unless `raw`,
    the files that the source is read from, has changed meanwhile.

    Returns:
        The contents of dataset.json.

    Raises:
        ValueError: too few rows or classes, missing targets, values that are not finite.
    """
    y, target = code_target(source, kind)
    doubtful = doubts_of(source, kind, y, target)
    for one in doubtful:
        note(one)
    given, split = given_by_column(source.get("keys") or {}, data["split"])
    source = {**source, "findings": [*source.get("findings", []), *doubtful]}
    if "is_test" in given:
        source["is_test"] = given["is_test"]
    if "is_validation" in given:
        source["is_validation"] = given["is_validation"]
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
    coded = Coded(source["x"], y, coding, kind == "next")
    target = _measured(target, y, rows)
    normalize = data["normalize"] and not sizes(coding)  # codes are looked up
    counts = _count_classes(target, y, rows)
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    try:
        seen = {name: Seen() for name in SPLITS}
        written = _write(building, coded, rows, normalize, seen)
        splits = {
            name: SplitFacts(len(chosen), written.digests[name], counts[name], written.unseen[name])
            for name, chosen in rows.items()
        }
        splits["test"] = replace(
            splits["test"], source=_source_digest(source["x"], y, rows["test"])
        )
        if groups is not None:
            _write_groups(building, groups, rows)
        facts = Facts(
            written.input_shape,
            written.dtype,
            target,
            splits,
            hashlib.sha256("".join(written.digests.values()).encode()).hexdigest(),
            features=feature_names(coding) if coding else source.get("features"),
            columns=coding,
            sizes=sizes(coding),
            statistics=written.statistics,
            normalize=normalize,
            stratified=labels is not None,
            grouped=groups is not None,
            in_order=times is not None and follow(times, rows),
            raw=named_digests(raw) if raw else {},
        )
        report = make_report(source, facts, seen, rows)
        tables = write_tables(building / "train", source.get("tables"), coding)
        facts = replace(facts, report=report, tables=tables)
        facts.write(building)
        if raw and (changed := raw.changed()):
            raise ValueError(f"{changed[0]} changed while it was read: `dvc repro` reads it again")
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return facts


def named_digests(raw: Inputs) -> dict[str, str]:
    """SHA-256 of each raw file, below the place that they share; of very many of all together."""
    shared = os.path.commonpath([str(Path(name).parent) for name in raw.files] or ["."])
    found = {os.path.relpath(name, shared): digest for name, digest in raw.files.items()}
    return found if len(found) <= NAMED else {f"{len(found)} files": digest_of(found)}


@dataclass(frozen=True)
class Coded:
    """The rows of a source as they are written, coded when they are asked for."""

    x: Any
    y: np.ndarray
    coding: list[Coding] | None
    next_one: bool

    def pairs(self, rows: np.ndarray) -> Iterator[Pair]:
        """`(x, y)` of these rows in pieces of about PIECE bytes."""
        size = max(1, PIECE // max(1, self.at(rows[:1])[0].nbytes))
        for start in range(0, len(rows), size):
            yield self.at(rows[start : start + size])

    def at(self, rows: np.ndarray) -> Pair:
        """`(x, y)` of these rows."""
        if self.coding is None:
            return _plain(read(self.x, rows), np.shape(self.x)), self.y[rows]
        codes = apply_coding(self.x.iloc[rows], self.coding)
        return (codes[:, :-1], codes[:, 1:]) if self.next_one else (codes, self.y[rows])


def _plain(chosen: object, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(chosen)
    if values.ndim < 2 or 0 in values.shape[1:]:
        raise ValueError(f"x must be rows of at least one feature each, received {shape}")
    if values.dtype.kind not in "fiub":
        raise ValueError(f"x must hold numbers, received {values.dtype}")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    # Pixels and sound stay as small as they are; a model sees both as float32.
    if values.dtype in (np.uint8, np.int16):
        return values
    with np.errstate(over="ignore"):  # what becomes infinite is refused by `check_finite`
        return values.astype(np.float32)


@dataclass(frozen=True)
class Written:
    """Shape, type and statistics of the rows, and what each split's files hold."""

    input_shape: list[int]
    dtype: str
    statistics: Moments | None
    digests: dict[str, str]
    unseen: dict[str, dict[str, int]]


def _write(
    building: Path, coded: Coded, rows: Indices, normalize: bool, seen: dict[str, Seen]
) -> Written:
    """Write every split."""
    x, _ = coded.at(rows["train"][:1])
    columns = coded.coding or []
    is_sound = x.ndim == 2 and x.dtype == np.int16 and not normalize
    statistics = None if sizes(columns) or is_sound else Statistics()  # nothing to standardise
    texts = any(column["kind"] in ("text", "characters") for column in columns)
    codes = {c["name"]: c["trained"] for c in columns if c["kind"] == "code"}
    digests, unseen = {}, {name: dict.fromkeys(codes, 0) for name in SPLITS}
    for name in SPLITS:
        pairs = seen[name].watch(coded.pairs(rows[name]), texts=texts, sound=is_sound)
        if statistics and name == "train":
            pairs = statistics.watch(pairs)
        pairs = check_finite(pairs, name)
        if codes:
            pairs = count_unseen(pairs, unseen[name], codes)
        digests[name] = write_split(building, name, len(rows[name]), pairs)
    moments = statistics.moments() if statistics else None
    return Written(list(x.shape[1:]), str(x.dtype), moments, digests, unseen)


def _source_digest(x: Any, y: np.ndarray, rows: np.ndarray) -> str | None:
    """The same for the same test rows, whatever the training rows that a table is coded by."""
    if not isinstance(x, pd.DataFrame):
        return None  # not coded: the split's digest is of the rows themselves
    return hashlib.sha256(row_digests(x.iloc[rows]).tobytes() + y[rows].tobytes()).hexdigest()


def _write_groups(building: Path, groups: np.ndarray, rows: Indices) -> None:
    """Numbers of groups, for folds that keep them whole."""
    _, codes = np.unique(groups.astype(str), return_inverse=True)
    chosen = np.concatenate([rows["train"], rows["validation"]])
    np.save(building / "train" / GROUPS, codes[chosen].astype(np.int32), allow_pickle=False)


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
