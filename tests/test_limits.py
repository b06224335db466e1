"""A time limit keeps what was reached, wherever in a training it passes."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import sections
from conftest import run
from mlflow import MlflowClient
from mlflow.entities import Run, RunData, RunInfo, RunTag
from mlflow.exceptions import MlflowException
from test_readback import wait_for

from truefit.config.schema import Training
from truefit.tracking.describe import status
from truefit.training import passes
from truefit.training.fitting import Fit
from truefit.training.limits import TimeLimit
from truefit.training.passes import Passes
from truefit.verify.search import _timed_out

ROWS, BATCH = 40, 8
STEPS = ROWS // BATCH  # of an epoch
TRAINING = sections.training(epochs=20, patience=None, min_delta=0)


def fitted(
    over: Any, *, restore_best_weights: bool = True, epochs: int = 20
) -> tuple[Fit, list[Any], list[int]]:
    """A fit, its epochs' values, and the epochs that it could go on from.

    `over` says of the values so far whether the time limit has passed.
    """
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 3)).astype(np.float32)
    rows = x, x.sum(axis=1) + random.normal(size=ROWS).astype(np.float32)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    told: list[Any] = []
    kept: list[int] = []
    training: Training = {
        **TRAINING,
        "epochs": epochs,
        "restore_best_weights": restore_best_weights,
    }
    fit = Fit(
        model, Passes(model, BATCH, rows), rows, rows, training, 0, gaps=True,
        augmenting=lambda _: None, finished=lambda fit: kept.append(fit.epochs),
        over=over and (lambda: over(told)),
    )  # fmt: skip

    def on_epoch(_: int, logs: Any) -> bool:
        told.append({**logs, "weights": fit.model.get_weights()})
        return False

    fit.begin()
    fit.run(on_epoch)
    return fit, told, kept


def after(asked: int) -> Any:
    """Whether the limit has passed: from so many questions on."""
    questions = iter(range(10**6))
    return lambda _: next(questions) >= asked


@pytest.fixture
def each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of batches is one batch."""
    monkeypatch.setattr(passes, "GROUP", 0.0)


def same(some: list[Any], others: list[Any]) -> bool:
    return all((a == b).all() for a, b in zip(some, others, strict=True))


@pytest.mark.usefixtures("each_batch")
def test_a_part_of_the_first_epoch_counts() -> None:
    """Its weights are measured as they are; no checkpoint goes on from the middle of an epoch."""
    fit, told, kept = fitted(after(2))

    assert (fit.timed_out, fit.is_part, fit.rows) == (True, True, 3 * BATCH)
    assert (len(told), fit.best_epoch, kept) == (1, 1, [])
    assert same(fit.model.get_weights(), told[0]["weights"])
    assert fit.measure(fit._validate_on)["loss"] == told[0]["val_loss"]


@pytest.mark.usefixtures("each_batch")
@pytest.mark.parametrize("restore_best_weights", [True, False])
def test_a_part_of_a_later_epoch_does_not_count(restore_best_weights: bool) -> None:
    """What is kept is the best whole epoch, or the last, as if there had been no more."""
    times = [
        fitted(after(asked), restore_best_weights=restore_best_weights) for asked in range(24, 29)
    ]

    cut = [(fit, told) for fit, told, _ in times if fit.rows % ROWS]

    assert len(cut) > 1
    for fit, told in cut:
        whole, alike, _ = fitted(None, restore_best_weights=restore_best_weights, epochs=len(told))
        assert fit.timed_out
        assert not whole.timed_out
        assert not fit.is_part
        assert fit.best_epoch == whole.best_epoch
        assert [one["val_loss"] for one in told] == [one["val_loss"] for one in alike]
        assert same(fit.model.get_weights(), whole.model.get_weights())


