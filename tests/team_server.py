"""A team's server as `truefit server` starts it, and the people who use it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
from conftest import run
from mlflow_server import wait_until_healthy

from truefit.tracking.server import end, is_healthy

TRUEFIT = (sys.executable, "-c", "from truefit.cli import app; app()")
ADMIN = "a long password of the admin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    port: int, database: str, artifacts: str, log: Path, *arguments: str
) -> subprocess.Popen[bytes]:
    """`truefit server`, once it answers; what it says is in `log`."""
    with log.open("w") as told:
        server = subprocess.Popen(
            [*TRUEFIT, "server", "--port", str(port), "--artifacts", artifacts, *arguments],
            env={
                **os.environ,
                "MLFLOW_BACKEND_STORE_URI": database,
                "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN,
            },
            stdout=told,
            stderr=subprocess.STDOUT,
        )
    until = time.monotonic() + 120
    while "MLflow answers" not in log.read_text():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)
    return server


@contextlib.contextmanager
def team_server(database: str, artifacts: str, folder: Path) -> Iterator[str]:
    """Its address; Ctrl-C has to end it."""
    port, log = free_port(), folder / "said"
    server = start(port, database, artifacts, log, "--name", "mlflow.example.org")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0, log.read_text()
    assert not is_healthy(f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def signed_in(address: str, name: str, password: str) -> Iterator[mlflow.MlflowClient]:
    """MLflow as that user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", name)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        yield mlflow.MlflowClient(address)


def account(address: str, *arguments: str) -> str:
    """`truefit account`, as the administrator; the password that it shows."""
    done = run(
        *TRUEFIT, "account", *arguments,
        MLFLOW_TRACKING_URI=address,
        MLFLOW_TRACKING_USERNAME="admin",
        MLFLOW_TRACKING_PASSWORD=ADMIN,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.search(r"password (\S+) ", done.stdout)
    return shown[1] if shown else ""


@dataclass(frozen=True)
class Team:
    """A server, and Ada's run on it, which Carol may not read."""

    address: str
    ada: str
    carol: str
    run: str
    experiment: str

    def ask(self, method: str, path: str, who: str = "carol", **given: Any) -> requests.Response:
        """The answer to Carol, or to somebody else."""
        password = {"ada": self.ada, "carol": self.carol, "admin": ADMIN}[who]
        url = self.address + path
        return requests.request(method, url, auth=(who, password), timeout=60, **given)


def served(uri: str, inputs: list[float], folder: Path) -> Any:
    """What `mlflow models serve` answers."""
    port = free_port()
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "models", "serve", "-m", uri),
                *("--env-manager", "local", "--port", str(port), "--workers", "1"),
            ],
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_healthy(port, server, folder)
        address = f"http://127.0.0.1:{port}/invocations"
        return requests.post(address, json={"inputs": inputs}, timeout=60).json()
    finally:
        end(server)
