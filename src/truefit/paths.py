"""Where things lie: the project's root, and what all work trees of one project share."""

from __future__ import annotations

import os
from pathlib import Path

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
    return os.environ.get("TRUEFIT_STORAGE") or f"sqlite:///{state_folder() / 'studies.db'}"


def input_path(path: str) -> Path:
    """`path` as given, or below the project's root where a temporary work tree lacks it."""
    given = Path(path).expanduser()
    return given if given.is_absolute() or given.exists() else project_root() / given
