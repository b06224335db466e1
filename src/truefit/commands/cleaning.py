"""`truefit clean`: what takes room on the disk and no run needs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from truefit.core.errors import UserError
from truefit.core.paths import TRAIN, project_root, state_folder
from truefit.core.run import Run
from truefit.tracking.journal import journals
from truefit.tracking.store import Store, tracking_uri

DAY = 86400.0  # seconds after which nobody goes on with a training that was killed
GC = ("gc", "--workspace", "--all-commits", "--all-experiments")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Waste:
    """Files of one kind that no run needs, and what removes them."""

    what: str
    files: int
    size: int  # bytes
    remove: Callable[[], None]


def clean(keep: int, *, yes: bool, say: Say) -> None:
    """List what no run needs, and remove it where `yes` says so.

    What stays: outputs/, whatever dvc.lock, a commit or an experiment names, journals that are not
    sent, those of the newest trainings and of the one whose model lies here, and runs that were
    not deleted in MLflow.

    Args:
        keep: how many of the newest trainings keep their sent journals.
        yes: remove it; else only list it.
        say: hears a line for each kind.

    Raises:
        UserError: MLflow cannot be reached, or DVC refuses.
    """
    looks = [_sent_journals(keep), _checkpoints(), *_deleted_runs(), *_unused_data()]
    found = [one for one in looks if one.files]
    for one in found:
        say(f"{readable_size(one.size):>10}  {one.files:>6} files  {one.what}")
    total = readable_size(sum(one.size for one in found))
    if not found:
        say("nothing to remove")
        return
    if not yes:
        say(f"{total:>10}  in all; nothing was removed: `truefit clean --yes` removes it")
        return
    for one in found:
        one.remove()
    say(f"{total:>10}  removed")


def readable_size(size: float) -> str:
    """Return a number of bytes as people read it: 12.3 MB."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _files(what: str, files: Collection[Path]) -> Waste:
    def remove() -> None:
        for file in files:
            file.unlink(missing_ok=True)

    return Waste(what, len(files), sum(file.stat().st_size for file in files), remove)


def _sent_journals(keep: int) -> Waste:
    """Journals that MLflow has, older than those of the newest trainings."""
    sent = sorted((journals() / "sent").glob("*.jsonl"))
    trained = [file.name for file in sent if "-train-" in file.name]
    first = trained[-keep - 1] if len(trained) > keep else ""  # the newest that may go
    needed = [name.encode() for name in _runs_here()]
    old = [
        file
        for file in sent
        if file.name <= first and not any(name in file.read_bytes() for name in needed)
    ]
    return _files(f"journals that MLflow has, older than the last {keep} trainings", old)


def _runs_here() -> list[str]:
    """The journals' names of the training whose model lies here."""
    run = Run.find(TRAIN / "run.json")
    return [run.run] if run else []


def _checkpoints() -> Waste:
    folder = state_folder() / "checkpoints"
    there = list(folder.glob("*.npz")) if folder.is_dir() else []
    old = [file for file in there if time.time() - file.stat().st_mtime > DAY]
    return _files("checkpoints of trainings that were killed more than a day ago", old)


def _deleted_runs() -> list[Waste]:
    """Files of runs that were deleted in the project's own MLflow; a server cleans its own."""
    uri = tracking_uri()
    if not uri.startswith("sqlite:") or not (project_root() / "mlflow.db").exists():
        return []
    store = Store.open()
    try:
        experiments = [one.experiment_id for one in store.client.search_experiments()]
        deleted = store.client.search_runs(experiments, run_view_type=2)  # those alone
    except store.away as error:
        raise store.refusal(error) from None
    files = [file for run in deleted for file in _below(str(run.info.artifact_uri))]
    ids = ",".join(run.info.run_id for run in deleted)

    def remove() -> None:
        store_at = ("--backend-store-uri", uri, "--tracking-uri", uri)
        _run(sys.executable, "-m", "mlflow", "gc", *store_at, "--run-ids", ids)

    size = sum(file.stat().st_size for file in files)
    return [Waste(f"{len(deleted)} runs that were deleted in MLflow", len(files), size, remove)]


def _below(address: str) -> list[Path]:
    folder = Path(unquote(urlsplit(address).path))
    return [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []


def _unused_data() -> list[Waste]:
    """Prepared data and models in DVC's cache that no commit, experiment or dvc.lock names."""
    root = project_root()
    in_git = any((folder / ".git").exists() for folder in (root, *root.parents))
    if not in_git or not (root / ".dvc").is_dir():
        return []  # without commits nobody can say what is not needed
    told = _run("dvc", *GC, "--dry", "--verbose")
    # `dvc gc` prints sentences alone, without --json, and its function in Python returns nothing.
    named = {Path(found) for found in re.findall(r"Removing (/.+)$", told, re.MULTILINE)}
    files = [file for file in named if file.is_file()]

    def remove() -> None:
        _run("dvc", *GC, "--force")

    what = "data and models in DVC's cache that no commit, experiment or dvc.lock names"
    return [Waste(what, len(files), sum(file.stat().st_size for file in files), remove)]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise UserError(f"`{' '.join(command[:3])} ...` failed: {' '.join(last)}")
    return done.stdout + done.stderr
