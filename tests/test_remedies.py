"""A study's storage that fails says what failed, and the way out that fits."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from truefit.core.errors import UserError
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study

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
