"""A recorded run is made again and compared, by the command."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import mlflow
import pytest
import yaml
from conftest import copy_finished, edit, git, run

from truefit.core.inputs import Inputs
from truefit.core.paths import PREPARED

pytestmark = pytest.mark.slow
TRUEFIT = ("python", "-c", "from truefit.cli import app; app()", "verify")


def test_inputs_that_change_are_noticed(tmp_path: Path) -> None:
    """An edit, a removal; not a file that was only touched, or written alike."""
    files = [tmp_path / name for name in ("edited", "gone", "touched", "alike")]
    for file in files:
        file.write_text("one")
    inputs = Inputs.at(tmp_path)
    files[0].write_text("two")
    files[1].unlink()
    files[2].touch()
    files[3].unlink()
    files[3].write_text("one")

    assert inputs.changed() == [str(file) for file in files[:2]]


def test_a_stage_notices_an_edit_under_it(repository: Path) -> None:
    """Raw data that change while they are read are not prepared; nothing half-written stays."""
    Path("data/raw/rows.csv").write_text("a,y\n" + "\n".join(f"{n % 7},{n % 2}" for n in range(40)))
    Path("own.py").write_text(
        "from pathlib import Path\nimport pandas as pd\n"
        "def rows(path):\n"
        "    frame = pd.read_csv(path)\n"
        "    Path(path).write_text('a,y\\n1,1\\n')\n"
        "    return {'x': frame[['a']], 'y': frame['y']}\n"
    )
    edit(
        "params.yaml", "set:\n",
        "packages: [own]\nset:\n  data: {_target_: own.rows, path: data/raw/rows.csv}\n",
    )  # fmt: skip
    done = run("dvc", "repro", "preprocess")

    assert done.returncode != 0
    assert "rows.csv changed while it was read" in done.stderr
    assert not PREPARED.exists()


def test_a_run_is_proven_from_another_clone(
    finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the tracker's address alone: training, study and all, whatever the workers."""
    monkeypatch.chdir(tmp_path)
    git("clone", "-q", str(finished[0]), "clone")
    monkeypatch.chdir(tmp_path / "clone")
    tracker = f"sqlite:///{finished[0] / 'mlflow.db'}"

    done = run(*TRUEFIT, "--search", "--workers", "1", MLFLOW_TRACKING_URI=tracker)
    client = mlflow.MlflowClient(tracker)
    experiments = [e.experiment_id for e in client.search_experiments()]
    trained = client.search_runs(experiments, "tags.`truefit.kind` = 'train'")[0]

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "bit-exact"), done.stdout
    assert "slots         same" in done.stdout
    assert trained.data.tags["truefit.verified"] == "bit-exact"
    assert trained.data.tags["truefit.verified.verdict"] == "bit-exact"
    told = mlflow.artifacts.load_dict(f"{trained.info.artifact_uri}/verification.json")
    assert told["name"] == "bit-exact"
    report = mlflow.artifacts.load_text(f"{trained.info.artifact_uri}/report.html")
    assert "bit-exact</p>" in report
    assert "Not verified yet" not in report
    assert git("status", "--porcelain") == ""

    study = client.search_runs(experiments, "tags.`truefit.kind` = 'study'")[0].info.run_id
    proven = run(*TRUEFIT, study, MLFLOW_TRACKING_URI=tracker)
    assert (proven.returncode, proven.stdout.splitlines()[-1]) == (0, "bit-exact"), proven.stdout


def test_a_run_that_was_evaluated_again_is_proven(
    finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training by its own commit and choices, the evaluation by the later ones."""
    monkeypatch.chdir(copy_finished(finished, tmp_path / "project"))
    edit("params.yaml", "resamples: 100", "resamples: 120")
    done = run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr

    proven = run(*TRUEFIT)

    assert (proven.returncode, proven.stdout.splitlines()[-1]) == (0, "bit-exact"), proven.stdout


def test_what_was_tampered_with_in_the_project_is_named(
    finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command: all of dvc.lock's hashes of the training, its run.json, MLflow's model."""
    monkeypatch.chdir(copy_finished(finished, tmp_path / "project"))
    lock, told = Path("dvc.lock").read_text(), Path("outputs/train/run.json").read_text()
    outs = yaml.safe_load(lock)["stages"]["train"]["outs"]
    edited = lock
    for out in outs:
        edited = edited.replace(out["md5"], "0" * 32)

    Path("dvc.lock").write_text(edited)
    locked = run(*TRUEFIT)
    Path("dvc.lock").write_text(lock)
    seed = json.loads(told)["seed"]
    other = told.replace(f'"seed": {seed}', f'"seed": {seed + 1}')
    Path("outputs/train/run.json").write_text(other)
    seeded = run(*TRUEFIT)
    Path("outputs/train/run.json").write_text(told)
    for model in Path("mlartifacts").rglob("model.keras"):  # other tests may have trained more
        model.unlink()
    lost = run(*TRUEFIT)

    assert [done.returncode for done in (locked, seeded, lost)] == [1, 1, 1], lost.stdout
    assert "diverged at dvc.lock: is of another training" in locked.stdout
    assert "diverged at dvc.lock: outputs/train/run.json is not as the run left it" in seeded.stdout
    assert "diverged at weights: MLflow has no model of this run" in lost.stdout


@pytest.mark.parametrize(
    ("run_id", "environment", "expected"),
    [
        ("0" * 32, {}, "has no run 0000"),
        ("latest", {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_what_cannot_be_tried_says_so(
    project_dir: Path, run_id: str, environment: dict[str, str], expected: str
) -> None:
    """Exit code 2 and at its end one message: what is missing, and the way out."""
    done = run(*TRUEFIT, run_id, **environment)

    assert done.returncode == 2, done.stdout + done.stderr
    said = done.stdout.partition("could not try: ")[2]
    assert expected in said.splitlines()[0]
    assert len(said.splitlines()) <= 2
    assert "MLFLOW_TRACKING_URI" in said


def test_ctrl_c_ends_a_verification_at_once(project_dir: Path) -> None:
    """Within 5 s, with exit code 130 and what is kept."""
    process = subprocess.Popen(TRUEFIT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130, output
    assert time.monotonic() - began < 5
    assert "stopped; nothing was written back" in output


def test_raw_data_are_part_of_the_proof(repository: Path) -> None:
    """An edited value is named; without the file the prepared data come from DVC's cache."""
    rows = Path("data/raw/rows.csv")
    rows.write_text("a,b,y\n" + "\n".join(f"{n % 7},{n % 5},{n % 2}" for n in range(60)))
    edit("params.yaml", "path: data/raw", "path: data/raw/rows.csv")
    edit("params.yaml", "data: null", "data: csv")
    edit("params.yaml", "n_trials: 2", "n_trials: 0")
    edit("params.yaml", "set:\n", "set:\n  data: {target: y}\n")
    done = run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr

    rows.rename("aside.csv")
    fetched = run(*TRUEFIT)
    rows.write_text(Path("aside.csv").read_text().replace("6,", "5,", 1))
    edited = run(*TRUEFIT)
    rows.write_text(Path("aside.csv").read_text().replace("6,", "x,", 1).replace(",0\n", ",\n"))
    refused = run(*TRUEFIT)

    assert fetched.stdout.splitlines()[-1] == "bit-exact", fetched.stdout
    assert edited.returncode == 1
    assert "diverged at data: raw data rows.csv: recorded " in edited.stdout
    assert "the raw data are not here" in fetched.stdout
    assert refused.returncode == 1
    assert "diverged at data: raw data rows.csv" in refused.stdout
