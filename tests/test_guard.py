"""What the guard of MLflow's server lets through, by itself: routes, addresses, passwords."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mlflow_routes import table

from truefit.tracking.attempts import ALLOWED, EVERY, Attempts
from truefit.tracking.locations import is_below, mismatch, refusal
from truefit.tracking.routes import is_offered, offer

# What in the requests that are offered may look like an address, decided once for each.
REFUSED = {"CreateExperiment.artifact_location", "CreateModelVersion.source"}
BELOW = {  # a path below a run, a model or an experiment that the caller may use
    "AbortMultipartUpload.path",
    "CompleteMultipartUpload.path",
    "CreateMultipartUpload.path",
    "CreatePresignedDownloadUrl.path",
    "CreatePresignedUploadUrl.path",
    "ListArtifacts.path",
    "ListLoggedModelArtifacts.artifact_directory_path",
}
TEXT = {  # MLflow keeps it, or looks it up by name, and opens nothing there
    "CompleteMultipartUpload.parts.url",
    "CreateDataset.source",
    "CreateIssue.root_causes",
    "CreateIssue.source_run_id",
    "CreateLoggedModel.source_run_id",
    "CreateModelVersion.run_link",
    "GetGatewayEndpoint.endpoint_id",
    "ListEndpointGuardrailConfigs.endpoint_id",
    "ListGatewayEndpointBindings.endpoint_id",
    "ListGatewayEndpointBindings.resource_id",
    "ListGatewayEndpointBindings.resource_type",
    "LogInputs.datasets.dataset.source",
    "LogInputs.datasets.dataset.source_type",
    "LogModel.model_json",
}
# Endpoints that write and have no message of MLflow's that says what is in a request.
UNTYPED = {
    "experiments/search-datasets",
    "graphql",
    "mlflow-artifacts/artifacts/{artifact_path}",
    "roles/assign",
    "roles/create",
    "roles/delete",
    "roles/permissions/add",
    "roles/permissions/remove",
    "roles/permissions/update",
    "roles/unassign",
    "roles/update",
    "ui-telemetry",
    "upload-artifact",
    "users/create",
    "users/delete",
    "users/permissions/grant",
    "users/permissions/revoke",
    "users/update-admin",
    "users/update-password",
}


@pytest.mark.slow
def test_every_endpoint_is_decided() -> None:
    """A new route, or a new field that may be an address, waits here until somebody decides."""
    known = table()
    routes = known["routes"]
    offered = [one for one in routes if is_offered(one["method"], one["path"])]
    writes = [one for one in offered if not one["typed"] and one["method"] != "GET"]

    assert {one["path"] for one in routes if offer(one["path"]) is None} == set()
    assert {name for one in offered for name in one["fields"]} == REFUSED | BELOW | TEXT
    assert known["graphql"] == ["MlflowListArtifactsInput.path"]
    begin = r"/((ajax-)?api/[23]\.0/(mlflow/)?|v1/)?"
    assert {re.sub(f"^{begin}", "", one["path"]) for one in writes} == UNTYPED


@pytest.mark.parametrize(
    ("method", "path", "offered"),
    [
        ("POST", "/api/2.0/mlflow/runs/create", True),
        ("POST", "/ajax-api/3.0/mlflow/logged-models/search", True),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/1/file", True),
        ("GET", "/api/2.0/mlflow/webhooks", True),
        ("POST", "/api/2.0/mlflow/webhooks", False),
        ("POST", "/api/2.0/mlflow/runs/create-promptlab-run", False),
        ("GET", "/ajax-api/3.0/mlflow/assistant/config", False),
        ("POST", "/gateway/mlflow/v1/chat/completions", False),
        ("GET", "/ajax-api/3.0/mlflow/gateway/supported-models", False),
        ("GET", "/api/4.0/mlflow/runs/get", False),
        ("GET", "/api/2.0/mlflow/new-in-mlflow-4", False),
        ("GET", "/static-files/main.js", True),
        ("GET", "/static-files-of-others", False),
        ("GET", "//api/2.0/mlflow/runs/get", False),
    ],
)
def test_what_is_not_listed_is_not_offered(method: str, path: str, offered: bool) -> None:
    """The longest known beginning decides, and nothing else passes."""
    assert is_offered(method, path) is offered


@pytest.mark.parametrize(
    ("uri", "root", "below"),
    [
        ("s3://team/mlflow/1/run", "s3://team/mlflow", True),
        ("s3://team/mlflow2/1/run", "s3://team/mlflow", False),
        ("s3://team/mlflow/../x", "s3://team/mlflow", False),
        ("s3://team/mlflow/%2e%2e/x", "s3://team/mlflow", False),
        ("s3://other/mlflow/1", "s3://team/mlflow", False),
        ("/data/files/1", "/data/files", True),
        ("file:///data/files/1", "/data/files/", True),
        ("file:///data/files/../x", "/data/files", False),
        ("/etc", "/data/files", False),
        ("mlflow-artifacts:/1/run", "s3://team/mlflow", True),
        ("mlflow-artifacts://host/1", "s3://team/mlflow", False),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/1", "s3://team/mlflow", False),
    ],
)
def test_files_outside_the_root_are_not_opened(uri: str, root: str, below: bool) -> None:
    """Neither a neighbour with a longer name nor a way back out counts as below."""
    assert is_below(uri, root) is below


@pytest.mark.parametrize(
    ("source", "team", "person"),
    [
        ("runs:/0123/model", True, True),
        ("models:/champion/1", True, True),
        ("mlflow-artifacts:/1/models/m-1/artifacts", True, True),
        ("file:///project/mlartifacts/run/artifacts/model", False, True),
        ("/project/mlartifacts/run/artifacts/model", False, True),
        ("s3://team/mlflow", False, False),
        ("models://host/champion/1", False, False),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/1", False, False),
    ],
)
def test_a_version_comes_from_a_run_or_a_model(source: str, team: bool, person: bool) -> None:
    """On a person's own machine also from a folder, of which MLflow asks that it is a run's."""
    path = "/ajax-api/2.0/mlflow/model-versions/create"

    assert (refusal(path, {"source": source}) == "") is team
    assert (refusal(path, {"source": source}, local=True) == "") is person


def test_a_body_names_what_the_path_names() -> None:
    """Or nothing at all."""
    named = {"model_id": "m-1", "version": 2}

    assert "expected 'm-1'" in mismatch(named, {"model_id": "m-2"})
    assert "version" in mismatch(named, {"version": "3"})
    bodies: tuple[object, ...] = ({"model_id": "m-1", "version": "2"}, {"tags": []}, None, "a file")
    assert [mismatch(named, body) for body in bodies] == [""] * 4


def test_wrong_passwords_run_out_and_come_back() -> None:
    """An account and an address have so many each; who worked there before has his own."""
    now = 0.0
    attempts = Attempts(clock=lambda: now)
    attempts.right("ada", "home")
    for number in range(ALLOWED):
        assert attempts.wait("ada", f"stranger {number}") == 0
        attempts.wrong("ada", f"stranger {number}")

    assert attempts.wait("ada", "another stranger") == EVERY
    assert attempts.wait("bob", "another stranger") == 0
    assert attempts.wait("ada", "home") == 0
    now = EVERY
    assert attempts.wait("ada", "another stranger") == 0
    for number in range(ALLOWED):
        attempts.wrong(f"account {number}", "one stranger")
    assert attempts.wait("bob", "one stranger") == EVERY


def test_processes_count_wrong_passwords_together(tmp_path: Path) -> None:
    """One that ends, or a new one in its place, gives nobody more to guess with."""
    file = str(tmp_path / "attempts.db")
    for number in range(ALLOWED):
        Attempts(file, clock=lambda: 0.0).wrong("ada", f"stranger {number}")

    assert Attempts(file, clock=lambda: 0.0).wait("ada", "another stranger") == EVERY
    Attempts(file).right("ada", "home")
    assert Attempts(file, clock=lambda: 0.0).wait("ada", "home") == 0


def test_the_oldest_of_many_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers with ever new addresses do not fill the machine."""
    monkeypatch.setattr("truefit.tracking.attempts.REMEMBERED", 4)
    attempts = Attempts(clock=lambda: 0.0)
    for number in range(ALLOWED):
        attempts.wrong("ada", f"stranger {number}")
    assert attempts.wait("ada", "x") == EVERY
    for number in range(3):
        attempts.wrong(f"account {number}", f"address {number}")

    assert attempts.wait("ada", "x") == 0
