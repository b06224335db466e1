"""A path is quoted where it becomes part of an address, whatever characters it has."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, run
from hypothesis import given, settings
from hypothesis import strategies as st
from telling import study

from truefit.core.paths import sqlite_file, sqlite_url, studies_url
from truefit.tracking.journal import Journal
from truefit.tracking.store import tracking_uri

NAMES = ["why?a=b #1 100%", "%41+é語&c;d", 'a:b@c is "x"']


@settings(deadline=None)  # the first call imports SQLAlchemy
@given(st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1)))
def test_the_address_of_a_file_names_that_file(names: list[str]) -> None:
    """SQLAlchemy, and so MLflow and Optuna, open the path that was meant."""
    file = Path("/", *names, "x.db")

    assert sqlite_file(sqlite_url(file)) == file


def recorded(project: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A new project, the working directory from now on, and its journal of a study that ended."""
    (project / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(project)
    journal = Journal.create("truefit", "search")
    study(journal, 1)
    journal.close()
    journal.release()
    return journal


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_both_databases_lie_in_a_folder_of_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """MLflow's and Optuna's files, the locks and the artifacts lie in the project alone."""
    from truefit.search.storage.rdb import Storage  # noqa: PLC0415 - Optuna, for the slow tests alone

    project = tmp_path / name
    recorded(project, monkeypatch)
    sent = run("truefit", "sync", PYTHONPATH=str(ROOT / "src"))
    storage = Storage.open(print)
    storage.try_out("doctor")
    with storage.lock("study-a"):
        pass

    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert (sqlite_file(tracking_uri()), sqlite_file(studies_url())) == (
        project / "mlflow.db",
        project / ".truefit" / "studies.db",
    )
    assert {file.name for file in tmp_path.iterdir()} == {name}
    assert {"mlflow.db", "mlartifacts", ".truefit", ".dvc"} <= {f.name for f in project.iterdir()}
    assert list((project / "mlartifacts").rglob("note.txt"))


@pytest.mark.slow
def test_an_apostrophe_in_the_path_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow writes the path into its SQL as it is; the journal keeps what is to be sent."""
    journal = recorded(tmp_path / "it's", monkeypatch)
    sent = run("truefit", "sync", PYTHONPATH=str(ROOT / "src"))

    assert sent.returncode == 1
    assert "Rename the folder, or set MLFLOW_TRACKING_URI" in sent.stderr
    assert "Traceback" not in sent.stderr
    assert journal.path.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///mlflow.db", "sqlite:///{root}/mlflow.db"),
        ("sqlite:///runs/my.db?timeout=5", "sqlite:///{root}/runs/my.db?timeout=5"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
        ("./mlruns", "file://{root}/mlruns"),
        ("file:mlruns", "file://{root}/mlruns"),
        ("file:///srv/mlruns", "file:///srv/mlruns"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("databricks", "databricks"),
    ],
)
def test_a_relative_address_lies_below_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    """A temporary work tree, or a folder below, has no record of its own."""
    (tmp_path / ".dvc" / "tmp" / "exps" / "one").mkdir(parents=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # as DVC sets it there
    monkeypatch.chdir(tmp_path / ".dvc" / "tmp" / "exps" / "one")

    assert tracking_uri() == expected.format(root=tmp_path)
    if given.startswith("sqlite:"):
        monkeypatch.setenv("TRUEFIT_STORAGE", given)
        assert studies_url() == tracking_uri()
