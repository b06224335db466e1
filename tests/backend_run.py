"""One process for one backend: every experiment, small, through the library's own functions.

Run by test_backends.py, because Keras reads its backend once; prints one line of JSON for each.
"""

from __future__ import annotations

import html
import json
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from truefit.core.resolved import Tree
from truefit.core.run import Run
from truefit.datasets.prepare import prepare, read_source
from truefit.evaluation.measure import measure
from truefit.evaluation.report.page import render, render_card
from truefit.evaluation.report.plots import draw_curves
from truefit.stages.compose import resolve
from truefit.stages.evaluate import describe
from truefit.training.events import Epoch, Left
from truefit.training.train import train

FOLDER = Path("data/prepared")
# What makes each experiment small: it has to work here, not to learn.
SMALL: dict[str, Tree] = {
    "gan": {"model": {"filters": 4, "depth": 1}, "task": {"judge_epochs": 1}},
    "language_model": {"data": {"length": 400}, "model": {"units": 8}},
    "perceptron": {"data": {"rows": 300}},
    "recommender": {"data": {"users": 40, "items": 30}},
    "remedies": {
        "augmentation": {
            "_target_": "truefit.training.augmentation.images.images",
            "shift": 0.1,
            "mixup": 0.2,
        },
        "optimizer": {"use_ema": True, "ema_momentum": 0.9, "weight_decay": 0.01},
        "regularization": {"l2": 1e-4, "label_smoothing": 0.1},
        "training": {"epochs": 2, "schedule": "cosine", "warmup": 0.2},
    },
    "speech": {"data": {"rows": 60}, "model": {"depth": 2, "filters": 4}},
    "text_classifier": {"data": {"rows": 120}},
    "transfer": {
        "data": {"rows": 120},
        "model": {"units": [16]},
        "training": {"epochs": 2, "fine_tune": {"epochs": 1, "layers": 3, "learning_rate": 1e-5}},
    },
}


# In the place of digits, of which there is no smaller number.
DATA = {"transfer": "shapes"}
# What no experiment has.
OTHERS: dict[str, Tree] = {
    "multilabel": {"data": "shapes", "model": "cnn"},
    "remedies": {"data": "digits", "model": "cnn"},
}


def run(name: str, backend: str) -> dict[str, Any]:
    """Train for an epoch or two, save, load, score; what the test wants to know of it."""
    if backend == "jax":  # whose compiler takes longer than it saves here, but for a large model
        import jax  # noqa: PLC0415 - not every backend is installed

        jax.config.update("jax_disable_most_optimizations", name != "transfer")
    block: Tree = {
        "training": {"epochs": 1, "batch_size": 64},
        "search": {"n_trials": 0},
        "runtime": {"threads": 1},  # the first of them decides for the whole process
        "evaluation": {"n_resamples": 100},
    }
    small = _merge(block, SMALL.get(name, {}))
    params = {**OTHERS.get(name, {"experiment": name}), "set": small}
    if name in DATA:
        params["data"] = DATA[name]
    if name != "torch_mlp":  # which brings its backend
        params["backend"] = backend
    config = resolve(params)
    source = read_source(config["data"], config["seed"])
    prepare(source, config["data"], config["task"]["target"], config["seed"], FOLDER)
    events: list[Epoch] = []
    file = Path("outputs/train/model.keras")
    file.parent.mkdir(parents=True, exist_ok=True)

    def on_epoch(event: Epoch | Left) -> bool:
        if isinstance(event, Epoch):
            events.append(event)
        return False

    trained = train(config, FOLDER, 0, on_epoch, save_to=file, gaps=True, samples=True)
    result = trained.result
    history = pd.DataFrame([{"epoch": event.number, **event.logs} for event in events])
    given = Run(result=result, run=name, run_id=name, repeat="dvc repro")
    found = measure(config, given, history)
    scoring, cases, task = found.scoring, found.cases, found.task
    test = found.metrics["test"]
    scores = {key: test[key] for key in test if not key.endswith(("_low", "_high"))}
    plots = Path("plots") / name
    plots.mkdir(parents=True)
    scoring.draw(plots, cases["test"])
    drawn = sorted(plot.stem for plot in plots.iterdir())
    draw_curves(plots, history, result.best_epoch, task.curves)
    told = describe(found, config, given, None, None)
    card = re.sub(r"\\([^\w\s])", r"\1", render_card(told))  # as a reader of Markdown sees it
    pages = html.unescape(render(told, plots)), card
    details = found.metrics.get("details", {}).get("test", {})
    figures = [value for one in details.values() for value in one.values()]
    return {
        "experiment": name,
        "finite": bool(np.isfinite(result.best_val_loss)),
        "epochs": len(events),
        "samples": sum(event.sample is not None for event in events),
        "scores": sorted(scores),
        "undefined": [score for score, value in scores.items() if value is None],
        "headline": task.headline,
        "measured": found.metrics["validation"]["loss"],
        "trained": result.best_val_loss,
        "baseline": bool(np.isfinite([scoring.baseline(cases), *figures]).all()),
        "plots": drawn,
        "verdict": found.verdict.name,
        "told": [found.verdict.evidence in page for page in pages],
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
