"""One `dvc exp run` at a time in a project's folder: a second one is refused before it begins.

DVC 3.67 lets a second one begin. It replaces the first one's choices in params.yaml while that
runs, is then refused at a stage, and takes away the references that the first one's end needs
(`dvc/repo/experiments/executor/local.py`, `WorkspaceExecutor.cleanup`). So each stage of an
experiment holds, in DVC's own lock file, what a second one has to write first.

Between two stages DVC's lock of the repository keeps a second one out. Two moments stay open: until
the process of a stage has begun (a tenth of a second), and from the first one's begin to its first
stage. There DVC has written choices and references already (`dvc/repo/experiments/queue/
workspace.py`, `WorkspaceQueue.put`, and `executor/local.py`, `WorkspaceExecutor.init_git`), so a
stage that refuses would come too late.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from truefit.core.paths import project_root
from truefit.stages.leftovers import Entries, Holder, edit

LOCK = ".dvc/tmp/exps/rwlock"
STASH = "refs/exps/stash"  # where DVC puts the choices of an experiment of the work tree
WAY_OUT = (
    "an experiment runs in this folder. Wait for its end, or queue yours: "
    "`dvc exp run --queue ...`, then `dvc queue start`"
)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep a second `dvc exp run` from this folder for as long as a stage of the first one runs."""
    root = project_root()
    lock = root / LOCK
    # Temporary and queued experiments have a folder of their own.
    if "DVC_EXP_BASELINE_REV" not in os.environ or root != Path.cwd() or not lock.exists():
        yield
        return
    own: Holder = {"pid": os.getpid(), "cmd": WAY_OUT}

    def hold(entries: Entries) -> None:
        entries["read"].setdefault(STASH, []).append(own)

    def release(entries: Entries) -> None:
        left = [one for one in entries["read"].pop(STASH, []) if one != own]
        entries["read"].update({STASH: left} if left else {})

    edit(lock, hold)
    try:
        yield
    finally:
        edit(lock, release)
