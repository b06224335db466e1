"""Git, run in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from truefit.verify.verdict import CouldNotTryError

# A hook of git's sets these, and each would lead to another repository than the folder's.
ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


def git(
    folder: Path, *arguments: str, check: bool = True, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder; bytes that are no UTF-8 come out as Python's file names have them.

    Args:
        folder: in the repository.
        arguments: git's.
        check: whether a failure is an error.
        text: what git reads.

    Raises:
        CouldNotTryError: it fails, where that is checked, or is not there.
    """
    program = shutil.which("git")
    if program is None:
        raise CouldNotTryError("git is not installed")
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key not in ELSEWHERE},
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    if check and done.returncode:
        raise CouldNotTryError(f"git {arguments[0]} in {folder}: {done.stderr.strip()[:300]}")
    return done
