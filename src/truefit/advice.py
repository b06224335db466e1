"""The next thing to try after a verdict, as a line to paste."""

from __future__ import annotations

import json

from truefit.config import Tree
from truefit.overfitting import Verdict


def next_try(verdict: Verdict, config: Tree, params: Tree) -> str:
    """A command that changes what the evidence points at; empty where nothing needs mending.

    Args:
        verdict: what is wrong.
        config: the resolved configuration.
        params: the winner's parameters, which a training without a search has to name.
    """
    overrides = _overrides(verdict, config, params)
    return "dvc exp run" + "".join(f" -S '{o}'" for o in overrides) if overrides else ""


def _overrides(verdict: Verdict, config: Tree, params: Tree) -> list[str]:  # noqa: PLR0911 - a table
    match verdict.cause:
        case "gap":
            return _regularise(config)
        case "ragged" | "diverged":
            rate = params.get("optimizer.learning_rate", config["optimizer"].get("learning_rate"))
            return _as_configured({**params, "optimizer.learning_rate": (rate or 0.01) / 10})
        case "no better than naive" | "beaten by a forest":
            return _enlarge(config, params)
        case "unfinished":
            return [f"training.epochs={2 * config['training']['epochs']}"]
        case "wide interval":
            return _validate_more(config)
        case "shared rows":
            return ["++set.data.split.duplicates=together"]
        case "revealing feature" if "types" in config["data"] or "path" in config["data"]:
            feature = verdict.evidence.partition(" alone ")[0].partition("=")[0]
            return [f"++set.data.types.{feature}=drop"]
        case "better than training":
            return [f"seed={config['seed'] + 1}"]
    return []


def _regularise(config: Tree) -> list[str]:
    """What is not on yet: augmentation where there is any for the data, then all the rest."""
    on = config["regularization"]
    if not (on["l1"] or on["l2"] or on["label_smoothing"]):
        smooth = config["task"]["target"] in ("classes", "labels", "auto", "next")
        without = [] if smooth else ["++set.regularization.space.label_smoothing=null"]
        return ["++set.regularization=searched", "++set.optimizer=adamw", *without]
    if config["search"]["objective"] == "loss":
        return ["++set.search.objective=penalized", f"search.n_trials={2 * _trials(config)}"]
    return [f"search.n_trials={2 * _trials(config)}"]


def _enlarge(config: Tree, params: Tree) -> list[str]:
    model = config["model"]
    for key in ("units", "filters", "width", "depth"):
        size = params.get(f"model.{key}", model.get(key))
        if isinstance(size, int) and f"model.{key}" not in params:
            return [f"++set.model.{key}={2 * size}"]
    return [f"training.epochs={2 * config['training']['epochs']}"]


def _validate_more(config: Tree) -> list[str]:
    split = config["data"]["split"]
    if config["search"]["n_trials"] and not split.get("time"):
        return ["++set.search=folds"]
    share = split["validation"]
    return (
        [f"++set.data.split.validation={min(0.4, 2 * share):g}"] if isinstance(share, float) else []
    )


def _as_configured(params: Tree) -> list[str]:
    return ["search.n_trials=0", *(f"++set.{key}={json.dumps(v)}" for key, v in params.items())]


def _trials(config: Tree) -> int:
    return max(10, int(config["search"]["n_trials"]))
