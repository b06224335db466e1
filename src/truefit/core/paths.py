"""Where things lie: the project's root, and what all work trees of one project share."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

RESOLVED = Path("resolved.yaml")
PREPARED = Path("data/prepared")
SEARCH = Path("outputs/search")
TRAIN = Path("outputs/train")
REPEAT = Path("outputs/repeat")
EVALUATE = Path("outputs/evaluate")


def project_root() -> Path:
    """The folder that temporary DVC work trees share: `DVC_ROOT`, or the nearest with `.dvc`.

    DVC sets `DVC_ROOT` for every stage and lets it point at the main work tree even in
    `dvc exp run --temp` and in the queue, so databases anchored here outlive those folders.
    """
    if root := os.environ.get("DVC_ROOT"):
        return Path(root).resolve()
    here = Path.cwd().resolve()
    return next((p for p in (here, *here.parents) if (p / ".dvc").is_dir()), here)


def state_folder() -> Path:
    """`<root>/.truefit`, created on first use: studies and locks, never in git."""
    folder = project_root() / ".truefit"
    folder.mkdir(exist_ok=True)
    return folder


def studies_url() -> str:
    """The SQLAlchemy URL of Optuna's storage: `TRUEFIT_STORAGE`, or SQLite in the project."""
    given = os.environ.get("TRUEFIT_STORAGE") or sqlite_url(state_folder() / "studies.db")
    return anchored(given) if given.startswith("sqlite:") else given


def anchored(address: str) -> str:
    """A database's or MLflow's address as it is; a relative path lies below the project's root.

    A temporary DVC work tree would take a file of its own with it when it is removed.
    """
    from sqlalchemy import make_url  # noqa: PLC0415 - see `sqlite_url`

    file = sqlite_file(address)
    if file is not None and not file.is_absolute() and str(file) != ":memory:":
        return make_url(address).set(database=str(project_root() / file)).render_as_string()
    path = address.removeprefix("file:")
    is_relative = ":" not in path and not path.startswith(("/", "databricks"))
    return (project_root() / path).as_uri() if is_relative else address


def sqlite_url(file: Path) -> str:
    """The SQLAlchemy address of an SQLite file, whatever characters its path has."""
    from sqlalchemy import URL  # noqa: PLC0415 - most stages need no database

    return URL.create("sqlite", database=str(file)).render_as_string()


def sqlite_file(url: str) -> Path | None:
    """The file at an SQLAlchemy address; `None` if it names no SQLite file."""
    from sqlalchemy import make_url  # noqa: PLC0415 - see `sqlite_url`
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        named = make_url(url).database if url.startswith("sqlite:") else None
    except (ArgumentError, ValueError):
        return None
    if named and named.startswith("file:"):  # SQLite's own form, as with `?mode=ro&uri=true`
        named = unquote(urlsplit(named).path)
    return Path(named) if named else None


def input_path(path: str) -> Path:
    """`path` as given, or below the project's root where a temporary work tree lacks it."""
    given = Path(path).expanduser()
    return given if given.is_absolute() or given.exists() else project_root() / given
