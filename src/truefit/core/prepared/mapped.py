"""Reading rows of files that are mapped and may be larger than memory."""

from __future__ import annotations

import mmap
from typing import Protocol

import numpy as np


class Rows(Protocol):
    """An array, or what gives rows as one does."""

    def __getitem__(self, chosen: np.ndarray | slice, /) -> np.ndarray:
        """The chosen rows."""

    def __len__(self) -> int:
        """How many there are."""


def read(rows: Rows, chosen: np.ndarray | slice) -> np.ndarray:
    """A copy of the chosen rows; of a mapped file no page stays in this process' memory."""
    part = np.array(rows[chosen])
    for array in getattr(rows, "parts", [rows]):
        file = _mapping(array)
        if file is not None and hasattr(mmap, "MADV_DONTNEED"):
            file.madvise(mmap.MADV_DONTNEED)  # they stay in the system's cache
    return part


def _mapping(array: object) -> mmap.mmap | None:
    """The mapping below an array, or below that of which it is a view."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None
