"""What a source or `preprocess` noticed of files and rows: the lines of the data report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["skipped", "changed", "cut", "empty", "constant", "equal", "unknown"]


@dataclass(frozen=True)
class Finding:
    """`count` of `of` files, rows, words or columns, and in `what` the rest of the sentence.

    `noted` says that a note on the screen has said it already.
    """

    kind: Kind
    count: int
    of: int
    what: str
    noted: bool = False

    def __str__(self) -> str:
        return f"{self.count:,} of {self.of:,} {self.what}"