@pytest.mark.parametrize("group", [0.0, 10.0])
def test_to_look_at_the_clock_changes_nothing(
    group: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One batch, some, or an epoch at a time: steps and values are the same bit for bit."""
    monkeypatch.setattr(passes, "GROUP", group)
    free, limited = fitted(None), fitted(lambda _: False)

    assert limited[0].timed_out is False
    assert limited[0].rows == free[0].rows == 20 * ROWS
    for mine, other in zip(limited[1], free[1], strict=True):
        assert same(mine.pop("weights"), other.pop("weights"))
        assert mine == other


def test_what_is_over_in_time_is_complete() -> None:
    """A limit that passes after the last step of the last epoch ends nothing."""
    fit, told, _ = fitted(lambda told: len(told) == 2, epochs=2)
    cut, _, _ = fitted(lambda told: len(told) == 2, epochs=3)

    assert (fit.timed_out, len(told)) == (False, 2)
    assert cut.timed_out


def test_time_that_is_waited_does_not_count() -> None:
    """The clock stands while an answer is awaited, and tells what is left."""
    told: list[float] = []
    limit = TimeLimit(0.2, told.append)
    with limit.paused():
        time.sleep(0.3)

    assert not limit.passed()
    limit.sign()
    assert 0 < told[-1] <= 0.2
    time.sleep(0.2)
    assert [limit.passed(), limit.passed()] == [True, True]
    assert len(told) == 1  # signs of life are seconds apart
    limit._told = 0.0
    assert limit.passed()
    assert told[1:] == [0.0]


def test_without_a_limit_time_does_not_pass() -> None:
    """It never ends, and nobody is told of it."""
    told: list[float] = []
    limit = TimeLimit(None, told.append)

    limit.sign()

    assert not limit.passed()
    assert told == []


@pytest.mark.parametrize(
    ("state", "has_result", "wanted"),
    [
        ("complete", True, "FINISHED"),
        ("complete", False, "FINISHED"),  # a study, which has trials in place of a result
        ("timed_out", True, "FINISHED"),
        ("timed_out", False, "FAILED"),
        ("pruned", True, "FINISHED"),  # as it should; the tag `truefit.state` says that it was
        ("stopped", True, "KILLED"),
        ("diverged", False, "FAILED"),
    ],
)
def test_what_counts_is_finished_in_mlflow(state: str, has_result: bool, wanted: str) -> None:
    """A training that later stages use is FINISHED, whatever ended it."""
    assert status(state, has_result=has_result) == wanted


def finalist(state: str) -> Run:
    info = RunInfo("id", "1", "user", "FINISHED", 0, 0, "active")
    return Run(info, RunData(tags=[RunTag("truefit.state", state)]))


def test_a_study_with_a_time_limit_that_passed_is_not_verified() -> None:
    """A trial or a finalist that timed out depends on the machine's speed."""
    ended, whole = (finalist(state) for state in ("timed_out", "complete"))

    head = "slot,state,reason,value\n"

    assert _timed_out(f"{head}0,timed_out,,0.1", []) == "a trial"
    assert _timed_out(f"{head}0,complete,,0.1", [whole, ended]) == "a finalist"
    assert _timed_out(f"{head}0,complete,,0.1", [whole]) == ""


@pytest.mark.slow
def test_a_stage_with_a_limit_leaves_a_model_that_is_evaluated(project: Path) -> None:
    """Train says how far it came, evaluate scores it, MLflow has it, and verify says why not."""
    Path("params.yaml").write_text(
        "path: data/raw\nsearch: {n_trials: 0}\nset:\n  evaluation: {n_resamples: 100}\n"
        "  training: {epochs: 100000, patience: null, time_limit: 6}\n"
    )
    said = {}
    for stage in ("compose", "preprocess", "search", "train", "repeat", "evaluate"):
        done = run("python", f"pipelines/{stage}.py")
        assert done.returncode == 0, done.stdout + done.stderr
        said[stage] = done.stdout
    verified = run("truefit", "verify")
    trained = json.loads(Path("outputs/train/run.json").read_text())
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")

    def has_scores() -> bool:
        with contextlib.suppress(MlflowException):
            return "test_loss" in client.get_run(trained["run_id"]).data.metrics
        return False

    wait_for(has_scores)  # a busy machine may not have sent all by now

    metrics = json.loads(Path("outputs/evaluate/metrics.json").read_text())
    report = Path("outputs/evaluate/report.html").read_text()
    tracked = client.get_run(trained["run_id"])
    epochs = trained["epochs"]
    reached = trained["reason"].partition(";")[0]
    assert reached.endswith("of 100000 epochs within training.time_limit of 6 s")
    assert f"trained: {epochs} epochs, best {trained['best_epoch']}: val_loss" in said["train"]
    assert f"note: the time limit ended it: {reached}; another machine" in said["train"]
    assert trained["state"] == "timed_out"
    assert epochs == len(pd.read_csv("outputs/train/history.csv"))
    assert metrics["validation"]["loss"] == pytest.approx(trained["best_val_loss"], rel=1e-4)
    assert reached in report
    assert tracked.info.status == "FINISHED"
    assert tracked.data.tags["truefit.state"] == "timed_out"
    assert tracked.data.tags["truefit.reason"] == f"{reached}; another machine may reach others"
    assert tracked.data.metrics["test_loss"] == pytest.approx(metrics["test"]["loss"])
    assert verified.returncode != 0
    assert "could not try: how far the training came hung on its machine's speed" in verified.stdout
