"""Tables as read again, and their columns as coded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from truefit.core.prepared.coding import Coding, is_looked_up
from truefit.datasets.rows import read_rows


def read_table(file: Path, **data: Any) -> pd.DataFrame:
    """The rows of a table; `data` are settings of its source."""
    rows = read_rows(file, data)
    assert isinstance(rows, pd.DataFrame)
    return rows


def levels(column: Coding) -> list[str]:
    """Those of a category or of what is looked up."""
    assert is_looked_up(column) or column["kind"] == "category"
    return column["levels"]
