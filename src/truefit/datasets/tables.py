"""Feature tables: what is known of a user or an item, by its code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from truefit.datasets.table import apply_coding, feature_names, fit_coding


def write_tables(
    folder: Path, tables: dict[str, pd.DataFrame] | None, coding: list[dict[str, Any]] | None
) -> dict[str, list[str]]:
    """Write one array per table, `(codes, features)` float32, and return the features' names.

    Row 0 (a code unseen in training) and codes that a table does not know are zeros; features are
    standardised over the codes of training, so zeros are the average.

    Raises:
        ValueError: a table belongs to no column.
    """
    levels = {column["name"]: column.get("levels", []) for column in coding or []}
    named = {}
    for name, frame in (tables or {}).items():
        if not levels.get(name):
            raise ValueError(f"the feature table {name!r} belongs to no column of codes")
        known = frame[frame.index.astype(str).isin(levels[name])]
        known = known.set_axis(known.index.astype(str), axis=0)
        columns = fit_coding(known, types={})
        coded = _standard(apply_coding(known, columns))
        place = pd.Index(levels[name]).get_indexer(known.index) + 1
        table = np.zeros((len(levels[name]) + 1, coded.shape[1]), np.float32)
        table[place] = coded
        np.save(folder / f"{name}.npy", table, allow_pickle=False)
        named[name] = feature_names(columns)
    return named


def _standard(coded: np.ndarray) -> np.ndarray:
    spread = coded.std(axis=0)
    standard: np.ndarray = (coded - coded.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return standard
