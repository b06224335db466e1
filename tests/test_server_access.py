"""What people and strangers may not do on a team's server, and what goes on all the same."""

from __future__ import annotations

import json
import re
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import mlflow
import psutil
import pytest
import requests
from conftest import run
from mlflow_routes import table
from postgres import Server
from team_server import (
    TRUEFIT,
    Team,
    account,
    free_port,
    served,
    signed_in,
    start,
    team_server,
)

from truefit.core.errors import UserError
from truefit.tracking.attempts import ALLOWED, EVERY
from truefit.tracking.guard import NOT_OFFERED
from truefit.tracking.registry import address as champion_address
from truefit.tracking.registry import crown
from truefit.tracking.routes import is_offered
from truefit.tracking.server import require_free
from truefit.tracking.store import Store

# Fields that are refused; test_guard.py decides all.
REFUSED = {"CreateExperiment.artifact_location", "CreateModelVersion.source"}


@pytest.fixture(scope="module")
def team(
    postgres_server: Server, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    """One server for all of these tests."""
    database = postgres_server.database("access")
    boto3.client("s3").create_bucket(Bucket="other")
    with team_server(database, f"{bucket}/mlflow", tmp_path_factory.mktemp("team")) as address:
        ada, carol = account(address, "ada"), account(address, "carol")
        with signed_in(address, "ada", ada) as hers:
            experiment = hers.create_experiment("hers")
            made = hers.create_run(experiment).info.run_id
            hers.log_text(made, "a secret of Ada's", "file.txt")
            hers.create_registered_model("a model of Ada's")
        with signed_in(address, "carol", carol) as client:
            client.create_registered_model("carol's")
        yield Team(address, ada, carol, made, experiment)


def nested(name: str, value: Any) -> dict[str, Any]:
    """A body with that value in that field, as dots lead to it."""
    for part in reversed(name.split(".")[1:]):
        value = {part: value}
    return dict(value)


def filled(path: str) -> str:
    """A path with something in its places for names."""
    return re.sub(r"<[^>]+>|{[^}]+}", "1", path)


@pytest.mark.slow
def test_no_endpoint_takes_an_address(team: Team, bucket: str, tmp_path: Path) -> None:
    """Whatever field of whatever endpoint names it: nothing is written, read or called there."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        outside = [
            f"{bucket}/mlflow/{team.experiment}/{team.run}/artifacts",
            "s3://other/files",
            (tmp_path / "new").as_uri(),
            str(tmp_path / "new"),
            f"{tmp_path}/none/../new",
            f"http://127.0.0.1:{elsewhere.getsockname()[1]}/api/2.0/mlflow-artifacts/artifacts/1",
            f"mlflow-artifacts://127.0.0.1:{elsewhere.getsockname()[1]}/1",
            f"mlflow-artifacts:/{team.experiment}/{team.run}/artifacts",
            f"runs:/{team.run}/model",
        ]
        tried = [one for one in table()["routes"] if one["fields"] and one["method"] != "GET"]
        for one in tried:
            for name in one["fields"]:
                for address in outside:
                    body = {"name": "carol's", **nested(name, address)}
                    answer = team.ask(one["method"], filled(one["path"]), json=body)
                    if name in REFUSED:
                        assert answer.status_code in (400, 403), (name, address, answer.text)
                    if not is_offered(one["method"], one["path"]):
                        assert (answer.status_code, NOT_OFFERED in answer.text) == (403, True), one
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert {one["path"].rpartition("/")[2] for one in tried} >= {"create", "webhooks", "workspaces"}
    assert not (tmp_path / "new").exists()
    assert boto3.client("s3").list_objects_v2(Bucket="other")["KeyCount"] == 0
    versions = team.ask("GET", "/api/2.0/mlflow/model-versions/search", who="admin").json()
    assert versions.get("model_versions", []) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spelt", "twice", "status"),
    [
        ("artifact_location", False, 403),
        ("artifactLocation", False, 400),
        ("artifact_location", True, 400),
    ],
)
@pytest.mark.parametrize("where", ["file:///tmp/truefit-new", "/data/../etc", "s3://other/files"])
def test_an_experiment_lies_below_the_root(
    team: Team, spelt: str, twice: bool, status: int, where: str
) -> None:
    """However a location is spelt, and for an administrator too; without one it is made."""
    body = json.dumps({"name": "x", spelt: where})
    asked: dict[str, Any] = {
        "data": json.dumps(body) if twice else body,
        "headers": {"Content-Type": "application/json"},
    }

    for who in ("carol", "admin"):
        answer = team.ask("POST", "/api/2.0/mlflow/experiments/create", who, **asked)
        assert answer.status_code == status, answer.text
        assert "expected" in answer.json()["message"]


@pytest.mark.slow
def test_an_account_reads_no_files_of_others(team: Team, bucket: str) -> None:
    """Neither directly nor by a version whose source is the bucket, a run or another's model."""
    file = f"{team.experiment}/{team.run}/artifacts/file.txt"
    version = {"name": "carol's", "version": "1", "path": file}
    run_ids: tuple[dict[str, str], ...] = ({}, {"run_id": team.run}, {"runId": ""})
    hers = {"name": "hers", "source": f"runs:/{team.run}/file.txt", "run_id": team.run}
    for kind in ("registered-models", "model-versions"):
        made = team.ask("POST", f"/api/2.0/mlflow/{kind}/create", "ada", json=hers)
        assert made.status_code == 200, made.text
    sources = (
        f"{bucket}/mlflow", f"{bucket}/mlflow/", "mlflow-artifacts:/", f"runs:/{team.run}/",
        f"mlflow-artifacts:/{team.experiment}/{team.run}/artifacts", "models:/hers/1",
    )  # fmt: skip
    for source in sources:
        for ids in run_ids:
            body = {"name": "carol's", "source": source, **ids}
            made = team.ask("POST", "/ajax-api/2.0/mlflow/model-versions/create", json=body)
            assert made.status_code in (400, 403), (source, ids, made.text)

    for path, given in (
        ("/model-versions/get-artifact", version),
        ("/get-artifact", {"run_id": team.run, "path": "file.txt"}),
        (f"/api/2.0/mlflow-artifacts/artifacts/{file}", {}),
    ):
        answer = team.ask("GET", path, params=given)
        assert answer.status_code in (403, 404), (path, answer.text)
        assert "secret" not in answer.text


@pytest.mark.slow
def test_an_account_learns_of_no_other(team: Team) -> None:
    """Endpoints about users and roles name nobody else, and nothing that others were granted."""
    users = "/api/2.0/mlflow/users/list"
    asked = [
        one["path"]
        for one in table()["routes"]
        if one["method"] == "GET" and re.search(r"/(users|roles)/", one["path"])
    ]

    for path in asked:
        for given in ({}, {"username": "ada"}, *({"role_id": number} for number in range(1, 5))):
            answer = team.ask("GET", path, params=given)
            assert '"ada"' not in answer.text, (path, answer.text)
            assert "a model of Ada's" not in answer.text, (path, answer.text)
    assert len(asked) >= 16
    assert team.ask("GET", users).status_code == 403
    assert '"ada"' in team.ask("GET", users, who="admin").text


@pytest.mark.slow
def test_a_request_does_not_say_one_thing_and_do_another(team: Team) -> None:
    """With two names, places or encodings Carol changes nothing of Ada's; no answer is a 500."""
    runs = "/api/2.0/mlflow/runs/"
    own = team.ask("POST", "/api/2.0/mlflow/experiments/create", json={"name": "carol's own"})
    made = team.ask("POST", runs + "create", json=own.json())
    his = made.json()["run"]["info"]["run_id"]
    other = "/api/2.0/mlflow/registered-models/"
    team.ask("POST", other + "create", "ada", json={"name": "ada's"})

    both = {"runId": team.run, "run_uuid": his}
    for path in ("delete", "update", "set-tag", "log-parameter", "log-batch", "log-inputs"):
        body = {**both, "key": "k", "value": "v", "run_name": "carol's"}
        assert team.ask("POST", runs + path, json=body).status_code == 400
    for query in (f"run_id={his}&run_uuid={team.run}", f"run_uuid={team.run}&run_id={his}"):
        upload = f"/ajax-api/2.0/mlflow/upload-artifact?{query}&path=x"
        assert team.ask("POST", upload, data=b"x").status_code == 400
    text: dict[str, Any] = {
        "data": json.dumps({"name": "ada's"}),
        "headers": {"Content-Type": "text/plain"},
    }
    assert team.ask("DELETE", other + "delete?name=carol%27s", **text).status_code == 400
    for name in ("*", " * "):
        assert team.ask("POST", other + "create", json={"name": name}).status_code == 400
    deep: dict[str, Any] = {"data": b"[" * 200_000, "headers": {"Content-Type": "application/json"}}
    assert team.ask("POST", runs + "create", **deep).status_code == 400
    assert team.ask("GET", other + "get?name=ada%27s", "ada").ok
    left = team.ask("GET", f"{runs}get?run_id={team.run}", "ada").json()["run"]
    assert (left["info"]["lifecycle_stage"], left["data"].get("params")) == ("active", None)


@pytest.mark.slow
def test_a_name_is_not_told(team: Team) -> None:
    """Whether an experiment of that name exists is answered alike to who may not read it."""
    path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name="
    answers = [team.ask("GET", path + name) for name in ("hers", "nobody's")]

    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].text == answers[1].text
    assert team.ask("GET", path + "hers", "ada").ok


