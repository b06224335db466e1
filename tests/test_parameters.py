"""A request that can be read in two ways is refused, and what MLflow's own clients send is not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from truefit.tracking.attempts import Attempts
from truefit.tracking.guard import Guard, Rules
from truefit.tracking.parameters import DEEPEST, LARGEST

A = "/api/2.0/mlflow/"
UPLOAD = "/ajax-api/2.0/mlflow/upload-artifact"
FILE = "/api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/x"
JSON = {"content-type": "application/json"}


def ask(
    method: str,
    path: str,
    query: str = "",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    piece: int = 2**20,
    accounts: bool = False,
) -> tuple[int, str, bytes]:
    """The status, the words of a refusal, and what MLflow's application got of the body."""
    sent: list[dict[str, Any]] = []
    got = bytearray()
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)] or [b""]

    async def receive() -> dict[str, Any]:
        one = pieces.pop(0)
        return {"type": "http.request", "body": one, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    async def mlflow(_: Any, take: Any, answer: Any) -> None:
        more = True
        while more:
            message = await take()
            got.extend(message["body"])
            more = message["more_body"]
        await answer({"type": "http.response.start", "status": 200, "headers": []})
        await answer({"type": "http.response.body", "body": b"{}"})

    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(),
        "client": ("127.0.0.1", 1),
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
    }  # fmt: skip
    asyncio.run(Guard(mlflow, Rules(accounts), Attempts())(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode(), bytes(got)


def of_json(value: Any) -> dict[str, Any]:
    return {"body": json.dumps(value).encode(), "headers": JSON}


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("POST", "runs/delete", of_json({"runId": "hers", "run_uuid": "own"})),
        ("POST", "runs/update", of_json({"run_id": "own", "runUuid": "hers"})),
        ("POST", "runs/set-tag", of_json({"run_id": "own", "run_uuid": "hers"})),
        ("POST", "experiments/create", of_json(json.dumps({"name": "twice"}))),
        ("POST", "experiments/create", of_json([{"name": "list"}])),
        ("POST", "experiments/create", {"body": b'{"name":"a","name":"b"}', "headers": JSON}),
        ("POST", "runs/log-batch", {"body": b'{"t":[{"k":1,"k":2}]}', "headers": JSON}),
        ("POST", "runs/create", {"query": "experiment_id=1", **of_json({"experiment_id": "2"})}),
        ("POST", "runs/create", {"query": "experiment_id=1"}),
        ("POST", "runs/create", {"body": b'{"experiment_id":"1"}'}),
        ("POST", "runs/create", {"body": b"{}", "headers": {"content-type": "text/plain"}}),
        ("POST", "runs/create", {"body": '{"a":"b"}'.encode("utf-16"), "headers": JSON}),
        ("POST", "runs/create", {"body": b"{broken", "headers": JSON}),
        ("POST", "runs/create", {"body": b"\xff\xfe", "headers": JSON}),
        ("DELETE", "registered-models/delete", {"query": "name=own", "body": b'{"name":"hers"}'}),
        ("DELETE", "registered-models/delete", {"query": "name=own"}),
        ("GET", "datasets/search", {"query": "experiment_ids=1", **of_json({"a": 1})}),
        ("GET", "runs/get", of_json({"run_id": "own"})),
        ("HEAD", "runs/get", of_json({"run_id": "own"})),
        ("GET", "runs/get", {"query": "run_id=own&run_id=hers"}),
        ("GET", "runs/get", {"query": "run_id=own&run_uuid=hers"}),
        ("GET", "runs/get", {"query": "run_id=own&runId=hers"}),
        ("GET", "runs/get", {"query": "run%5Fid=own&run_id=hers"}),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    method: str, path: str, given: dict[str, Any]
) -> None:
    """Two places, two names, two encodings: MLflow gets nothing of it."""
    status, why, got = ask(method, A + path, **given)

    assert (status, got) == (400, b""), why
    assert "expected" in json.loads(why)["message"]


@pytest.mark.parametrize(
    "query", ["run_id=own&run_uuid=hers&path=x", "run_id=a&run_id=b&path=x", "runUuid=a&path=x"]
)
def test_a_file_goes_to_one_run(query: str) -> None:
    """The upload takes a query, in which each name stands once."""
    assert ask("POST", UPLOAD, query, b"a file")[0] == 400
    assert ask("POST", UPLOAD, "run_uuid=own&path=x", b"a file")[::2] == (200, b"a file")


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("POST", "runs/set-tag", of_json({"run_id": "own", "run_uuid": "own", "key": "aKey"})),
        ("POST", "runs/search", of_json({"experiment_ids": ["1"], "order_by": ["metrics.aB"]})),
        ("GET", "runs/get", {"query": "run_uuid=own&run_id=own"}),
        ("GET", "metrics/get-history-bulk", {"query": "run_id=a&run_id=b&metric_key=loss"}),
        ("GET", "registered-models/search", {"query": "order_by=a&order_by=b"}),
        ("DELETE", "logged-models/m-1", {}),
        ("DELETE", "registered-models/delete", of_json({"name": "own"})),
        ("POST", "runs/set-tag", {"body": b'{"key":"\xc3\xa4"}',
                                  "headers": {"content-type": "application/json; charset=utf-8"}}),
    ],
)  # fmt: skip
def test_what_clients_send_goes_on_whole(method: str, path: str, given: dict[str, Any]) -> None:
    """MLflow's client sends both names of a run, lists in a query, and bodies in pieces."""
    assert ask(method, A + path, **given, piece=7)[::2] == (200, given.get("body", b""))
    variables = of_json({"operationName": "Runs", "query": "{a}", "variables": {"runId": "1"}})
    assert ask("POST", "/graphql", **variables)[0] == 200


