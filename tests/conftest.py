"""A project of its own for each test that needs one, and one imported Keras for all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from postgres import Server, postgres
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from truefit.core.prepared.facts import Facts

ROOT = Path(__file__).parents[1]
PARTS = [
    "conf",
    "pipelines",
    "src",
    "dvc.yaml",
    "params.yaml",
    "resolved.yaml",
    "data/raw/README.md",
]
DOTS = [".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore"]

# Before any test imports Keras, and in every process that a test starts.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
for name in ("MLFLOW_TRACKING_URI", "TRUEFIT_STORAGE", "DVC_ROOT", "DVC_STAGE"):
    os.environ.pop(name, None)

# A shell that runs this in the background has Ctrl-C ignored, which every process inherits.
signal.signal(signal.SIGINT, signal.default_int_handler)


def dataset_json(**known: Any) -> Facts:
    """What dataset.json says, of which a test names what it needs."""
    least = {"input_shape": [1], "dtype": "float32", "digest": ""}
    splits = {n: {"rows": 0, "digest": ""} | one for n, one in known.get("splits", {}).items()}
    target = {"name": "y", "kind": "number"} | known.get("target", {})
    return Facts.from_json({**least, **known, "splits": splits, "target": target})


# A study that takes seconds: the whole pipeline, small.
TINY = """\
experiment: null
data: null
model: null
path: data/raw
search: {n_trials: 2}
training: {epochs: 3, batch_size: null}
seed: null
backend: null
set:
  training: {patience: 2}
  model: {units: 16}
  search: {finalists: {n_finalists: 1, n_seeds: 2}}
  evaluation: {n_resamples: 100}
"""


Kind = TypeVar("Kind")


def not_none(value: Kind | None) -> Kind:
    assert value is not None
    return value


def copy_project(folder: Path) -> Path:
    for part in (*PARTS, *DOTS):
        target = folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target)
    (folder / "params.yaml").write_text(TINY)
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project with a tiny study, as the working directory."""
    monkeypatch.chdir(copy_project(tmp_path / "project"))
    return tmp_path / "project"


def run(
    *command: str, cwd: Path | str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, with this environment's programs first on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    python_path = str(Path.cwd() / (cwd or "") / "src")
    return subprocess.run(
        command,
        cwd=cwd,
        env={
            **os.environ,
            "PATH": path,
            "PYTHONPATH": python_path,
            "COLUMNS": "120",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.com"]
    done = run("git", *identity, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare_and_commit() -> None:
    """The working directory's first two stages, and all of it as one commit."""
    for stage in ("compose", "preprocess"):
        done = run(sys.executable, f"pipelines/{stage}.py")
        assert done.returncode == 0, done.stderr
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "start")


@pytest.fixture
def repository(project: Path) -> Path:
    """The project as a git repository with one commit."""
    git("init", "-q", "-b", "main")
    git("config", "user.name", "tester")
    git("config", "user.email", "tester@example.com")
    git("add", "-A")
    git("commit", "-qm", "start")
    return project


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real PostgreSQL server for the whole session."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on a real S3 server, which boto3, DVC and MLflow find by the environment."""
    from s3 import s3  # noqa: PLC0415 - two seconds that few tests need

    with s3("team") as address:
        yield address


def stages_run(output: str) -> list[str]:
    """The stages that `dvc repro` ran, in order."""
    marker = "Running stage '"
    return [line.split("'")[1] for line in output.splitlines() if line.startswith(marker)]


def edit(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository in which `dvc repro` has run once, and what it printed."""
    folder = copy_project(tmp_path_factory.mktemp("pipeline") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        git("init", "-q", "-b", "main")
        git("config", "user.name", "tester")
        git("config", "user.email", "tester@example.com")
        git("add", "-A")
        git("commit", "-qm", "start")
        done = run("dvc", "repro")
        assert done.returncode == 0, done.stdout + done.stderr
        git("add", "-A")
        git("commit", "-qm", "first run")
    return folder, done.stdout


COPY = (
    "import shutil, sys; ignore = shutil.ignore_patterns(*sys.argv[3:]); "
    "shutil.copytree(sys.argv[1], sys.argv[2], symlinks=True, ignore=ignore)"
)


def copy_tree(source: Path, folder: Path, *ignored: str) -> None:
    """Copy a project in another process.

    Who closes a database's file drops the locks that SQLite has on it in the same process. Others
    then remove its write-ahead log, and a client of this process never sees a change again.
    """
    done = run(sys.executable, "-c", COPY, str(source), str(folder), *ignored)
    assert done.returncode == 0, done.stderr


def copy_finished(finished: tuple[Path, str], folder: Path) -> Path:
    """A copy with a record of its own: what is done to it leaves the other as it was."""
    copy_tree(finished[0], folder)
    moved = {"old": str(finished[0]), "new": str(folder)}
    places = [
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
    ]
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as record, record:
        for table, column in places:
            change = f"UPDATE {table} SET {column} = replace({column}, :old, :new)"  # noqa: S608 - ours
            record.execute(change, moved)
    return folder


@pytest.fixture
def project_dir(finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished repository as the working directory, as committed."""
    monkeypatch.chdir(finished[0])
    git("checkout", "-q", ".")
    return finished[0]


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    """Headless Chromium."""
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for argument in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1700,1100")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(str(programs[1])))
    yield driver
    driver.quit()
