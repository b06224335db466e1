from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean, stdev

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import run
from scipy.stats import t as student

from truefit.evaluation.intervals import optimism, over_seeds

REPEATS = pd.DataFrame(
    {
        "share": [0.5, 1.0, 1.0, 1.0, 1.0, 1.0],
        "rows": [50, 100, 100, 100, 100, 100],
        "state": ["complete", "complete", "timed_out", "complete", "diverged", "timed_out"],
        "val_loss": [9.0, 1.0, 1.2, 1.4, None, None],
        "gap": [5.0, 0.1, 0.2, 0.3, None, None],
    }
)


def test_seeds_give_a_mean_with_its_interval() -> None:
    """Mean, deviation and Student's interval of the trainings on all rows that have a result."""
    found = over_seeds(REPEATS)
    low, high = student.interval(0.95, 2, fmean([1, 1.2, 1.4]), stdev([1, 1.2, 1.4]) / 3**0.5)

    assert found is not None
    assert found.seeds == 3
    assert found.val_loss.mean == pytest.approx(1.2)
    assert found.val_loss.deviation == pytest.approx(0.2)
    assert (found.val_loss.low, found.val_loss.high) == pytest.approx((low, high))
    assert over_seeds(REPEATS[:2]) is None


def test_optimism_is_what_the_choice_promised_too_much() -> None:
    """The test loss less the loss that chose, without what a yardstick has of it too."""
    random = np.random.default_rng(0)
    spread = random.normal(0, 0.01, (2, 1001))
    spread[:, 0] = 0
    model = {"validation": 0.40 + spread[0], "test": 0.50 + spread[1]}
    harder = {"validation": 0.60 + spread[0], "test": 0.67 + spread[1]}

    alone = optimism(0.42 - 0.40, model, None, 0.95)
    beside = optimism(0.42 - 0.40, model, harder, 0.95)

    assert alone.value == pytest.approx(0.08)
    assert alone.low < 0.08 < alone.high
    # 0.07 are the rows', which are as much harder for both; the same rows' luck cancels out.
    assert beside.value == pytest.approx(0.01)
    assert beside.high - beside.low < 1e-9


@pytest.mark.slow
def test_the_winner_is_trained_again(repository: Path) -> None:
    """Over seeds and on fewer rows, each on record below the training, and shown in the report."""
    Path("params.yaml").write_text(
        "path: data/raw\nsearch: {n_trials: 0}\ntraining: {epochs: 3}\nset:\n"
        "  model: {units: 16}\n"
        "  evaluation: {n_resamples: 100, repeats: {n_seeds: 2, shares: [1.0, 0.25]}}\n"
    )
    done = run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    repeats = pd.read_csv("outputs/repeat/repeats.csv")
    report = Path("outputs/evaluate/report.html").read_text()
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`truefit.kind` = 'repeat'")

    assert repeats["share"].tolist() == [0.25, 0.25, 1.0, 1.0]
    assert repeats["rows"].tolist() == [270, 270, 1079, 1079]
    assert repeats["seed"].nunique() == 2
    assert repeats["state"].eq("complete").all()
    means = repeats.groupby("share")["val_loss"].mean()
    assert means[1.0] < means[0.25]
    assert "Over 2 seeds the validation loss is" in report
    assert Path("outputs/evaluate/plots/learning_curve.png").exists()
    assert len(runs) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(math.isfinite(run.data.metrics["best_val_loss"]) for run in runs)
    assert len({run.data.tags["mlflow.parentRunId"] for run in runs}) == 1
    [trained] = client.search_runs(experiments, "tags.`truefit.kind` = 'train'")
    whole = repeats[repeats["share"] == 1.0]["val_loss"]
    half = student.ppf(0.975, 1) * stdev(whole) / 2**0.5
    assert trained.data.metrics["repeats"] == 2
    assert trained.data.metrics["repeats_val_loss_mean"] == pytest.approx(fmean(whole))
    assert trained.data.metrics["repeats_val_loss_deviation"] == pytest.approx(stdev(whole))
    assert trained.data.metrics["repeats_val_loss_high"] == pytest.approx(fmean(whole) + half)
    assert "repeats_gap_low" in trained.data.metrics
