"""The lock of a study on PostgreSQL: it holds across processes, and across a server's restart."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from postgres import Server

from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study

pytestmark = pytest.mark.slow


def opened(server: Server, patch: pytest.MonkeyPatch, heard: list[str]) -> Storage:
    patch.setenv("TRUEFIT_STORAGE", server.url)
    return Storage.open(heard.append)


def test_a_restarted_server_does_not_lose_the_lock(
    project: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart between two calls the lock is taken again before anything is written."""
    heard: list[str] = []
    mine, other = (opened(postgres_server, monkeypatch, heard) for _ in range(2))
    with mine.lock("study-lock"):
        study = Study.of(mine, "study-lock", 1)
        postgres_server.stop()
        postgres_server.start()
        time.sleep(1.1)
        study.describe({"spent": 1.0})
        (tmp := project / "elsewhere").mkdir()
        monkeypatch.chdir(tmp)  # another project, whose file lock is another
        monkeypatch.setenv("DVC_ROOT", str(tmp))
        waiting = threading.Thread(target=wait_for_lock, args=(other, heard))
        waiting.start()
        time.sleep(2)
        assert "got it" not in heard
    waiting.join(timeout=20)

    assert "waits for it to end" in heard[-2]
    assert heard[-1] == "got it"
    for storage in (mine, other):
        storage.rdb.engine.dispose()


def wait_for_lock(storage: Storage, heard: list[str]) -> None:
    with storage.lock("study-lock"):
        heard.append("got it")
