from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import ROOT, dataset_json

from truefit.config.schema import Config
from truefit.core.prepared.facts import Facts
from truefit.core.resolved import Tree
from truefit.stages.compose import resolve
from truefit.training.building import build, make_task, predictor
from truefit.training.saved import core_of, load_model

pytestmark = pytest.mark.slow
MODELS = sorted(file.stem for file in (ROOT / "conf/model").glob("*.yaml"))
TASKS = sorted(file.stem for file in (ROOT / "conf/task").glob("*.yaml"))
CLASSES = {"name": "y", "kind": "classes", "classes": ["a", "b", "c"]}
NUMBER = {"name": "y", "kind": "number", "mean": 50.0, "scale": 9.0}


def facts(shape: list[int], target: Tree, sizes: list[int] | None = None) -> Facts:
    """What dataset.json says of rows that are numbers, or codes where `sizes` are given."""
    statistics = {"mean": [7.0] * shape[-1], "variance": [30.0] * shape[-1], "white": 255.0}
    return dataset_json(
        input_shape=shape,
        target=target,
        splits={"train": {"classes": dict.fromkeys(target.get("classes", []), 20)}},
        sizes=sizes or [],
        columns=[{"name": str(n), "kind": "code"} for n, _ in enumerate(sizes or [])],
        normalize=not sizes and len(shape) > 1,
        statistics=None if sizes else statistics,
    )


# Rows of every kind; each model has to fit one of them, and says so of the others.
KINDS: list[tuple[str, Facts]] = [
    ("multiclass", facts([8, 8, 1], CLASSES)),
    ("generation", facts([8, 8, 1], {"name": "x", "kind": "input", "classes": ["a", "b"]})),
    ("reconstruction", facts([8, 8, 1], {"name": "x", "kind": "input"})),
    ("ratings", facts([2], NUMBER, [5, 7])),
    ("next_token", facts([12], {"name": "next", "kind": "next"}, [9])),
    ("multiclass", facts([12], CLASSES, [9])),
    ("multiclass", facts([4000], CLASSES)),
]


def fitting(name: str) -> tuple[Config, Facts, Any]:
    """The first kind of rows that the model takes and gives as many outputs for as are wanted."""
    refused = []
    for task_name, described in KINDS:
        config = resolve({"model": name, "set": {"task": task_name}})
        task = make_task(config, described)
        try:
            model = build(config, described, task, {})
            saved = predictor(model, replace(described, columns=None), task)
        except (ValueError, TypeError, AttributeError) as error:
            refused.append(str(error))
            continue
        if np.prod(saved.output_shape[1:]) % task.num_outputs == 0:
            return config, described, saved
    raise AssertionError(refused)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_builds_saves_and_reloads(project: Path, name: str) -> None:
    """Each YAML of conf/model predicts for rows of its kind, and the same once reloaded."""
    if name == "torch_mlp" and keras.backend.backend() != "torch":
        pytest.skip("a native torch module is tried on Keras' torch backend in test_backends.py")
    config, described, model = fitting(name)
    shape = core_of(model).input_shape[1:]
    random = np.random.default_rng(0)
    sizes = described.sizes
    if sizes:
        rows: np.ndarray = random.integers(0, min(sizes), (8, *shape)).astype(np.int32)
    else:
        rows = random.normal(size=(8, *shape)).astype(np.float32)
    model.save(project / "m.keras")

    predicted = model.predict(rows, verbose=0)
    again = load_model(config, project / "m.keras").predict(rows, verbose=0)

    assert len(predicted) == 8
    assert np.array_equal(predicted, again)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_made_for_a_target_that_fits(project: Path, name: str) -> None:
    """Each YAML of conf/task gives a task for some rows, and refuses the others in words."""
    binary = {**CLASSES, "classes": ["a", "b"]}
    labels = {"name": "y", "kind": "labels", "labels": ["a", "b"]}
    kinds = [described for _, described in KINDS]
    kinds += [facts([4], target) for target in (binary, labels, NUMBER)]
    config = resolve({"set": {"task": name}})
    made, refused = [], []
    for described in kinds:
        try:
            made.append(make_task(config, described))
        except ValueError as refusal:
            refused.append(str(refusal))

    assert made
    assert all("needs" in message for message in refused)
    assert {task.name for task in made} == {name} or name == "auto"
    if name != "generation":  # whose curves are the model's own metrics
        assert [metric.name for metric in made[0].metrics()] == list(made[0].curves)
