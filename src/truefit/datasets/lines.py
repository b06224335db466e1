"""Lines of a table that are no row by themselves, or not a whole one: where, and what is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd
from pandas.api import types as kinds

from truefit.core.prepared.findings import Finding
from truefit.datasets.checks import SHOWN
from truefit.datasets.layouts import Layout, find_separator, open_text, records

BLANKS = r"\s+"  # the one pattern that pandas' fast reader takes as a separator
PIECE = 2**24  # characters of whole lines that are looked at in one go


def long_cells(file: Path, layout: Layout, frame: pd.DataFrame) -> list[Finding]:
    """Return the finding on texts that go over several lines, as where a quote is closed late.

    Args:
        file: the table.
        layout: how it is written.
        frame: its columns; nothing but their texts is looked at.
    """
    texts = [v.astype("str") for _, v in frame.items() if not kinds.is_numeric_dtype(v)]
    texts = [v for v in texts if v.str.contains("\n", regex=False).any()]
    if not texts:
        return []
    cells = list(_cells(file, layout))
    line, more = max(cells, key=lambda cell: cell[1], default=(0, 0))
    what = (
        f"texts go over several lines ({file}); the longest begins in line {line} and ends in line "
        f"{line + more}, all one row. If a quote is not closed there, close it; if quotes are part "
        "of the text, set `data.quote: null`"
    )
    return [Finding("doubtful", len(cells), len(texts) * len(frame), what, noted=True)]


def check_escapes(file: Path, layout: Layout) -> None:
    """Refuse a table whose quoted texts have a backslash before each quote within.

    Readers end the text at such a quote, and join what follows to it.

    Raises:
        ValueError: it does; the message has the first such line.
    """
    sep = layout.sep or find_separator(file, layout.encoding)
    if layout.escapechar or not layout.quote or len(sep) > 1:
        return
    sign, quote = re.escape(sep), layout.quote
    within = rf"(?:^|{sign}) *{quote}[^{quote}]*\\{quote}(?!{quote}| *(?:{sign}|\r?$))"
    line = 1
    with open_text(file, layout.encoding) as lines:
        for piece in iter(lambda: "".join(lines.readlines(PIECE)), ""):
            if found := re.search(within, piece, re.MULTILINE):
                line += piece.count("\n", 0, found.end())
                raise ValueError(
                    f"{file}: expected quotes within a text to be doubled, received a backslash "
                    f"before one in line {line}: set `data.escapechar: '\\'` if the file is "
                    "written so"
                )
            line += piece.count("\n")


def check_cells(file: Path, layout: Layout) -> None:
    """Refuse a table in which a line has more cells than the first one, those that are empty aside.

    With blanks as separator only pandas can tell the cells of a line with quotes.

    Raises:
        ValueError: one has; the message has the first such line.
    """
    sep = layout.sep or find_separator(file, layout.encoding)
    if sep == BLANKS:
        return
    rows = ((line, _split(cells, sep)) for line, cells in records(file, layout))
    count = len(next(rows, (1, []))[1])
    for line, cells in rows:
        if any(cells[count:]):
            raise ValueError(
                f"{file}: expected {count} cells in each line with {sep!r} between them, as the "
                f"first line has, received {len(cells)} in line {line}: correct that line, remove "
                "what stands above the names, put quotes around texts that hold the separator, or "
                f"set `data.sep` or `data.quote`{_escaped(file, layout, line, cells)}"
            )


def _escaped(file: Path, layout: Layout, line: int, cells: list[str]) -> str:
    """What else helps where a backslash stands before a quote in the lines of a row."""
    if layout.escapechar or not layout.quote:
        return ""
    end = line + sum(cell.count("\n") for cell in cells)
    with open_text(file, layout.encoding) as lines:
        if not any(f"\\{layout.quote}" in text for text in islice(lines, line - 1, end)):
            return ""
    return (
        "; set `data.escapechar: '\\'` if a backslash there means that a quote is part of the text"
    )


def check_quotes(file: Path, layout: Layout) -> None:
    """Refuse a table that ends within quotes.

    Raises:
        ValueError: it does; the message has the line of the quote.
    """
    # Each is a row by itself, unless a quote before them is open.
    *_, (start, cells) = records(file, layout, after=("end", "end"))
    if cells == ["end"]:
        return
    line = start + sum(cell.count("\n") for cell in cells[:-1])
    raise ValueError(
        f"{file}: the quote that begins in line {line} is not closed: close it, or set "
        "`data.quote: null` if quotes are part of the text"
    )


def short_lines(file: Path, layout: Layout, frame: pd.DataFrame) -> list[Finding]:
    """Return the finding that names lines with fewer cells than the first; none without such lines.

    pandas fills them with missing values. The file is read again only where the last column of
    `frame` has some. An empty name at the end of the first line asks for no cell.
    """
    last = frame.iloc[:, -1]
    if not (last.isna() | (last.astype(object) == "")).any():
        return []
    sep = layout.sep or find_separator(file, layout.encoding)
    lines = ((line, _split(cells, sep)) for line, cells in records(file, layout))
    _, first = next(lines)
    expected = max((n for n, cell in enumerate(first, start=1) if cell.strip()), default=0)
    short = [line for line, cells in lines if len(cells) < expected]
    if not short:
        return []
    named = ", ".join(map(str, short[:SHOWN])) + (", ..." if len(short) > SHOWN else "")
    what = (
        f"rows of {file.name} have fewer cells than the first line ({expected}), and what is not "
        f"there counts as missing: line{'s' if len(short) > 1 else ''} {named}"
    )
    return [Finding("changed", len(short), len(frame), what)]


def _split(cells: list[str], sep: str) -> list[str]:
    """The cells of a row; a separator of several characters is a pattern."""
    return cells if len(sep) == 1 else re.split(sep, "".join(cells).strip())


def _cells(file: Path, layout: Layout) -> Iterator[tuple[int, int]]:
    """The line in which each cell of several lines begins, and how many more it has."""
    for start, cells in records(file, layout):
        line = start
        for cell in cells:
            if breaks := cell.count("\n"):
                yield line, breaks
                line += breaks
