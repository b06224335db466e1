"""What goes wrong under DVC ends in one message, an exit code, and nothing lost."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT, edit, git, run
from ledger import differences
from mlflow import MlflowClient

from truefit.core.resolved import read_yaml

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("path: data/raw\nmodel: cnn\ndata: iris\nset: {}\n", "model cnn needs images"),
        ("path: data/raw\ndata: iris\nset: {task: regression}\n", "a number is to be predicted"),
        ("path: data/raw\ndata: csv\nset: {}\n", "data.target"),
        ("path: data/raw\nmodel: [mlp\n", "params.yaml"),
    ],
)
def test_a_fault_stops_the_pipeline_with_one_message(
    repository: Path, params: str, message: str
) -> None:
    """`dvc repro` exits with a message and without traceback where the fault shows."""
    Path("params.yaml").write_text(params)

    done = run("dvc", "repro")

    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert message in output
    assert "Traceback" not in output
    assert not Path("outputs/train/model.keras").exists()


def test_a_fault_leaves_the_resolved_configuration_in_git_alone(repository: Path) -> None:
    """DVC does not take resolved.yaml away when compose refuses the configuration."""
    before = Path("resolved.yaml").read_bytes()
    Path("params.yaml").write_text("path: data/raw\nmodel: cnm\n")

    done = run("dvc", "repro")

    assert done.returncode != 0
    assert "`cnn`" in done.stderr
    assert before == Path("resolved.yaml").read_bytes()


def test_a_single_stage_with_a_stale_configuration_is_refused(repository: Path) -> None:
    """`dvc repro -s` leaves compose out; the stage says so instead of running old choices."""
    assert run("dvc", "repro", "compose").returncode == 0
    edit("params.yaml", "data: null", "data: iris")
    time.sleep(2)

    done = run("dvc", "repro", "-s", "preprocess")

    assert done.returncode != 0
    assert "older than params.yaml" in done.stderr
    assert not Path("data/prepared/train").exists()


def tried(*overrides: str) -> subprocess.CompletedProcess[str]:
    """`dvc exp run` of the compose stage with these overrides."""
    return run("dvc", "exp", "run", "compose", *(w for one in overrides for w in ("-S", one)))


@pytest.mark.parametrize(
    ("comment", "way_out"), [("", "~set.data"), ("  # any other value", "set=null")]
)
def test_the_last_key_below_set_is_taken_out_by_dvc(
    repository: Path, comment: str, way_out: str
) -> None:
    """By the form of the docs, and by that of the message also beside an older file's comment."""
    text = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("set: {}\n", f"set: {{}}{comment}\n"))
    Path("data/raw/rows.csv").write_text("x,y\n1,0\n2,1\n")
    git("commit", "-qam", "choices")
    chosen = tried("data=csv", "path=data/raw/rows.csv", "++set.data.target=y")
    assert chosen.returncode == 0, chosen.stdout + chosen.stderr

    refused = tried("data=iris")
    done = tried(way_out)

    assert "`dvc exp run -S 'set=null'` removes it" in refused.stdout + refused.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert not read_yaml(Path("params.yaml"))["set"]


def test_hydra_composition_switched_on_by_mistake_is_explained(repository: Path) -> None:
    """DVC's own composition overwrites params.yaml; the message says how to get back."""
    run("dvc", "config", "hydra.enabled", "true")

    done = run("dvc", "exp", "run")

    assert done.returncode != 0
    assert "dvc config hydra.enabled false" in done.stdout + done.stderr


def test_a_tracker_that_is_away_stops_nothing(repository: Path) -> None:
    """Without the MLflow server the pipeline runs; `truefit sync` records all of it afterwards."""
    done = run("dvc", "repro", MLFLOW_TRACKING_URI="http://somebody:secret@127.0.0.1:9")
    sent = run("truefit", "sync")

    output = done.stdout + done.stderr
    client = MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    kinds = [r.data.tags["truefit.kind"] for r in client.search_runs(["1"])]
    assert done.returncode == 0, output
    assert "cannot be reached" in output
    assert "`truefit sync` sends it" in output
    assert "secret" not in output
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "sent 3 of 3 journals" in sent.stdout
    assert differences(Path(".truefit/journal"), client) == []
    assert sorted(set(kinds)) == ["finalist", "study", "train", "trial"]
    assert json.loads(Path("outputs/train/run.json").read_text())["run_id"] is None
