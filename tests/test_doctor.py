"""`truefit doctor` tries each thing, and names what keeps the pipeline from running."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from conftest import edit, git, run
from postgres import Server

TRUEFIT = (sys.executable, "-c", "from truefit.cli import app; app()")


def look(**environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and findings by name."""
    done = run(*TRUEFIT, "doctor", "--json", **environment)
    return done.returncode, {found["what"]: found for found in json.loads(done.stdout)}


@pytest.mark.slow
def test_a_new_project_is_well(repository: Path) -> None:
    """Every look ends well or with a note, and leaves nothing behind in MLflow or the storage."""
    code, found = look()

    assert code == 0, found
    assert {name for name, one in found.items() if one["state"] == "note"} == {"DVC remote"}
    assert "0 journals are not sent" in found["under way"]["said"]
    assert git("status", "--porcelain") == ""


@pytest.mark.slow
def test_a_team_is_tried_for_real(
    repository: Path,
    postgres_server: Server,
    bucket: str,
) -> None:
    """PostgreSQL and S3 take something and give it back."""
    done = run("dvc", "remote", "add", "--default", "team", f"{bucket}/data")
    assert done.returncode == 0, done.stderr

    code, found = look(TRUEFIT_STORAGE=postgres_server.url)

    assert code == 0, found
    assert found["studies"]["said"].startswith("postgresql+psycopg://***@")
    assert found["DVC remote"]["said"].startswith("team took a file and gave it back")


@pytest.mark.slow
def test_each_fault_is_named_with_its_mend(repository: Path) -> None:
    """What is away, wrong or missing: one line each, no password, exit code 1."""
    edit("params.yaml", "n_trials: 2", "n_trails: 2")
    done = run("dvc", "remote", "add", "--default", "team", "s3://no-such-bucket")
    assert done.returncode == 0, done.stderr

    code, found = look(
        MLFLOW_TRACKING_URI="http://ada:secret@127.0.0.1:9",
        TRUEFIT_STORAGE="postgresql+psycopg://ada:secret@127.0.0.1:9/db",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_ACCESS_KEY_ID="ada",
        AWS_SECRET_ACCESS_KEY="secret",  # noqa: S106 - it must not be shown
    )

    wrong = {name for name, one in found.items() if one["state"] == "fix"}
    assert (code, wrong) == (1, {"configuration", "MLflow", "studies", "DVC remote"}), found
    assert "Did you mean `search.n_trials`" in found["configuration"]["said"]
    assert all(found[name]["mend"] for name in wrong)
    assert "cannot be reached" in found["MLflow"]["said"]
    assert "secret" not in json.dumps(found)
