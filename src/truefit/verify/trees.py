"""A run's code in a folder of its own: its commit with what was not committed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from truefit.verify.verdict import CouldNotTryError

# What sets where a stage records, stores and reads; a repeated run has its own places.
OUTSIDE = (
    "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "TRUEFIT_STORAGE", "DVC_STAGE", "DVC_EXP_NAME",
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE",
)  # fmt: skip
SECRET = re.compile("TOKEN|PASSWORD|SECRET|CREDENTIAL|API_KEY|ACCESS_KEY", re.IGNORECASE)
TAIL = 12  # lines of a stage that failed


@contextlib.contextmanager
def work_tree(commit: str, diff: str, *, trusted: bool) -> Iterator[Path]:
    """The project at a commit, with its uncommitted changes; the folder goes with the block.

    Unless it is trusted, the commit must belong to a branch or a tag: a tracker may name any.

    Raises:
        CouldNotTryError: the repository does not have the commit, or the changes do not apply.
    """
    top, inner = (git(Path.cwd(), "rev-parse", f"--show-{what}") for what in ("toplevel", "prefix"))
    repository, prefix = Path(top.stdout.strip()), inner.stdout.strip()
    _require(repository, commit, trusted)
    with tempfile.TemporaryDirectory(prefix="truefit-verify-") as place:
        tree = Path(place) / "tree"
        _borrow(repository, tree)
        git(tree, "-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "--detach", commit)
        if diff:
            _apply(tree, diff, prefix)
        if not (tree / prefix / "pipelines").is_dir():
            raise CouldNotTryError(f"commit {commit[:12]} has no pipelines/: it is no project")
        yield tree / prefix


def _borrow(repository: Path, tree: Path) -> None:
    """An empty repository that reads the other's objects, also where that one is shallow."""
    git(repository, "init", "--quiet", str(tree))
    paths = [git(repository, "rev-parse", "--git-path", p).stdout for p in ("objects", "shallow")]
    objects, shallow = (repository / path.strip() for path in paths)
    (tree / ".git/objects/info/alternates").write_text(f"{objects.resolve()}\n")
    if shallow.exists():
        shutil.copyfile(shallow, tree / ".git/shallow")


def _require(repository: Path, commit: str, trusted: bool) -> None:
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise CouldNotTryError(f"{commit[:40]!r} is the name of no commit")
    if not _has(repository, commit, trusted):
        git(repository, "fetch", "--quiet", check=False)
    if not _has(repository, commit, trusted):
        raise CouldNotTryError(
            f"commit {commit[:12]} is on no branch of this repository: push it from where the run "
            "was made, and `git fetch`"
        )


def _has(repository: Path, commit: str, trusted: bool) -> bool:
    if git(repository, "cat-file", "-e", f"{commit}^{{commit}}", check=False).returncode:
        return False
    places = ("refs/heads", "refs/remotes", "refs/tags")
    named = git(
        repository, "for-each-ref", "--count=1", "--contains", commit, *places
    ).stdout.strip()
    return trusted or bool(named) or _is_ahead(repository, commit)


def _is_ahead(repository: Path, commit: str) -> bool:
    """Whether it is what a detached HEAD stands on."""
    ancestor = ("merge-base", "--is-ancestor", commit, "HEAD")
    return git(repository, *ancestor, check=False).returncode == 0


def changed_files(diff: str) -> list[str]:
    """The files that a diff touches.

    Raises:
        CouldNotTryError: it is no plain diff of texts: renamed or binary files, links.
    """
    odd = re.search(
        r"^(rename|copy|GIT binary|Binary files|(new|new file|old) mode 120000)", diff, re.MULTILINE
    )
    if odd:
        raise CouldNotTryError(f"the run's uncommitted changes have more than texts: {odd[0]!r}")
    with tempfile.TemporaryDirectory() as place:
        git(Path(place), "init", "--quiet")
        file = Path(place) / "changes.diff"
        file.write_bytes(diff.encode())
        done = git(Path(place), "apply", "--numstat", "-z", str(file), check=False)
    if done.returncode:
        raise CouldNotTryError(f"the stored changes are no diff: {done.stderr.strip()[:200]}")
    return [part.split("\t")[-1] for part in done.stdout.split("\0") if part]


def run_stage(tree: Path, stage: str) -> str:
    """Run a stage's script in the tree, as DVC would, recorded there alone; what it printed.

    Raises:
        CouldNotTryError: it failed; the message has its last lines.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in OUTSIDE and not SECRET.search(key)
    }
    environment |= {
        "DVC_ROOT": str(tree),
        "TRUEFIT_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(["src", "."]),
    }
    done = subprocess.run(
        [sys.executable, f"pipelines/{stage}.py"],
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        last = "\n".join(f"  {line}" for line in said.strip().splitlines()[-TAIL:])
        raise CouldNotTryError(f"the {stage} stage fails here:\n{last}")
    return said


def _apply(tree: Path, diff: str, prefix: str) -> None:
    """Git itself refuses paths that lead out of the tree."""
    file = tree.parent / "changes.diff"
    file.write_bytes(diff.encode())
    place = [f"--directory={prefix}"] if prefix else []
    done = git(tree, "apply", "--whitespace=nowarn", *place, str(file), check=False)
    if done.returncode:
        raise CouldNotTryError(
            f"the run's uncommitted changes do not apply to its commit: {done.stderr.strip()[:300]}"
        )


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git in a folder.

    Raises:
        CouldNotTryError: it fails, where that is checked, or is not there.
    """
    if shutil.which("git") is None:
        raise CouldNotTryError("git is not installed")
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise CouldNotTryError(f"git {arguments[0]} in {folder}: {done.stderr.strip()[:300]}")
    return done
