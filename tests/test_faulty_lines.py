"""What is wrong with a table that cannot be read is found in the file, not in a parser's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from truefit.datasets.frames import csv
from truefit.datasets.layouts import Layout
from truefit.datasets.lines import check_cells, check_quotes

GOOD = 'a,said,y\n1,"two\nlines",0\n2,"with ""quotes""",1\n3,,0\n'
FAULTS = {
    "too wide": (GOOD + "4,x,1,7\n", {}, "expected 3 cells .* received 4 in line 6"),
    "a quote alone at the end": (GOOD + '4,x,"', {}, "begins in line 6 is not closed"),
    "a line that is a quote": (GOOD + '"', {}, "begins in line 6 is not closed"),
    "a quote over all that follows": (GOOD + '4,"x\n5,y\n', {}, "begins in line 6 is not closed"),
    "a pattern as separator": (
        "a::y\n1::0\n2::1::7\n", {"sep": "::"}, "expected 2 cells .* received 3 in line 3",
    ),
    "blanks as separator": (
        "a y\n1 0\n2 1 7\n", {"sep": r"\s+"}, "cannot be read as a table .* line 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_line_and_the_fault_are_named(tmp_path: Path, fault: str) -> None:
    """With lines counted as an editor does."""
    content, more, expected = FAULTS[fault]
    (tmp_path / "t.csv").write_text(content)
    given: dict[str, Any] = {"path": str(tmp_path / "t.csv"), "target": "y", **more}

    with pytest.raises(ValueError, match=expected):
        csv(**given)


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n4,end,1\n", "\nend", "\nend,,,,"])
def test_a_sound_table_has_no_such_fault(tmp_path: Path, end: str) -> None:
    """However it ends: without a line break, with blank lines, or with empty cells."""
    file = tmp_path / "t.csv"
    file.write_text(GOOD.rstrip() + end)

    check_cells(file, Layout())
    check_quotes(file, Layout())


def test_quotes_that_are_part_of_the_text_need_not_be_closed(tmp_path: Path) -> None:
    """`data.quote: null` says so."""
    file = tmp_path / "t.csv"
    file.write_text(GOOD + '4,"x,1\n')

    check_quotes(file, Layout(quote=None))
