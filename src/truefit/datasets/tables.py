"""Feature tables: what is known of a user or an item, by its code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from truefit.core.prepared.coding import Coding
from truefit.core.prepared.columns import as_levels
from truefit.core.prepared.table import apply_coding, feature_names, fit_coding


def write_tables(
    folder: Path, tables: dict[str, pd.DataFrame] | None, coding: list[Coding] | None
) -> dict[str, list[str]]:
    """Write one array per table, `(codes, features)` float32, and return the features' names.

    Row 0 (an unseen code) and codes that a table does not know are zeros; features are
    standardised over the codes of the training rows, so zeros are the average.

    Raises:
        ValueError: a table belongs to no column.
    """
    codes = {column["name"]: column for column in coding or [] if column["kind"] == "code"}
    named = {}
    for name, frame in (tables or {}).items():
        if name not in codes:
            raise ValueError(f"the feature table {name!r} belongs to no column of codes")
        levels, trained = codes[name]["levels"], codes[name]["trained"]
        place = pd.Index(levels).get_indexer(pd.Index(as_levels(frame.index.to_series())))
        known = frame.reset_index(drop=True)[place >= 0]
        place = place[place >= 0]
        numeric = {str(c): "number" for c in known if kinds.is_numeric_dtype(known[c])}
        columns = fit_coding(known[place < trained], types=numeric)
        coded = apply_coding(known, columns)
        table = np.zeros((len(levels) + 1, coded.shape[1]), np.float32)
        table[place + 1] = _standard(coded, place < trained)
        np.save(folder / f"{name}.npy", table, allow_pickle=False)
        named[name] = feature_names(columns)
    return named


def _standard(coded: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 in those rows."""
    mean, spread = coded[of].mean(axis=0), coded[of].std(axis=0)
    standard: np.ndarray = (coded - mean) / np.where(spread > 0, spread, 1.0)
    return standard
