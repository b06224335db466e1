"""`truefit dashboard` answers its own pages alone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import requests
from conftest import copy_project
from team_server import TRUEFIT, free_port

from truefit.core.errors import UserError
from truefit.search.dashboard import of_own_pages, serve


def app(_: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    start("200 OK", [])
    return [b"studies"]


@pytest.mark.parametrize(
    ("host", "asked", "origin", "wanted"),
    [
        ("127.0.0.1", "127.0.0.1:8080", None, "200 OK"),
        ("127.0.0.1", "localhost:8080", "http://localhost:8080", "200 OK"),
        ("::1", "[::1]:8080", "http://[::1]:8080", "200 OK"),
        ("127.0.0.1", "localhost:8080", "http://localhost:3000", "403 Forbidden"),
        ("127.0.0.1", "localhost:8080", "null", "403 Forbidden"),
        ("127.0.0.1", "evil.example:8080", None, "403 Forbidden"),
        ("127.0.0.1", "evil.example:8080", "http://evil.example:8080", "403 Forbidden"),
        ("127.0.0.1", "", None, "403 Forbidden"),
        ("192.0.2.1", "studies.example:8080", "http://studies.example:8080", "200 OK"),
        ("192.0.2.1", "studies.example:8080", "http://evil.example", "403 Forbidden"),
    ],
)
def test_pages_of_others_are_refused(
    host: str, asked: str, origin: str | None, wanted: str
) -> None:
    """Another page in the reader's browser and another name of the machine get nothing."""
    told: list[str] = []

    def start(status: str, *_: object) -> Callable[[bytes], object]:
        told.append(status)
        return bytes

    environ = {"HTTP_HOST": asked} | ({"HTTP_ORIGIN": origin} if origin else {})

    of_own_pages(app, host)(environ, start)

    assert told == [wanted]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_one_sentence(project: Path, host: str) -> None:
    """With the way out, at addresses of both kinds."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(UserError, match=f"--port {port}: nobody can listen there"):
            serve(host, port, print)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `truefit dashboard` answers."""
    folder, port = copy_project(tmp_path_factory.mktemp("dashboard") / "project"), free_port()
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONUNBUFFERED": "1"}
    command = [*TRUEFIT, "dashboard", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert any("studies at" in line for line in server.stdout)
        yield f"http://127.0.0.1:{port}"
        server.send_signal(signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({}, True),
        ({"Origin": "http://127.0.0.1:PORT"}, True),
        ({"Origin": "http://localhost:PORT", "Host": "localhost:PORT"}, True),
        ({"Origin": "http://localhost:1"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "http://localhost"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.example.org"}, False),
        ({"Host": "10.evil.example.org"}, False),
        ({"Origin": "http://evil.example.org:PORT", "Host": "evil.example.org:PORT"}, False),
    ],
)
def test_pages_of_other_ports_write_nothing(
    address: str, headers: dict[str, str], is_own: bool
) -> None:
    """`truefit dashboard` makes and deletes studies for its own pages, and for no others."""
    port = address.rpartition(":")[2]
    sent = {name: value.replace("PORT", port) for name, value in headers.items()}
    kept = make_study(address, f"kept from {headers}").json()["study_summary"]["study_id"]

    made = make_study(address, f"made by {headers}", sent)
    removed = requests.delete(f"{address}/api/studies/{kept}", headers=sent, timeout=60)

    assert (made.ok, removed.ok) == (is_own, is_own)
    summaries = requests.get(f"{address}/api/studies", timeout=60).json()["study_summaries"]
    assert (kept in [study["study_id"] for study in summaries]) != is_own
    assert "Access-Control-Allow-Origin" not in removed.headers


def make_study(address: str, name: str, headers: dict[str, str] | None = None) -> requests.Response:
    body = {"study_name": name, "directions": ["minimize"]}
    return requests.post(f"{address}/api/studies", json=body, headers=headers, timeout=60)
