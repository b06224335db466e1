"""One process for one backend: every experiment, small, through the library's own functions.

Run by test_backends.py, because Keras reads its backend once; prints one line of JSON for each.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from truefit.building import make_task
from truefit.compose import resolve
from truefit.config import Tree
from truefit.datasets.prepare import prepare, read_source
from truefit.datasets.prepared import SPLITS, read_facts, read_split
from truefit.evaluation import predict_splits, scoring_of
from truefit.intervals import bootstrap
from truefit.training import train

FOLDER = Path("data/prepared")
# What makes each experiment small: it has to work here, not to learn.
SMALL: dict[str, Tree] = {
    "gan": {"model": {"filters": 4, "depth": 1}, "task": {"judge_epochs": 1}},
    "language_model": {"data": {"length": 400}, "model": {"units": 8}},
    "perceptron": {"data": {"rows": 300}},
    "recommender": {"data": {"users": 40, "items": 30}},
    "speech": {"data": {"rows": 60}, "model": {"depth": 2, "filters": 4}},
    "text_classifier": {"data": {"rows": 120}},
    "transfer": {
        "model": {"units": [16]},
        "training": {"epochs": 2, "fine_tune": {"epochs": 1, "layers": 3, "learning_rate": 1e-5}},
    },
}


# Tasks that no experiment has.
OTHERS: dict[str, Tree] = {"multilabel": {"data": "shapes", "model": "cnn"}}


def run(name: str, backend: str) -> dict[str, Any]:
    """Train for an epoch or two, save, load, score; what the test wants to know of it."""
    block: Tree = {
        "training": {"epochs": 1, "batch_size": 64},
        "search": {"n_trials": 0},
        "runtime": {"threads": 1},  # the first of them decides for the whole process
    }
    small = _merge(block, SMALL.get(name, {}))
    params = {**OTHERS.get(name, {"experiment": name}), "set": small}
    if name != "torch_mlp":  # which brings its backend
        params["backend"] = backend
    config = resolve(params)
    source = read_source(config["data"], config["seed"])
    prepare(source, config["data"], config["task"]["target"], config["seed"], FOLDER)
    events: list[Tree] = []
    file = Path("outputs/train/model.keras")
    file.parent.mkdir(parents=True, exist_ok=True)
    result = train(
        config, FOLDER, 0, lambda e: events.append(e) or False, save_to=file, samples=True
    )  # type: ignore[func-returns-value]
    facts = read_facts(FOLDER)
    task = make_task(config, facts)
    scoring = scoring_of(task)
    splits = {name: read_split(Path("data/prepared"), name) for name in SPLITS}
    cases = predict_splits(config, facts, task, scoring, splits)
    settings = {**config["evaluation"], "resamples": 20}
    scores = bootstrap(scoring, cases["test"], settings, 0)
    case = cases["validation"]
    measured = scoring.scores(case, np.ones((1, len(case.y))))["loss"][0]
    plots = Path("plots") / name
    plots.mkdir(parents=True)
    scoring.draw(plots, cases["test"])
    details = scoring.details(cases["test"]) if hasattr(scoring, "details") else {}
    figures = [value for one in details.values() for value in one.values()]
    points = {score: values[0] for score, values in scores.items()}
    return {
        "experiment": name,
        "finite": bool(np.isfinite(result["best_val_loss"])),
        "epochs": len(events),
        "samples": sum("sample" in event for event in events),
        "scores": sorted(scores),
        "undefined": [score for score, value in points.items() if not np.isfinite(value)],
        "headline": task.headline,
        "measured": float(measured),
        "trained": result["best_val_loss"],
        "baseline": bool(np.isfinite([scoring.baseline(cases), *figures]).all()),
        "plots": sorted(plot.stem for plot in plots.iterdir()),
    }


def _merge(block: Tree, other: Tree) -> Tree:
    return {key: {**block.get(key, {}), **other.get(key, {})} for key in {*block, *other}}


if __name__ == "__main__":
    for experiment in sys.argv[2:]:
        try:
            told = run(experiment, sys.argv[1])
        except Exception:  # noqa: BLE001 - the test says which experiment failed, and how
            told = {"experiment": experiment, "error": traceback.format_exc()}
        print(json.dumps(told), flush=True)
