"""Columns of a table that are its target: rows that have none, and several labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from truefit.core.prepared.findings import Finding, note
from truefit.datasets.checks import Lines, name_rows


def with_target(
    frame: pd.DataFrame, target: list[str], missing: str, lines: Lines | None = None
) -> tuple[pd.DataFrame, Lines | None, list[Finding]]:
    """Return the rows, without those that lack a target if these are to be left out.

    Args:
        frame: a table.
        target: the columns that are predicted.
        missing: `drop` leaves rows out; any other word keeps all of them.
        lines: the line of the file in which each row begins.

    Returns:
        The rows, their lines, and the finding that rows are left out if some are.
    """
    has = frame[[name for name in target if name in frame]].notna().all(axis=1)
    if missing != "drop" or has.all():
        return frame, lines, []
    what = "rows are left out: they have no target"
    left_out = [Finding("skipped", int((~has).sum()), len(frame), what, noted=True)]
    note(left_out[0])
    kept = np.flatnonzero(has)

    def kept_lines(rows: np.ndarray) -> list[int]:
        return lines(kept[rows]) if lines else kept[rows].tolist()

    return frame[has].reset_index(drop=True), kept_lines, left_out


def read_labels(file: Path, frame: pd.DataFrame, lines: Lines | None) -> pd.DataFrame:
    """Return each column as 0 and 1, from numbers or from true and false.

    Raises:
        ValueError: a value is neither; the message has its line.
    """
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "true": 1, "false": 0}
    coded = frame.apply(lambda column: column.astype("str").str.lower().map(known))
    for name, values in coded.items():
        if len(bad := np.flatnonzero(values.isna())):
            received = frame[name].iloc[bad[:1]].tolist()[0]  # a number as Python writes it
            raise ValueError(
                f"{file}: a label of several must be 0 or 1 (or true or false), and {name!r} holds "
                f"{received!r} in {name_rows(bad[:1], lines)}; "
                f"to predict {name!r} alone name it as text, not in a list"
            )
    whole: pd.DataFrame = coded.astype("int8")
    return whole
