"""A tracker of somebody else's: what it answers is a record, and opens no other place."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sections

from truefit.core.errors import UserError
from truefit.tracking.models import fetch_model
from truefit.tracking.records import LARGEST, Record, from_mlflow
from truefit.tracking.store import Store
from truefit.verify.checks import configuration

RUN = "0" * 32
Answer = Callable[[BaseHTTPRequestHandler], None]


def send(to: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    to.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        to.send_header(name, value)
    to.end_headers()
    to.wfile.write(body)


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """The address of an HTTP server whose every GET is answered by `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()


def tracker(file: Answer, tags: dict[str, str] | None = None) -> Answer:
    """MLflow's answers for one run with a file `config.yaml`, which `file` hands out."""
    run = {
        "info": {
            "run_id": RUN, "run_uuid": RUN, "experiment_id": "0", "status": "FINISHED",
            "artifact_uri": "mlflow-artifacts:/0/run/artifacts", "lifecycle_stage": "active",
        },
        "data": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
    }  # fmt: skip

    def answer(to: BaseHTTPRequestHandler) -> None:
        path = urlsplit(to.path)
        if path.path.endswith("/runs/get"):
            send(to, json.dumps({"run": run}).encode())
        elif path.path.endswith("/mlflow-artifacts/artifacts"):
            top = path.query.endswith("artifacts")
            files = [{"path": "config.yaml", "is_dir": False, "file_size": 3}] if top else []
            send(to, json.dumps({"files": files}).encode())
        elif "/mlflow-artifacts/artifacts/" in path.path:
            file(to)
        else:
            send(to, b"{}", 404)

    return answer


@pytest.mark.parametrize("redirected", ["file", "whole"])
def test_a_tracker_sends_its_reader_to_no_other_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redirected: str
) -> None:
    """A redirection is not followed, so that no page of the reader's network becomes a record."""
    asked: list[str] = []

    def inside(to: BaseHTTPRequestHandler) -> None:
        asked.append(to.path)
        send(to, b"key: internal\n")

    with server(inside) as internal:

        def away(to: BaseHTTPRequestHandler) -> None:
            send(to, b"", 302, Location=f"{internal}/secrets")

        with server(tracker(away) if redirected == "file" else away) as address:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            if redirected == "file":
                from_mlflow(Store.open(), RUN, tmp_path / "copy")
                assert not (tmp_path / "copy" / "config.yaml").read_bytes()
            else:
                with pytest.raises(UserError, match="redirects its readers: set MLFLOW_TRACKING"):
                    from_mlflow(Store.open(), RUN, tmp_path / "copy")

    assert asked == []


@pytest.mark.parametrize(
    "place", ["{folder}", "file://{folder}", "s3://bucket/model", "models:/theirs/1"]
)
def test_a_model_comes_from_its_tracker_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A registered model whose files would be the reader's own, or another's, is not loaded."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "MLmodel").write_text("metadata: {truefit: {modules: []}}\nflavors: {}\n")
    there = place.format(folder=tmp_path / "own")

    def answer(to: BaseHTTPRequestHandler) -> None:
        send(to, json.dumps({"artifact_uri": there}).encode())

    with server(answer) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(UserError, match=r"no place of the tracker|one name for another"):
            fetch_model("models:/theirs/1", tmp_path / "copy")

    assert not (tmp_path / "copy").exists()


def test_few_bytes_of_a_record_stay_few(tmp_path: Path) -> None:
    """A record's YAML in which few names stand for a million values is refused unread."""
    levels = ["level0: &level0 {key: value}"]
    levels += [f"level{n}: &level{n} {{a: *level{n - 1}, b: *level{n - 1}}}" for n in range(1, 20)]
    (tmp_path / "config.yaml").write_text("\n".join(levels))
    record = Record("1", "run", "", "FINISHED", {"seed": "1"}, {}, {}, tmp_path)

    with pytest.raises(ValueError, match="expected no tag, anchor"):
        configuration(record, sections.config(seed=1))


def test_a_large_text_is_not_read(tmp_path: Path) -> None:
    """A text that is larger than any that truefit writes stays out of memory."""
    with (tmp_path / "history.csv").open("wb") as file:
        file.truncate(LARGEST + 1)
    record = Record("1", "run", "", "FINISHED", {}, {}, {}, tmp_path)

    with pytest.raises(UserError, match=r"history\.csv has 64 MiB, expected at most 64"):
        record.text("history.csv")
