"""What helps when an SQLite file of the project cannot be used, by what SQLite says."""

from __future__ import annotations

import shlex
from pathlib import Path

from truefit.core.paths import sqlite_url

FULL = ("disk is full", "No space left", "quota exceeded")
FAILING = "disk I/O error"  # also a quota or a limit of a file's size that is used up
OTHER_VERSION = "out-of-date database schema"
DAMAGED = ("file is not a database", "malformed")
FORBIDDEN = ("readonly database", "unable to open database file", "Permission denied")


def is_damaged(said: str) -> bool:
    """Whether to wait is of no use: the file is no database, or no longer a whole one."""
    return any(sign in said for sign in DAMAGED)


def remedy(file: Path, said: str, again: str) -> str:
    """The way out, in one sentence; empty if it is not known.

    Args:
        file: the database.
        said: the first line of the error.
        again: what makes its contents again, as a sentence goes on.
    """
    if any(sign in said for sign in FULL):
        return "The disk is full: free space, then try again; what is written is kept"
    if FAILING in said:
        return (
            "The disk takes no more, or fails: free space (`df .`), a quota or a limit of a file's "
            "size (`ulimit -f`), then try again; what is written is kept"
        )
    if is_damaged(said):
        name = shlex.quote(str(file))
        return (
            "Expected an SQLite database, received another file or a damaged one: "
            f"`mv {name} {name}.damaged`, and {again}"
        )
    if OTHER_VERSION in said:
        name, url = shlex.quote(str(file)), shlex.quote(sqlite_url(file))
        return (
            f"Another version of MLflow made it. If it was an older one: `cp {name} {name}.old && "
            f"mlflow db upgrade {url}`; if it was a newer one, install that"
        )
    if any(sign in said for sign in FORBIDDEN):
        return f"Expected a file that you may write, in a folder that is there: see to {file}"
    return ""
