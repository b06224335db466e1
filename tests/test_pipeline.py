"""The whole pipeline as a user runs it: real DVC, real MLflow, tiny studies on real data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest
from conftest import edit, git, not_none, run, stages_run
from test_prepare import messy

from truefit.core.prepared.folder import read_split
from truefit.core.resolved import read_yaml
from truefit.training.raw import RawRows

pytestmark = pytest.mark.slow
MLP, TRAINING, SEARCH = (
    "conf/model/mlp.yaml",
    "conf/training/default.yaml",
    "conf/search/_base.yaml",
)
GRID = ["grid-1", "grid-2"]
STAGES = ["compose", "preprocess", "search", "train", "repeat", "evaluate"]


def client(folder: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def runs(folder: Path, condition: str = "") -> list[Any]:
    experiment = not_none(client(folder).get_experiment_by_name("truefit"))
    return list(client(folder).search_runs([experiment.experiment_id], condition))


def trainings(folder: Path) -> list[Any]:
    return runs(folder, "tags.`truefit.kind` = 'train'")


def changed_stages() -> set[str]:
    """Compose, then the stages that DVC would run for what it finds changed."""
    assert run("dvc", "repro", "compose").returncode == 0
    return set(json.loads(run("dvc", "status", "--json").stdout))


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def test_the_first_run_runs_every_stage(finished: tuple[Path, str]) -> None:
    """All six stages run in order and the last one says the result in words."""
    assert stages_run(finished[1]) == STAGES
    assert "test accuracy" in finished[1]
    assert "verdict: " in finished[1]
    assert "2/2" in finished[1]
    assert "winner: slot" in finished[1]


def test_the_search_says_in_a_line_where_to_look(finished: tuple[Path, str]) -> None:
    """It names the command that opens the study's pages, and no address where nothing listens."""
    where = next(line for line in finished[1].splitlines() if line.startswith("where: `truefit ui"))

    assert len(where) < 110
    assert "http://" not in finished[1]


def test_outputs_hold_what_the_contract_says(project_dir: Path) -> None:
    """Files, columns and keys are those that users and other tools rely on."""
    trials = pd.read_csv("outputs/search/trials.csv")
    first = ["slot", "state", "reason", "value", "gap", "best_epoch", "seconds"]
    assert list(trials)[:7] == first
    assert {"params.model.depth", "params.optimizer.learning_rate"} <= set(trials)
    assert trials["slot"].tolist() == [0, 1]
    assert {"run_id", "experiment_id", "seed", "weights_sha256"} <= set(
        read("outputs/train/run.json")
    )
    assert {"study", "counts", "run_id", "winner"} <= set(read("outputs/search/study.json"))
    metrics = read("outputs/evaluate/metrics.json")
    assert {"train", "validation", "test", "gap", "verdict"} <= set(metrics)
    test = metrics["test"]
    assert test["accuracy_low"] <= test["accuracy"] <= test["accuracy_high"]


def test_the_gap_is_that_of_the_saved_model(project_dir: Path) -> None:
    """What training measured with Keras is what evaluation finds with the saved model."""
    measured, metrics = read("outputs/train/run.json"), read("outputs/evaluate/metrics.json")

    assert metrics["gap"] == pytest.approx(measured["gap"], abs=1e-4)
    assert metrics["validation"]["loss"] == pytest.approx(measured["best_val_loss"], rel=1e-3)


def test_mlflow_shows_the_study_its_trials_and_the_training(project_dir: Path) -> None:
    """One parent, a finished child per slot, and a training with curves and configuration."""
    study = read("outputs/search/study.json")
    trained = read("outputs/train/run.json")
    children = runs(project_dir, f"tags.`mlflow.parentRunId` = '{study['run_id']}'")
    parent = client(project_dir).get_run(study["run_id"])
    training = client(project_dir).get_run(trained["run_id"])

    assert {run.data.tags["truefit.slot"] for run in children} == {"0", "1"}
    assert {run.info.status for run in [*children, parent, training]} == {"FINISHED"}
    assert training.data.tags["truefit.kind"] == "train"
    assert training.data.tags["dvc.stage"] == "train"
    assert training.data.tags["git.commit"]
    assert training.data.params["model.units"] == "16"
    assert {"test_accuracy", "test_accuracy_low", "gap", "best_val_loss"} <= set(
        training.data.metrics
    )
    assert training.data.metrics["score"] == training.data.metrics["test_accuracy"]
    assert training.data.metrics["finalists"] == 2
    low, high = (training.data.metrics[f"finalists_value_{end}"] for end in ("low", "high"))
    assert low < training.data.metrics["finalists_value_mean"] < high
    assert training.data.tags["truefit.headline"] == "accuracy"
    won = [run.data.tags["truefit.slot"] for run in children if "truefit.winner" in run.data.tags]
    assert won == [str(study["winner"]["slot"])]
    assert parent.data.tags["truefit.winner"] == f"slot {won[0]}"
    curve = client(project_dir).get_metric_history(trained["run_id"], "val_loss")
    history = pd.read_csv("outputs/train/history.csv")
    assert {m.step: m.value for m in curve} == dict(
        zip(history["epoch"], history["val_loss"], strict=True)
    )
    files = {file.path for file in client(project_dir).list_artifacts(trained["run_id"])}
    assert {"config.yaml", "history.csv", "report.html", "model_card.md", "plots"} <= files


