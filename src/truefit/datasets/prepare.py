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
from truefit.core.prepared.facts import Facts, Moments, SplitFacts
from truefit.core.prepared.folder import GROUPS, SPLITS, Pair, write_split
from truefit.core.prepared.mapped import read
from truefit.core.prepared.statistics import Statistics, check_finite, count_unseen
from truefit.core.prepared.table import apply_coding, feature_names, sizes
from truefit.core.targets import make
from truefit.datasets.checks import Source
from truefit.datasets.division import Division, divide
from truefit.datasets.report import Seen, make_report
from truefit.datasets.source import check_source
from truefit.datasets.splits import Indices
from truefit.datasets.tables import write_tables

if TYPE_CHECKING:
    from truefit.config.schema import Data

PIECE = 32 * 2**20  # bytes of rows that are coded and written at a time
NAMED = 1000  # raw files that dataset.json lists


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
    division = divide(source, data["split"], kind, seed)
    normalize = data["normalize"] and not sizes(division.coding)  # codes are looked up
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    try:
        facts = _fill(building, division, normalize, raw)
        if raw and (changed := raw.changed()):
            raise ValueError(f"{changed[0]} changed while it was read: `dvc repro` reads it again")
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return facts


def _fill(building: Path, division: Division, normalize: bool, raw: Inputs | None) -> Facts:
    """Write all that is prepared into an empty folder; the contents of its dataset.json."""
    source, coding, rows = division.source, division.coding, division.rows
    seen = {name: Seen() for name in SPLITS}
    coded = Coded(source["x"], division.y, coding, division.target.kind == "next")
    written = _write(building, coded, rows, normalize, seen)
    if division.groups is not None:
        _write_groups(building, division.groups, rows)
    facts = _describe(division, written, normalize, raw)
    report = make_report(source, facts, seen, rows)
    tables = write_tables(building / "train", source.get("tables"), coding)
    facts = replace(facts, report=report, tables=tables)
    facts.write(building)
    return facts


def _describe(division: Division, written: Written, normalize: bool, raw: Inputs | None) -> Facts:
    """What dataset.json says, without the report and the feature tables."""
    coding = division.coding
    return Facts(
        written.input_shape,
        written.dtype,
        division.target,
        _describe_splits(division, written),
        hashlib.sha256("".join(written.digests.values()).encode()).hexdigest(),
        features=feature_names(coding) if coding else division.source.get("features"),
        columns=coding,
        sizes=sizes(coding),
        statistics=written.statistics,
        normalize=normalize,
        stratified=division.stratified,
        grouped=division.groups is not None,
        in_order=division.in_order,
        raw=named_digests(raw) if raw else {},
    )


def _describe_splits(division: Division, written: Written) -> dict[str, SplitFacts]:
    splits = {
        name: SplitFacts(
            len(rows), written.digests[name], division.counts[name], written.unseen[name]
        )
        for name, rows in division.rows.items()
    }
    digest = _source_digest(division.source["x"], division.y, division.rows["test"])
    return splits | {"test": replace(splits["test"], source=digest)}


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