@pytest.mark.parametrize("name", ["*", " * ", "", " ", "**", "\t*\n", None, 7, ["*"]])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("experiments/create", "name"),
        ("experiments/update", "new_name"),
        ("registered-models/create", "name"),
        ("registered-models/rename", "new_name"),
    ],
)
def test_nothing_is_named_like_everything(path: str, field: str, name: Any) -> None:
    """In MLflow's grants `*` stands for all models: who makes one of that name would manage all."""
    assert ask("POST", A + path, **of_json({field: name}))[0] == 400
    assert ask("POST", A + path, **of_json({field: "a * b"}))[0] == 200


@pytest.mark.parametrize("lengths", [{}, {"content-length": str(LARGEST + 1)}])
def test_a_body_has_a_largest_size(lengths: dict[str, str]) -> None:
    """Whether it says so or not; a file of an artifact has none."""
    body = b" " * (LARGEST + 1)

    assert ask("POST", A + "runs/create", "", body, {**JSON, **lengths})[0] == 413
    assert ask("POST", UPLOAD, "run_id=a&path=x", body, lengths)[0] == 413
    assert ask("PUT", FILE, "", body, lengths)[::2] == (200, body)
    assert ask("POST", A + "runs/create", "", b"{}", {"content-encoding": "gzip", **JSON})[0] == 415


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
             b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}"],
    ids=["lists", "objects", "one more"],
)  # fmt: skip
def test_a_deep_body_is_refused(body: bytes) -> None:
    """It would end what reads it."""
    assert ask("POST", A + "runs/create", "", body, JSON)[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/3.0/mlflow/traces", 403),
        ("POST", "/v1/traces", 403),
        ("PATCH", "/api/2.0/mlflow/traces/tr-1/tags", 403),
        ("DELETE", "/api/3.0/mlflow/traces/tr-1/tags", 403),
        ("POST", "/ajax-api/3.0/mlflow/traces/delete-traces", 403),
        ("POST", "/ajax-api/3.0/mlflow/traces/search", 200),
        ("GET", "/api/3.0/mlflow/traces/tr-1", 200),
    ],
)
def test_traces_are_read_alone(method: str, path: str, status: int) -> None:
    """A trace's number may be another's: nobody writes any."""
    given = of_json({}) if method == "POST" else {}

    assert ask(method, path, **given)[0] == status


@pytest.mark.parametrize(
    "given", ["Bearer x", 'Digest username="ada"', "Basic", "Basic !!!", "Digest x", "Basic Og=="]
)
def test_an_account_signs_in_in_one_way(given: str) -> None:
    """What names no account is not signed in, and MLflow does not get to read it."""
    status, why, _ = ask("GET", A + "users/current", "", b"", {"authorization": given},
                         accounts=True)  # fmt: skip

    assert (status, "expected one, Basic" in why) == (401, True)
    good = {"authorization": "Basic YWRhOng="}
    assert ask("GET", A + "users/current", "", b"", good, accounts=True)[0] == 200