def test_a_run_says_where_it_comes_from(project_dir: Path) -> None:
    """Data by DVC's hash, environment, figures, and the commands that run it again."""
    store = client(project_dir)
    study = store.get_run(read("outputs/search/study.json")["run_id"])
    training = store.get_run(read("outputs/train/run.json")["run_id"])
    locked = read_yaml(Path("dvc.lock"))["stages"]["preprocess"]["outs"]
    digest = next(out["md5"] for out in locked if out["path"].endswith("dataset.json"))
    child = runs(project_dir, f"tags.`mlflow.parentRunId` = '{study.info.run_id}'")[0]
    figures = {Path(file.path).name for file in store.list_artifacts(study.info.run_id, "plots")}
    environment = store.download_artifacts(training.info.run_id, "environment.json")

    for one in (study, child, training):
        assert not_none(one.inputs).dataset_inputs[0].dataset.digest == digest
        assert one.data.tags["dvc.data.md5"] == digest
        assert one.data.tags["device"] == "cpu"
        assert "git checkout" in one.data.tags["mlflow.note.content"]
    assert "tensorflow" in read(environment)["packages"]
    assert {"history.png", "importances.png", "importances_gap.png", "timeline.png"} <= figures
    assert training.data.tags["truefit.verdict"] in training.data.tags["mlflow.note.content"]


def test_the_scores_belong_to_model_and_data(project_dir: Path) -> None:
    """MLflow finds the model by its test score, which names the data it was measured on."""
    store = client(project_dir)
    training = store.get_run(read("outputs/train/run.json")["run_id"])
    found = store.search_logged_models(["1"], filter_string="metrics.test_accuracy > 0")
    scores = {metric.key: metric for metric in not_none(found[0].metrics)}

    outputs = not_none(training.outputs).model_outputs
    assert [model.model_id for model in outputs] == [found[0].model_id]
    assert scores["test_accuracy"].value == training.data.metrics["test_accuracy"]
    assert scores["test_accuracy"].dataset_digest == training.data.tags["dvc.data.md5"]


