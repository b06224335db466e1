"""A server of one person, without accounts: other pages and other users of the machine stay out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from team_server import free_port

from truefit.tracking.guard import Rules
from truefit.tracking.server import end, guarded, is_healthy, launch


@pytest.fixture(scope="module")
def one_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server without accounts, as `truefit ui` starts it."""
    folder, port = tmp_path_factory.mktemp("ui"), free_port()
    given = guarded([f"127.0.0.1:{port}", f"localhost:{port}"])
    given["MLFLOW_BACKEND_STORE_URI"] = f"sqlite:///{folder}/mlflow.db"
    with (folder / "log").open("wb") as log:
        server = launch("127.0.0.1", port, 1, given, log)
    until = time.monotonic() + 120
    while not is_healthy(f"http://127.0.0.1:{port}", Rules.mark_of(given)):
        assert server.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}", port
    end(server)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:PORT"}, 200),
        ({"Origin": "http://localhost:PORT", "Host": "localhost:PORT"}, 200),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example.org"}, 403),
        ({"Host": "10.evil.example.org"}, 403),
        ({"Host": "192.168.evil.example.org:PORT"}, 403),
        ({"Host": "localhost:1"}, 403),
    ],
)
def test_pages_of_other_ports_stay_out(
    one_person: tuple[str, int], headers: dict[str, str], code: int
) -> None:
    """Without accounts too, a page may only write or read if the server itself delivered it."""
    address, port = one_person
    sent = {name: value.replace("PORT", str(port)) for name, value in headers.items()}
    name = f"experiment of {headers}"

    written = requests.post(
        f"{address}/api/2.0/mlflow/experiments/create",
        json={"name": name}, headers=sent, timeout=60,
    )  # fmt: skip
    read = requests.get(
        f"{address}/api/2.0/mlflow/experiments/search?max_results=1", headers=sent, timeout=60
    )

    assert (written.status_code, read.status_code) == (code, code)
    allowed = read.headers.get("Access-Control-Allow-Origin", "")
    assert allowed in ("", f"http://127.0.0.1:{port}", f"http://localhost:{port}")


@pytest.mark.slow
def test_one_person_takes_no_address_either(one_person: tuple[str, int], tmp_path: Path) -> None:
    """Other users of the machine reach it too: it reads and writes nothing for them."""
    answer = requests.post(
        f"{one_person[0]}/api/2.0/mlflow/experiments/create",
        json={"name": "theirs", "artifact_location": str(tmp_path)}, timeout=60,
    )  # fmt: skip

    assert answer.status_code == 403
