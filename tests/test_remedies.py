"""A study's storage that fails says what failed, and the way out that fits."""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, run
from optuna.exceptions import StorageInternalError
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from truefit.core.errors import UserError
from truefit.core.paths import studies_url
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study
from truefit.tracking.remedy import is_damaged, remedy
from truefit.tracking.store import Store

DATABASE = Path(".truefit/studies.db")


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The project's own storage with one study, in use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("truefit.search.storage.rdb.OUTAGE", 0.3)
    Path(".dvc").mkdir()
    opened = Storage.open(lambda _: None)
    Study.of(opened, "study-a", 1)
    return opened


def fill(storage: Storage) -> None:
    """The database may not grow: SQLite says what it says on a full disk."""

    @event.listens_for(storage.rdb.engine, "connect")
    def limit(connection: object, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]

    storage.rdb.engine.dispose()


def damage(storage: Storage) -> None:
    storage.rdb.engine.dispose()
    DATABASE.write_bytes(b"no database " * 5000)


def remove(storage: Storage) -> None:
    storage.rdb.engine.dispose()
    shutil.rmtree(".truefit")


FAULTS: dict[str, tuple[Callable[[Storage], None], str]] = {
    "full": (fill, "The disk is full: free space"),
    "damaged": (damage, "studies.db.damaged`, and `dvc repro` begins its studies again"),
    "removed": (remove, "Somebody removed the file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_storage_that_fails_in_use_says_what_helps(storage: Storage, fault: str) -> None:
    """Nobody is told to start a database that is a file."""
    make, expected = FAULTS[fault]
    make(storage)

    with pytest.raises(UserError) as refused:
        Study.of(storage, "study-b", 1).describe({"note": "x" * 100_000})

    assert expected in str(refused.value)
    assert "Start the database" not in str(refused.value)
    assert "TRUEFIT_STORAGE" not in str(refused.value)


def test_a_turn_in_a_folder_that_is_removed_is_no_traceback(storage: Storage) -> None:
    """The locks of a study lie beside its file, and go with it."""
    remove(storage)

    with pytest.raises(UserError, match="Somebody removed the file"):
        storage.in_turn("study-a", lambda _: storage.rdb.get_all_studies())


@pytest.mark.parametrize("content", [b"no database " * 50, b"\x00" * 4096, b"SQLite format 3\x00"])
def test_a_file_that_is_no_database_is_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """The command to paste is the way out, and the file stays until a person has run it."""
    monkeypatch.chdir(tmp_path)
    for folder in (".dvc", ".truefit"):
        Path(folder).mkdir()
    DATABASE.write_bytes(content)

    with pytest.raises(UserError, match=r"`mv \S+/studies.db \S+/studies.db.damaged`"):
        Storage.open(print)

    assert DATABASE.read_bytes() == content


def change(file: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        for statement in statements:
            database.execute(statement)


def test_tables_of_another_optuna_are_no_traceback(storage: Storage) -> None:
    """What Optuna says of its own tables is the message, with the command that it names."""
    storage.rdb.engine.dispose()
    change(
        DATABASE,
        "UPDATE alembic_version SET version_num = 'v2.6.0.a'",
        "UPDATE version_info SET library_version = '2.6.0'",
    )

    with pytest.raises(UserError, match=r"set up by optuna 2.6.0.*optuna storage upgrade") as said:
        Storage.open(print)
    assert f"`optuna storage upgrade --storage {studies_url()}`" in str(said.value)


def test_a_study_and_mlflow_share_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would take the version of the other's tables for its own, and refuse them."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("TRUEFIT_STORAGE", "sqlite:///runs.db")

    with pytest.raises(UserError, match="TRUEFIT_STORAGE: expected another database than MLflow's"):
        Storage.open(print)


@pytest.mark.slow
def test_tables_of_another_mlflow_have_their_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow is not away: the command that brings its tables up to date can be pasted."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    Store.open().experiment("truefit")
    change(Path("mlflow.db"), "UPDATE alembic_version SET version_num = '451aebb31d03'")

    opened = "from truefit.tracking.store import Store; Store.open()"  # MLflow remembers it here
    said = run(sys.executable, "-c", opened, PYTHONPATH=str(ROOT / "src")).stderr

    assert "cannot be used" in said
    assert "mlflow.db.old && mlflow db upgrade sqlite:///" in said


def raised_by(file: Path, statement: str) -> sqlite3.Error:
    """What SQLite raises."""
    with (
        contextlib.closing(sqlite3.connect(file)) as database,
        pytest.raises(sqlite3.Error) as raised,
    ):
        database.execute(statement)
    return raised.value


def test_a_fault_goes_by_its_name_and_not_by_its_sentence(tmp_path: Path) -> None:
    """SQLite's own, below what wraps it; a sentence of another database with its words is none."""
    file = tmp_path / "studies.db"
    file.write_bytes(b"no database " * 500)
    broken = raised_by(file, "SELECT * FROM sqlite_master")
    outer = StorageInternalError("Optuna's words")
    outer.__cause__ = OperationalError("SELECT", None, broken)
    quoting = OperationalError("SELECT", None, Exception('malformed array literal: "{"'))

    assert is_damaged(broken)
    assert is_damaged(outer)
    assert f"mv {file}" in remedy(file, outer, "again")
    assert not is_damaged(quoting)
    assert remedy(file, quoting, "again") == ""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, "The disk is full"),
        (errno.EDQUOT, "The disk is full"),
        (errno.EACCES, "Expected a file that you may write"),
        (errno.ECONNREFUSED, ""),
    ],
)
def test_a_fault_of_the_system_has_the_same_way_out(code: int, expected: str) -> None:
    """By its number, in whatever language the system says it."""
    assert remedy(Path("mlflow.db"), OSError(code, "plus de place"), "again").startswith(expected)
    assert bool(remedy(Path("mlflow.db"), OSError(code, "?"), "again")) == bool(expected)