def test_the_model_in_mlflow_predicts_raw_rows(
    project_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mlflow.pyfunc.load_model` gives probabilities for the rows as they were prepared."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project_dir / 'mlflow.db'}")
    rows = read_split(Path("data/prepared"), "test")

    model = mlflow.pyfunc.load_model(f"runs:/{read('outputs/train/run.json')['run_id']}/model")
    predicted = model.predict(np.asarray(rows.x, dtype=np.float32))

    accuracy = (predicted.argmax(axis=1) == rows.y).mean()
    assert accuracy == pytest.approx(read("outputs/evaluate/metrics.json")["test"]["accuracy"])


def test_a_second_run_skips_everything(project_dir: Path) -> None:
    """`dvc repro` with nothing to do runs no stage."""
    done = run("dvc", "repro")

    assert done.returncode == 0
    assert stages_run(done.stdout) == []
    assert "up to date" in done.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "rerun", "spared"),
    [
        (MLP, "activation: relu", "activation: gelu", {"search", "train"}, {"preprocess"}),
        (TRAINING, "size: 32", "size: 16", {"search", "train"}, {"preprocess"}),
        ("params.yaml", "size: null", "size: 64", {"search", "train"}, {"preprocess"}),
        ("conf/data/digits.yaml", "validation: 0.2", "validation: 0.1", {"preprocess"}, set()),
        (SEARCH, "tolerance: 0.01 ", "tolerance: 0.05 ", {"search"}, {"preprocess", "train"}),
        (MLP, "0.0, 0.6", "0.0, 0.5", {"search"}, {"preprocess", "train"}),
        ("conf/model/cnn.yaml", "filters: 16", "filters: 8", set(), set(STAGES)),
        (MLP, "# Dense", "# Nice dense", set(), set(STAGES)),
        ("src/truefit/models/cnn.py", '"cnn"', '"c"', {"search", "train"}, {"preprocess"}),
        ("src/truefit/tracking/values.py", "LONGEST = 5000", "LONGEST = 4", set(), set(STAGES)),
    ],
)  # fmt: skip
def test_an_edit_reruns_what_it_touches(
    project_dir: Path, file: str, old: str, new: str, rerun: set[str], spared: set[str]
) -> None:
    """DVC sees an edit of conf/, params.yaml or code, and re-runs only what it touches."""
    edit(file, old, new)

    changed = changed_stages()

    git("checkout", "-q", ".")
    assert rerun <= changed
    assert not changed & spared


def test_nothing_but_evaluate_depends_on_the_test_split(project_dir: Path) -> None:
    """Other test rows re-run evaluate and no other stage."""
    rows = Path("data/prepared/test/y.npy")
    before = rows.read_bytes()
    rows.chmod(0o644)
    np.save(rows, np.load(rows)[::-1])

    changed = set(json.loads(run("dvc", "status", "--json").stdout))

    rows.write_bytes(before)
    # preprocess is named because its output changed; of the others only evaluate reads it.
    assert changed - {"preprocess"} == {"evaluate"}


def test_a_longer_search_with_the_same_winner_does_not_train_again(repository: Path) -> None:
    """The first slots are reused, and an unchanged best.yaml spares the training."""
    Path("params.yaml").write_text(
        "path: data/raw\nsearch: {n_trials: 2}\ntraining: {epochs: 3}\n"
        "set:\n  training: {patience: 2}\n  evaluation: {n_resamples: 100}\n"
        "  model: {units: 16, space: {depth: null, dropout: null}}\n"
        # Every other trial learns next to nothing, so the configured values win.
        "  search: {finalists: {n_finalists: 0}}\n"
        "  optimizer: {space: {learning_rate: 'tag(log, interval(1e-9, 1e-3))'}}\n"
    )
    first = run("dvc", "repro", "train")
    trials = pd.read_csv("outputs/search/trials.csv").drop(columns="seconds")
    edit("params.yaml", "n_trials: 2", "n_trials: 3")

    second = run("dvc", "repro", "train")

    assert stages_run(first.stdout) == STAGES[:4], first.stdout + first.stderr
    assert stages_run(second.stdout) == ["compose", "search"]
    assert "2 of 3 slots are filled already" in second.stdout
    longer = pd.read_csv("outputs/search/trials.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(trials, longer[:2])
    assert len(longer) == 3


def exp_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("dvc", "exp", "run", *arguments)


def test_experiments_anywhere_record_into_the_one_database(project_dir: Path) -> None:
    """`exp run` here, in a temporary folder and from the queue: all in the project's mlflow.db."""
    before = {r.info.run_id for r in trainings(project_dir)}
    few = ("-S", "search.n_trials=0")
    here = exp_run("-n", "here", "-S", "data=iris", "-S", "++set.training.patience=1", *few)
    git("checkout", "-q", "params.yaml")  # DVC leaves the choices of an experiment in the workspace
    temp = exp_run("--temp", "-n", "temp", "-S", "data=diabetes", *few)
    assert exp_run("--queue", "-n", "grid", *few, "-S", "model=cnn,mlp").returncode == 0
    # Its workers keep its output open: to read it would be to wait for their end.
    assert run("sh", "-c", "dvc queue start -j 2 > /dev/null 2>&1").returncode == 0
    deadline = time.monotonic() + 300
    while (status := run("dvc", "queue", "status").stdout).count("Success") < len(GRID):
        assert "Failed" not in status, run("dvc", "queue", "logs", "grid-1").stdout
        assert time.monotonic() < deadline, status
        time.sleep(2)

    assert here.returncode == 0, here.stdout + here.stderr
    assert temp.returncode == 0, temp.stdout + temp.stderr
    deadline = time.monotonic() + 120
    while len(made := [r for r in trainings(project_dir) if r.info.run_id not in before]) < 4:
        synced = run("truefit", "sync")  # a busy machine may not have sent all by now
        assert time.monotonic() < deadline, synced.stdout + synced.stderr
    assert {r.data.tags["dvc.exp"] for r in made} == {"here", "temp", *GRID}
    assert {r.info.status for r in made} == {"FINISHED"}
    stored = json.loads(run("dvc", "exp", "show", "--json").stdout)
    assert "here" in json.dumps(stored)
    for name in ("temp", *GRID):
        git("checkout", "-q", ".")
        assert run("dvc", "exp", "apply", name).returncode == 0
        assert read("outputs/train/run.json")["run_id"] in {r.info.run_id for r in made}
    git("checkout", "-q", ".")
    run("dvc", "checkout")


def test_a_clone_with_pulled_data_runs_nothing(project_dir: Path, tmp_path: Path) -> None:
    """Clone + pull + repro: every stage is skipped and the run id is the one on record."""
    run("dvc", "remote", "add", "-f", "-d", "store", str(tmp_path / "store"))
    git("commit", "-qam", "remote")
    pushed = run("dvc", "push")
    git("clone", "-q", str(project_dir), str(tmp_path / "clone"))

    pulled = run("dvc", "pull", cwd=tmp_path / "clone")
    done = run("dvc", "repro", cwd=tmp_path / "clone")

    assert pushed.returncode == pulled.returncode == 0, pushed.stderr + pulled.stderr
    assert stages_run(done.stdout) == [], done.stdout + done.stderr
    there = json.loads((tmp_path / "clone/outputs/train/run.json").read_text())
    assert there["run_id"] == read("outputs/train/run.json")["run_id"]


def test_a_killed_search_goes_on_where_it_was(repository: Path) -> None:
    """After `kill -9` the finished slots are kept, none is doubled, and nothing stays RUNNING."""
    edit("params.yaml", "n_trials: 2", "n_trials: 4")
    assert run("dvc", "repro", "preprocess").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "pipelines/search.py"],
        env={**os.environ, "PYTHONPATH": "src"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        assert any("  2/4" in line for line in lines)
        os.kill(process.pid, signal.SIGKILL)
    process.wait()

    done = run("dvc", "repro", "search")

    assert done.returncode == 0, done.stderr
    assert "2 of 4 slots are filled already" in done.stdout
    assert pd.read_csv("outputs/search/trials.csv")["slot"].tolist() == [0, 1, 2, 3]
    everything = runs(repository)
    assert {r.info.status for r in everything} == {"FINISHED"}
    trials = [r.data.tags for r in everything if r.data.tags["truefit.kind"] == "trial"]
    slots = [tags["truefit.slot"] for tags in trials]
    assert sorted(slots) == ["0", "1", "2", "3"]
    storage = f"sqlite:///{repository / '.truefit/studies.db'}"
    study = optuna.load_study(
        study_name=read("outputs/search/study.json")["study"], storage=storage
    )
    assert [(t.number, t.state.name) for t in study.trials] == [(k, "COMPLETE") for k in range(4)]


def test_a_messy_table_goes_all_the_way(repository: Path) -> None:
    """A CSV with all usual faults trains by path and target; its model takes the file as it is."""
    messy().to_csv("data/raw/customers.csv", index=False)
    choices = ["data=csv", "path=data/raw/customers.csv", "++set.data.target=label"]

    added = run("dvc", "add", "data/raw/customers.csv")
    git("add", "data/raw")
    done = run("dvc", "exp", "run", *(word for choice in choices for word in ("-S", choice)))
    again = run("dvc", "repro")
    frame = pd.read_csv("data/raw/customers.csv")
    model = keras.saving.load_model("outputs/train/model.keras", compile=False)
    right = (model.predict(frame, verbose=0)[:, 0] > 0.5) == (frame["label"] == "stays")
    scores = read("outputs/evaluate/metrics.json")
    rows = read("data/prepared/dataset.json")["splits"]
    frame.loc[0, "age"] = 99
    frame.to_csv("data/raw/customers.csv", index=False)
    changed = set(json.loads(run("dvc", "status", "--json").stdout))

    assert added.returncode == 0, added.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test balanced_accuracy" in done.stdout
    assert isinstance(model, RawRows)
    assert right.sum() == round(sum(scores[n]["accuracy"] * rows[n]["rows"] for n in rows))
    assert stages_run(again.stdout) == []
    assert "preprocess" in changed
    report = Path("outputs/evaluate/report.html").read_text()
    assert "skipped: 5 of 8 columns are left out: customer_id (it is id-like" in report


def test_dvc_shows_metrics_params_and_plots(project_dir: Path) -> None:
    """`dvc metrics show`, `params diff` and `plots show` have something to say."""
    metrics = json.loads(run("dvc", "metrics", "show", "--json").stdout)
    edit("params.yaml", "units: 16", "units: 24")
    run("dvc", "repro", "compose")
    diff = json.loads(run("dvc", "params", "diff", "--json").stdout)
    git("checkout", "-q", ".")
    plots = run("dvc", "plots", "show", "-o", "dvc_plots")
    page = Path("dvc_plots/index.html").read_text()

    shown = metrics[""]["data"]["outputs/evaluate/scores.json"]["data"]
    assert [*metrics[""]["data"]] == ["outputs/evaluate/scores.json"]
    assert {*shown} == {
        "test_accuracy",
        "test_accuracy_low",
        "test_accuracy_high",
        "gap",
        "verdict",
    }
    assert diff["resolved.yaml"]["model.units"] == {"old": 16, "new": 24, "diff": 8}
    assert plots.returncode == 0
    assert "val_loss" in page
    assert "confusion.png" in page
