"""How a file of separated values is written, and the line in which each of its rows begins."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import IO, Any, Literal, TypedDict

import numpy as np

from truefit.datasets.checks import plain_name

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKING = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what a broken packed file raises
# What a file begins with that is no text, however it is called.
BINARY = {
    b"\x1f\x8b": "gzip: give it the ending .gz",
    b"BZh": "bzip2: give it the ending .bz2",
    b"\xfd7zX": "xz: give it the ending .xz",
    b"\x28\xb5\x2f\xfd": "Zstandard: unpack it",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: unpack it, or save it as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save it as CSV in UTF-8",
    b"PAR1": "Parquet: choose `data: parquet` and give it the ending .parquet",
}
# cp1252 is what most Windows machines write.
ENCODED = "save it as UTF-8, or set `data.encoding`, such as cp1252, or utf-16 (Excel's Unicode)"
WHOLE = 2**31 - 1  # characters of one cell that the scan for lines takes


class Quoting(TypedDict):
    """Arguments of `pandas.read_csv` and of `csv.reader`, by their names in both."""

    quotechar: str
    quoting: Literal[0, 3]
    escapechar: str | None


@dataclass(frozen=True)
class Layout:
    """How a file of separated values is written; the names are the keys below `data`.

    `header_key` is the key that says whether the first line has names, for messages.
    """

    header: bool = True
    sep: str | None = None
    quote: str | None = '"'
    escapechar: str | None = None
    encoding: str = "utf-8"
    decimal: str | Mapping[Any, str] = "."
    thousands: str | Mapping[Any, str] | None = None
    na_values: tuple[str, ...] | list[str] | None = None
    keep_default_na: bool = True
    header_key: str = "header"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Layout:
        """The layout that a `data` block of the configuration describes."""
        names = {field.name for field in fields(cls)}
        known = {"sep": data.get("separator"), **data}  # what the key was called in older records
        return cls(**{name: value for name, value in known.items() if name in names})

    @property
    def quoting(self) -> Quoting:
        """What pandas' and Python's readers are told of quotes."""
        return {
            "quotechar": self.quote or '"',
            "quoting": csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            "escapechar": self.escapechar,
        }

    def signs(self, column: str) -> tuple[str, str | None]:
        """The decimal sign of a column and what stands between its thousands, if anything does."""
        decimal = _of_column(self.decimal, column) or "."
        thousands = _of_column(self.thousands, column)
        return decimal, None if thousands == decimal else thousands


def _of_column(sign: Any, column: str) -> str | None:
    if isinstance(sign, Mapping):
        return {plain_name(name): own for name, own in sign.items()}.get(plain_name(column))
    return sign if sign is None else str(sign)


def find_separator(file: Path, encoding: str = "utf-8") -> str:
    """The one of `,` `;` tab `|` that the header has most of; of a single column a tab."""
    with open_text(file, encoding) as lines:
        header = next((line for line in lines if line.strip()), "")
    bare = re.sub('"[^"]*"', "", header)
    return max("\t,;|", key=bare.count)


def line_numbers(file: Path, layout: Layout, rows: np.ndarray) -> list[int]:
    """The lines of the file in which `rows` begin; blank lines count, cells may take several."""
    begins = [line for line, _ in records(file, layout)][layout.header :]
    return [begins[row] for row in rows]


def open_text(file: Path, encoding: str = "utf-8") -> IO[str]:
    """A text file, also one that gzip, bzip2 or xz has packed.

    Raises:
        ValueError: what it holds is no text.
    """
    opener = OPENERS.get(file.suffix.lower())
    with file.open("rb") as content:
        start = content.read(4)
    if opener is None:
        for sign, what in BINARY.items():
            if start.startswith(sign):
                raise ValueError(f"{file}: expected a text file, received {what}")
    known = "utf-8-sig" if is_utf8(encoding) else encoding
    opened: IO[str] = (opener or open)(file, "rt", encoding=known, errors="replace", newline="")
    return opened


def is_utf8(encoding: str) -> bool:
    """Whether an encoding is UTF-8, which may begin with a mark that is no text."""
    return encoding.lower() in ("utf-8", "utf8")


def records(
    file: Path, layout: Layout, after: Iterable[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """The line in which each row begins, the header's too, and its cells; no blank lines.

    The lines `after` are read as if they followed the last one of the file.
    """
    sep = layout.sep or find_separator(file, layout.encoding)
    before, line = csv.field_size_limit(WHOLE), 1
    try:
        with open_text(file, layout.encoding) as lines:
            # A separator that is a pattern hides all quotes but those at the start of a line.
            sign = sep if len(sep) == 1 else "\x1f"
            reader = csv.reader(
                chain(lines, after), delimiter=sign, skipinitialspace=True, **layout.quoting
            )
            for cells in reader:
                if len(cells) > 1 or "".join(cells).strip():
                    yield line, cells
                line = reader.line_num + 1
    finally:
        csv.field_size_limit(before)
