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

from truefit.tracking.redaction import ACCOUNT, is_secret
from truefit.verify.changes import apply, check_out_choices
from truefit.verify.git import git
from truefit.verify.verdict import CouldNotTryError

# All that a stage has of the environment here (docs/verify.md): what programs, Python, backends and
# downloads need to work. A record or a configuration of others cannot ask for the rest.
PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|COLUMNS|SYSTEMROOT|"
    r"VIRTUAL_ENV|CONDA_PREFIX|LD_LIBRARY_PATH|XDG_CACHE_HOME|NPROC|TRUEFIT_DATA|"
    r"PYTHONHASHSEED|"
    r"(CUDA|NVIDIA|TF|XLA|JAX|TORCH|PYTORCH|KERAS|OMP|MKL|OPENBLAS|NUMEXPR)_\w+|"
    r"SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy"
)
TAIL = 12  # lines of a stage that failed


@contextlib.contextmanager
def work_tree(commit: str, diff: str, *, trusted: bool) -> Iterator[Path]:
    """The project at a commit, with its uncommitted changes; the folder goes with the block.

    Unless it is trusted, the commit must belong to a branch or a tag, as a tracker may name any,
    and the changes must be choices.

    Raises:
        CouldNotTryError: the repository does not have the commit, the changes do not apply, or they
            are more than choices.
    """
    top, inner = (git(Path.cwd(), "rev-parse", f"--show-{what}") for what in ("toplevel", "prefix"))
    repository, prefix = Path(top.stdout.strip()), inner.stdout.strip()
    _require(repository, commit, trusted)
    with tempfile.TemporaryDirectory(prefix="truefit-verify-") as place:
        tree = Path(place) / "tree"
        _borrow(repository, tree)
        if diff and not trusted:
            check_out_choices(tree, commit, diff, prefix)
        else:
            git(tree, "-c", "core.hooksPath=/dev/null", "checkout", "--quiet", "--detach", commit)
        if diff and trusted:
            apply(tree, diff, prefix)
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


def run_stage(tree: Path, stage: str) -> str:
    """Run a stage's script in the tree, as DVC would, recorded there alone; what it printed.

    Raises:
        CouldNotTryError: it failed; the message has its last lines.
    """
    done = subprocess.run(
        [sys.executable, f"pipelines/{stage}.py"],
        cwd=tree,
        env=environment_of(tree),
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


def environment_of(tree: Path) -> dict[str, str]:
    """What a stage that runs in the tree has of this process's environment: what is named above.

    A variable that holds a secret by its name, or an address with a password, is left out.
    """
    passed = {
        key: value
        for key, value in os.environ.items()
        if PASSED.fullmatch(key) and not is_secret(key) and not ACCOUNT.search(value)
    }
    return passed | {
        "DVC_ROOT": str(tree),
        "TRUEFIT_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join(["src", "."]),
    }
