"""A team's MLflow server: what it refuses to be, and whom it lets in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import mlflow
import pytest
import requests
from conftest import run
from postgres import Server
from team_server import TRUEFIT, account, signed_in, team_server

from truefit.core.errors import UserError
from truefit.tracking.server import Plan, invitation, is_healthy, require_safe, settings
from truefit.tracking.store import Store

DATABASE = "postgresql+psycopg://me:secret@db/mlflow"
SAFE = Plan("0.0.0.0", 5000, ["mlflow.example.org"], DATABASE, "s3://team")  # noqa: S104


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"accounts": False}, "--no-accounts on 0.0.0.0 would let everybody"),
        ({"names": []}, "must know its own names"),
        ({"names": ["*"]}, "no \\*"),
        ({"database": "sqlite:///mlflow.db"}, "needs PostgreSQL"),
        ({"database": ""}, "received nothing"),
        ({"artifacts": ""}, "files need a place"),
    ],
)
def test_an_unsafe_server_is_refused(changed: dict[str, object], expected: str) -> None:
    """Each fault is named with what to set instead, and a password is in no message."""
    require_safe(SAFE)

    with pytest.raises(UserError, match=expected) as refused:
        require_safe(Plan(**{**vars(SAFE), **changed}))

    assert "secret" not in str(refused.value)


def test_no_accounts_is_for_one_machine() -> None:
    """On loopback accounts and names may be left out."""
    require_safe(Plan("127.0.0.1", 5000, [], DATABASE, "files", accounts=False))


def test_what_people_see_has_no_password() -> None:
    """Neither the invitation nor a file names a secret, and no name or page passes by a *."""
    given = settings(SAFE, "attempts.db")

    assert "secret" not in invitation(SAFE)
    assert "=http://mlflow.example.org:5000" in invitation(SAFE)
    assert "=https://mlflow.example.org\n" in invitation(replace(SAFE, host="127.0.0.1"))
    assert "secret" not in Path(given["MLFLOW_AUTH_CONFIG_PATH"]).read_text()
    assert "*" not in given["MLFLOW_SERVER_ALLOWED_HOSTS"]
    assert given["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


@pytest.fixture(scope="module")
def address(
    postgres_server: Server, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server as `truefit server` starts it."""
    database = postgres_server.database("mlflow")
    with team_server(database, f"{bucket}/mlflow", tmp_path_factory.mktemp("server")) as found:
        yield found


def status(address: str, **headers: str) -> int:
    runs = f"{address}/api/2.0/mlflow/experiments/search?max_results=1"
    return requests.get(runs, headers=headers, timeout=30).status_code


@pytest.mark.slow
def test_people_reach_what_they_were_granted(address: str, bucket: str) -> None:
    """Neither reads, writes, registers or deletes what is the other's; a grant opens it."""
    ada, bob = account(address, "ada"), account(address, "bob")
    refused = pytest.raises(
        mlflow.MlflowException, match=r"403|PERMISSION_DENIED|Permission denied"
    )

    with signed_in(address, "ada", ada) as hers:
        experiment = hers.create_experiment("hers")
        mine = hers.create_run(experiment).info.run_id
        hers.log_text(mine, "text", "file.txt")
        hers.log_metric(mine, "loss", 1.0)
        hers.create_registered_model("champion")
    with signed_in(address, "bob", bob) as his:
        for action in (
            lambda: his.get_run(mine),
            lambda: his.log_metric(mine, "loss", 2.0),
            lambda: his.create_run(experiment),
            lambda: his.list_artifacts(mine),
            lambda: his.delete_run(mine),
            lambda: his.delete_experiment(experiment),
            lambda: his.create_model_version("champion", f"runs:/{mine}/model"),
            lambda: his.delete_registered_model("champion"),
        ):
            with refused:
                action()
        assert his.search_experiments(filter_string="name = 'hers'") == []
    assert account(address, "bob", "--experiment", "hers", "--permission", "READ") == ""
    with signed_in(address, "bob", bob) as his:
        assert his.get_run(mine).data.metrics == {"loss": 1.0}
        with refused:
            his.log_metric(mine, "loss", 2.0)
    assert boto3.client("s3").list_objects_v2(Bucket="team")["KeyCount"] == 1


@pytest.mark.slow
def test_strangers_stay_outside(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No account is 401, another Host header 403; truefit does not take that for an outage."""
    assert status(address) == 401
    assert status(address, Host="evil.example.org") == 403
    assert status(address, Host="mlflow.example.org") == 401
    assert is_healthy(address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match=r"does not know who asks.*MLFLOW_TRACKING_USERNAME"):
        Store.open().try_out("hers")


@pytest.mark.slow
def test_only_an_administrator_makes_accounts(address: str) -> None:
    """The message says whose name and password are asked for."""
    password = account(address, "carol")

    done = run(
        *TRUEFIT, "account", "dave",
        MLFLOW_TRACKING_URI=address,
        MLFLOW_TRACKING_USERNAME="carol",
        MLFLOW_TRACKING_PASSWORD=password,
    )  # fmt: skip

    assert done.returncode == 1
    assert "must be those of an administrator" in done.stderr
    assert password not in done.stderr


@pytest.mark.slow
def test_the_first_account_has_no_default_password(postgres_server: Server, tmp_path: Path) -> None:
    """Without one in the environment the server says which variable is missing, and ends."""
    done = run(
        *TRUEFIT, "server", "--port", "0", "--artifacts", str(tmp_path),
        MLFLOW_BACKEND_STORE_URI=postgres_server.database("empty"),
    )  # fmt: skip

    assert done.returncode == 1
    assert "MLFLOW_AUTH_ADMIN_PASSWORD" in done.stderr
