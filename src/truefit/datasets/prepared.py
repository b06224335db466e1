"""The prepared folder: memory-mappable arrays per split, and dataset.json, which describes them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Facts = dict[str, Any]
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """The rows of one split; both arrays are mapped from disk, not read."""

    x: np.ndarray
    y: np.ndarray


def read_facts(folder: Path) -> Facts:
    """What dataset.json says: shapes, classes, statistics, counts, digests."""
    facts: Facts = json.loads((folder / "dataset.json").read_text())
    return facts


def read_split(folder: Path, name: str) -> Split:
    """One split of the prepared folder."""
    x, y = (np.load(folder / name / f"{a}.npy", mmap_mode="r", allow_pickle=False) for a in "xy")
    return Split(x, y)


def write_split(folder: Path, name: str, x: np.ndarray, y: np.ndarray) -> str:
    """Write one split and return the SHA-256 of its two files: the same input, the same bytes."""
    digest = hashlib.sha256()
    (folder / name).mkdir(parents=True)
    for array, values in (("x", x), ("y", y)):
        file = folder / name / f"{array}.npy"
        np.save(file, np.ascontiguousarray(values), allow_pickle=False)
        with file.open("rb") as stored:
            digest.update(hashlib.file_digest(stored, "sha256").digest())
    return digest.hexdigest()
