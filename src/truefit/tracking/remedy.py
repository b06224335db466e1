"""What helps when an SQLite file of the project cannot be used, by SQLite's name of the fault."""

from __future__ import annotations

import errno
import shlex
from pathlib import Path

from truefit.core.paths import sqlite_url

# How the names of faults begin: SQLite's result codes (sqlite.org/rescode.html) and POSIX's.
FULL = ("SQLITE_FULL", "ENOSPC", "EDQUOT")
FAILING = ("SQLITE_IOERR", "EIO")  # also a quota or a limit of a file's size that is used up
DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
FORBIDDEN = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "EACCES", "EROFS")
OTHER_VERSION = "out-of-date database schema"  # MLflow gives this fault no name, only a sentence


def name_of(error: BaseException | None) -> str:
    """Return what SQLite or the system calls a fault, such as `SQLITE_FULL` or `ENOSPC`.

    SQLAlchemy, Optuna and MLflow wrap it. Where nobody gives it a name, as PostgreSQL does not, it
    is empty.
    """
    while error is not None:
        if name := getattr(error, "sqlite_errorname", ""):
            return str(name)
        if isinstance(error, OSError) and error.errno:
            return errno.errorcode.get(error.errno, "")
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__
    return ""


def is_damaged(error: BaseException) -> bool:
    """Whether to wait is of no use: the file is no database, or no longer a whole one."""
    return name_of(error).startswith(DAMAGED)


def remedy(file: Path, error: BaseException, again: str) -> str:
    """The way out, in one sentence; empty if it is not known.

    Args:
        file: the database.
        error: what was raised when it was used.
        again: what makes its contents again, as a sentence goes on.
    """
    name = name_of(error)
    if name.startswith(FULL):
        return "The disk is full: free space, then try again; what is written is kept"
    if name.startswith(FAILING):
        return (
            "The disk takes no more, or fails: free space (`df .`), a quota or a limit of a file's "
            "size (`ulimit -f`), then try again; what is written is kept"
        )
    quoted = shlex.quote(str(file))
    if name.startswith(DAMAGED):
        return (
            "Expected an SQLite database, received another file or a damaged one: "
            f"`mv {quoted} {quoted}.damaged`, and {again}"
        )
    if OTHER_VERSION in str(error):
        url = shlex.quote(sqlite_url(file))
        return (
            "Another version of MLflow made it. If it was an older one: "
            f"`cp {quoted} {quoted}.old && mlflow db upgrade {url}`; if a newer one, install that"
        )
    if name.startswith(FORBIDDEN):
        return f"Expected a file that you may write, in a folder that is there: see to {file}"
    return ""
