"""A model that learns by a loss of its own: what is scored, and what is said of it."""

from __future__ import annotations

import html
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from results import result_from

from truefit.core.paths import PREPARED, TRAIN
from truefit.core.prepared.folder import read_split
from truefit.core.run import Run
from truefit.datasets.prepare import prepare, read_source
from truefit.evaluation.measure import Measured, measure
from truefit.evaluation.report.page import render
from truefit.evaluation.report.summary import summary
from truefit.stages.compose import resolve
from truefit.stages.evaluate import describe
from truefit.training.process.child import Job
from truefit.training.process.trainer import Trainer

OWN = '''\
"""A linear model of numbers."""

import keras


class Absolute(keras.Model):
    """It learns by a tenth of the absolute error, whatever the loss of its task is."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        y = keras.ops.cast(keras.ops.reshape(y, keras.ops.shape(y_pred)), y_pred.dtype)
        return 0.1 * keras.ops.mean(keras.ops.abs(y - y_pred))


def absolute(input_shape, num_outputs, *, statistics):
    inputs = keras.Input(input_shape)
    scaled = keras.layers.Normalization(
        mean=statistics["mean"], variance=statistics["variance"]
    )(inputs)
    return Absolute(inputs, keras.layers.Dense(num_outputs)(scaled))
'''


@pytest.fixture
def measured(project: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Run, Measured]:
    """Such a model, trained for a few epochs on numbers and scored on every split."""
    (project / "own.py").write_text(OWN)
    (project / "conf/model/own.yaml").write_text("_target_: own.absolute\n")
    monkeypatch.syspath_prepend(project)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{project}")
    monkeypatch.delitem(sys.modules, "own", raising=False)
    block = {
        "training": {"epochs": 3, "batch_size": 32}, "search": {"n_trials": 0},
        "evaluation": {"n_resamples": 100},
    }  # fmt: skip
    config = resolve({"data": "diabetes", "model": "own", "packages": ["own"], "set": block})
    source = read_source(config["data"], config["seed"])
    prepare(source, config["data"], config["task"]["target"], config["seed"], PREPARED)
    TRAIN.mkdir(parents=True, exist_ok=True)
    with Trainer("tensorflow", "cpu") as trainer:
        job = Job(config, PREPARED, 0, save_to=TRAIN / "model.keras", gaps=True)
        ending = trainer.run(job, lambda _: None)
    run = Run(result=result_from(ending), run="own", repeat="dvc repro")
    return config, run, measure(config, run, pd.DataFrame(ending.history))


def test_gap_baseline_and_verdict_are_of_the_loss_that_is_scored(
    measured: tuple[Any, Run, Measured],
) -> None:
    """And the summary and the report say so; no curve of another loss is part of the evidence."""
    config, run, found = measured
    metrics, losses, target = found.metrics, found.known.losses, found.facts.target
    y = np.asarray(read_split(PREPARED, "validation").y)
    told = describe(found, config, run, None, None)
    page = html.unescape(render(told, Path("plots")))

    assert run.has_own_loss
    assert metrics["same_loss"] is False
    assert metrics["baseline"] == pytest.approx(np.mean(((y - target.mean) / target.scale) ** 2))
    assert metrics["gap"] == pytest.approx(losses.validation - losses.train)
    assert metrics["gap"] != pytest.approx(run.result.gap)
    assert run.result.best_val_loss < losses.validation / 2
    assert found.known.curve.train == []
    said = "learned by another loss than the one that is scored"
    assert f"{said}; gap, baseline and verdict are of the scored one" in summary(
        metrics, told.verdict
    )
    assert f"{said} here; gap, baseline and verdict are of the scored one" in page
