"""A PostgreSQL server of one's own on loopback, with a folder that is gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # Debian keeps them off the PATH


@dataclass(frozen=True)
class Server:
    """A server that can be stopped and started again."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """As TRUEFIT_STORAGE takes it."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def database(self, name: str) -> str:
        """The address of a new database; the one of that name is dropped."""
        place = ("-h", "127.0.0.1", "-p", self.port, "-U", "postgres")
        _run("dropdb", "--if-exists", *place, name, folder=self.folder)
        _run("createdb", *place, name, folder=self.folder)
        return self.url.removesuffix("postgres") + name

    def start(self) -> None:
        """Returns when it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        _run("pg_ctl", "-D", self.folder / "data", "-w", "-o", options, "-l", "log", "start")

    def stop(self) -> None:
        """Cuts every connection."""
        _run("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """A running server; the server refuses to run as root, so root takes the user `postgres`."""
    if _find("initdb") is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Server(folder, probe.getsockname()[1])
    try:
        _run("initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync")
        server.start()
        yield server
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            server.stop()
        shutil.rmtree(folder)


def _find(program: str) -> Path | None:
    found = shutil.which(program)
    return (
        Path(found)
        if found
        else next((p / program for p in PROGRAMS if (p / program).exists()), None)
    )


def _run(program: str, *arguments: object, folder: Path | None = None) -> None:
    found = str(_find(program))
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run(
        [*as_user, found, *map(str, arguments)],
        cwd=folder or Path(str(arguments[1])).parent,
        check=True,
        stdout=subprocess.DEVNULL,
    )
