"""`truefit dashboard` answers its own pages alone."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

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
