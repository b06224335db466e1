"""The prepared folder: memory-mappable arrays per split, and dataset.json, which describes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from truefit.core.prepared.facts import Facts

Pair = tuple[np.ndarray, np.ndarray]
SPLITS = ("train", "validation", "test")
GROUPS = "groups.npy"


@dataclass(frozen=True)
class Split:
    """The rows of one split; both arrays are mapped from disk, not read."""

    x: np.ndarray
    y: np.ndarray


def read_facts(folder: Path) -> Facts:
    """What dataset.json says: shapes, classes, statistics, counts, digests."""
    return Facts.read(folder)


def read_split(folder: Path, name: str) -> Split:
    """One split of the prepared folder."""
    return Split(*(_map(folder / name / f"{array}.npy") for array in "xy"))


def read_tables(folder: Path, facts: Facts) -> dict[str, np.ndarray]:
    """The features of each code of a column, row 0 those of a code unseen in training."""
    return {name: _map(folder / "train" / f"{name}.npy") for name in facts.tables}


def read_groups(folder: Path, facts: Facts) -> np.ndarray | None:
    """The group of each training row, then of each validation row; `None` where there are none."""
    return np.load(folder / "train" / GROUPS, allow_pickle=False) if facts.grouped else None


def write_split(folder: Path, name: str, rows: int, pairs: Iterable[Pair]) -> str:
    """Write one split piece by piece and return the SHA-256 of its two files.

    The same input gives the same bytes, however it is cut into pieces.

    Args:
        folder: the prepared folder.
        name: of the split.
        rows: how many the pieces have in all.
        pairs: `(x, y)` of consecutive rows.
    """
    (folder / name).mkdir(parents=True)
    digest = hashlib.sha256()
    with ExitStack() as stack:
        paths = [folder / name / f"{array}.npy" for array in "xy"]
        files = [stack.enter_context(path.open("w+b")) for path in paths]
        for number, pair in enumerate(pairs):
            for file, part in zip(files, pair, strict=True):
                if number == 0:
                    _write_header(file, rows, part)
                file.write(np.ascontiguousarray(part).data)
        for file in files:
            file.seek(0)
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _write_header(file: BinaryIO, rows: int, part: np.ndarray) -> None:
    np.lib.format.write_array_header_1_0(
        file,
        {
            "descr": np.lib.format.dtype_to_descr(part.dtype),
            "fortran_order": False,
            "shape": (rows, *part.shape[1:]),
        },
    )


def _map(file: Path) -> np.ndarray:
    array: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    return array