@pytest.mark.slow
def test_an_experiment_that_is_not_granted_is_told_with_the_way_out(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to ask for stands in the message."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.address)
    told = pytest.raises(UserError, match=r"have it granted .*--experiment hers")
    with signed_in(team.address, "carol", team.carol), told:
        Store.open().experiment("hers")
    with signed_in(team.address, "ada", team.ada):
        assert Store.open().experiment("hers") == team.experiment


def sign_in(team: Team, name: str, password: str, address: str, session: Any = requests) -> Any:
    """The answer to one sign-in, from that address as a proxy tells it."""
    url, headers = f"{team.address}/version", {"X-Forwarded-For": address}
    return session.get(url, auth=(name, password), headers=headers, timeout=60)


@pytest.mark.slow
def test_passwords_cannot_be_guessed_for_long(team: Team) -> None:
    """A clear 429 after few, for the right password too; who signed in before is not locked out."""
    account(team.address, "dora")
    dora = account(team.address, "dora", "--new-password")
    with requests.Session() as one_process:
        assert sign_in(team, "dora", dora, "10.0.0.1", one_process).status_code == 200
        answers = [
            sign_in(team, "dora", f"guess {n}", f"10.0.1.{n}", one_process)
            for n in range(ALLOWED + 2)
        ]
        codes = [answer.status_code for answer in answers]

        assert codes == [401] * ALLOWED + [429] * 2
        assert "too many wrong passwords: try again in" in answers[-1].json()["message"]
        assert int(answers[-1].headers["Retry-After"]) <= EVERY
        assert sign_in(team, "dora", dora, "10.0.2.1", one_process).status_code == 429
        assert sign_in(team, "dora", dora, "10.0.0.1", one_process).status_code == 200
        assert sign_in(team, "carol", team.carol, "10.0.2.1", one_process).status_code == 200

    by_address = [sign_in(team, f"guess {n}", "x" * 12, "10.0.3.1").status_code for n in range(30)]
    assert ALLOWED <= by_address.count(401) <= ALLOWED + 1
    files = "/api/2.0/mlflow-artifacts/artifacts/1/x"  # answered beside Flask
    headers = {"X-Forwarded-For": "10.0.4.1"}
    codes = [
        requests.get(
            team.address + files, auth=("eve", f"guess {n}"), headers=headers, timeout=60
        ).status_code
        for n in range(2 * ALLOWED)
    ]
    assert codes.count(401) <= ALLOWED
    assert codes[-1] == 429


@pytest.mark.slow
def test_an_unknown_account_is_not_faster(team: Team) -> None:
    """The time of an answer does not tell whether there is such an account."""
    account(team.address, "emil")

    def seconds(name: str, address: str) -> float:
        begun = time.perf_counter()
        assert sign_in(team, name, "a wrong password", address).status_code == 401
        return time.perf_counter() - begun

    pairs = [(seconds("emil", f"10.1.1.{n}"), seconds("nemo", f"10.1.2.{n}")) for n in range(5)]
    known, unknown = (statistics.median(column) for column in zip(*pairs, strict=True))

    assert 0.4 < unknown / known < 2.5


@pytest.mark.slow
def test_a_second_server_sees_the_first(team: Team, postgres_server: Server) -> None:
    """The message is one sentence with the way out, and the exit code is not 0."""
    port = team.address.rpartition(":")[2]
    done = run(
        *TRUEFIT, "server", "--port", port, "--artifacts", "files",
        MLFLOW_BACKEND_STORE_URI=postgres_server.url,
    )  # fmt: skip

    assert done.returncode == 1
    assert f"received {port} of 127.0.0.1: an MLflow server answers there already" in done.stderr
    assert f"--port {int(port) + 1}" in done.stderr
    assert "On each machine" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("killed", [1, 2])
def test_nothing_outlives_the_server(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: int
) -> None:
    """`kill -9` of it, or of it and MLflow, ends all its processes and leaves no file behind."""
    left = tmp_path / "temporary"
    left.mkdir()
    monkeypatch.setenv("TMPDIR", str(left))
    port, database = free_port(), postgres_server.database("killed")
    server = start(port, database, str(tmp_path / "files"), tmp_path / "said")
    children = psutil.Process(server.pid).children(recursive=True)

    for process in [psutil.Process(server.pid), *children][:killed]:
        process.kill()
    server.wait()

    _, alive = psutil.wait_procs(children, timeout=20)
    assert len(children) >= 4  # mlflow, uvicorn and two that answer
    assert alive == []
    assert list(left.iterdir()) == []
    require_free("127.0.0.1", port)


PAGES: list[tuple[str, str, Any]] = [
    ("GET", "/", None),
    ("GET", "/version", None),
    ("GET", "/ajax-api/3.0/mlflow/server-info", None),
    ("GET", "/ajax-api/2.0/mlflow/users/current", None),
    ("GET", "/ajax-api/3.0/mlflow/gateway/secrets/config", None),
    ("POST", "/ajax-api/2.0/mlflow/experiments/search", {"max_results": 5}),
    ("POST", "/ajax-api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}),
    ("POST", "/ajax-api/2.0/mlflow/logged-models/search", {"experiment_ids": ["1"]}),
    ("GET", "/ajax-api/2.0/mlflow/registered-models/search", None),
    ("POST", "/graphql", {"query": "{ __typename }"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path", "body"), PAGES)
def test_the_pages_work(team: Team, method: str, path: str, body: Any) -> None:
    """What MLflow's own pages ask for is answered to a user in a browser."""
    answer = team.ask(method, path, "ada", json=body, headers={"Origin": team.address})

    assert answer.status_code == 200, answer.text


DOUBLE = """
import mlflow

class Double(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float]) -> list[float]:
        return [2 * value for value in model_input]

mlflow.models.set_model(Double())
"""


@pytest.mark.slow
def test_work_goes_on(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bob logs into Ada's experiment, registers and promotes; Ada loads and serves his model."""
    code = tmp_path / "double.py"
    code.write_text(DOUBLE)
    bob = account(team.address, "bob", "--experiment", "hers", "--permission", "EDIT")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.address)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with signed_in(team.address, "bob", bob) as his:
        with mlflow.start_run(experiment_id=team.experiment) as made:
            mlflow.log_metric("loss", 0.5)
            mlflow.log_dict({"a": 1}, "deep/file.json")
            mlflow.pyfunc.log_model(name="model", python_model=str(code), pip_requirements=[])
        crowned = crown(Store.open(), "double", made.info.run_id, {"by": "bob"})
        assert his.get_model_version("double", crowned.number).tags == {"by": "bob"}
        assert [one.path for one in his.list_artifacts(made.info.run_id)] == ["deep"]
    account(team.address, "ada", "--model", "double", "--permission", "READ")
    with signed_in(team.address, "ada", team.ada):
        loaded = mlflow.pyfunc.load_model(champion_address("double"))
        assert loaded.predict([1.0, 2.0]) == [2.0, 4.0]
        file = {"name": "double", "version": crowned.number, "path": "MLmodel"}
        assert team.ask("GET", "/model-versions/get-artifact", "ada", params=file).ok
        assert served(champion_address("double"), [3.0], tmp_path) == {"predictions": [6.0]}
