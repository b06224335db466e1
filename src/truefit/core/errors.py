"""The one exception that a person is meant to read, and the hint that most of them need."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

# All but tab and newline, and what turns the direction of writing (Unicode Standard Annex 9).
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class UserError(Exception):
    """Input that cannot be used: the message says where, what was expected, received, the way out.

    The stages and the command line print it without a traceback and exit with 1. `own` says that a
    function of the user's raised what it tells of, whose traceback can be asked for.
    """

    def __init__(self, *said: object, own: bool = False) -> None:
        """`said` as of every exception."""
        super().__init__(*said)
        self.own = own


class WorkerError(UserError):
    """This process, or its machine, cannot train: no fault of what was to be trained."""


def plain(text: object) -> str:
    """Return a text without what moves a terminal's cursor: parts of it may be others' names."""
    return CONTROL.sub("", str(text))


def closest(name: str, known: Collection[str]) -> str | None:
    """The known name that may be meant, if one is like it."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close:  # a right word in the wrong section is the other common slip
        last = name.rpartition(".")[2]
        close = [k for k in sorted(known) if k.rpartition(".")[2] == last][:1]
    return close[0] if close else None


def nearest(name: str, known: Collection[str]) -> str:
    """`" Did you mean ...?"` with the nearest known name, and the known ones when they are few."""
    close = closest(name, known)
    hint = f" Did you mean `{close}`?" if close else ""
    return hint + (f" Known: {', '.join(sorted(known))}." if 0 < len(known) <= 16 else "")
