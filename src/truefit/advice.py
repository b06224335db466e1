"""The next thing to try after a verdict, as a line to paste."""

from __future__ import annotations

import json

from truefit.config import Tree, keep_choices
from truefit.datasets.prepared import Facts
from truefit.overfitting import Verdict
from truefit.tasks import SMOOTHABLE

MOST = 0.4  # share of the rows to validate on at most: some must be left to learn from


def next_try(verdict: Verdict, config: Tree, params: Tree, facts: Facts) -> str:
    """A command that changes what the evidence points at; empty where none can be named.

    Args:
        verdict: what is wrong.
        config: the configuration that was trained, with the winner's parameters in place.
        params: these parameters, which a training without a search has to name.
        facts: what dataset.json says.
    """
    overrides = keep_choices(_overrides(verdict, config, params, facts))
    return "dvc exp run" + "".join(f" -S '{o}'" for o in overrides) if overrides else ""


def _overrides(verdict: Verdict, config: Tree, params: Tree, facts: Facts) -> list[str]:  # noqa: PLR0911 - a table
    split = config["data"]["split"]
    at_random = not (split.get("group") or split.get("time"))
    match verdict.cause:
        case "gap":
            return _regularise(config, facts)
        case "ragged" | "diverged":
            rate = config["optimizer"].get("learning_rate")
            if not isinstance(rate, int | float):
                return []  # a schedule of its own, or the optimizer's default
            return _as_configured({**params, "optimizer.learning_rate": float(f"{rate / 10:.3g}")})
        case "no better than naive" | "beaten by a forest":
            return _enlarge(config, params)
        case "unfinished":
            return [f"training.epochs={2 * config['training']['epochs']}"]
        case "wide interval":
            return _validate_more(config)
        case "shared rows" if at_random:
            return ["++set.data.split.duplicates=together"]
        case "revealing feature":
            return _leave_out(verdict, config)
        case "better than training" if not split.get("time"):
            return [f"seed={config['seed'] + 1}"]
    return []


def _regularise(config: Tree, facts: Facts) -> list[str]:
    """Augmentation of images first, then the other remedies, then more trials."""
    search = config["search"]
    if config["task"]["_target_"].endswith((".generation", ".reconstruction")):
        return []
    trials = [] if search["n_trials"] else ["search.n_trials=20"]
    if len(facts["input_shape"]) == 3 and config["augmentation"]["_target_"].endswith(".none"):
        return ["augmentation=images", *trials]
    if not any(config["regularization"].values()):
        smooth = facts["target"]["kind"] in SMOOTHABLE
        without = [] if smooth else ["++set.search.space.regularization.label_smoothing=null"]
        return ["regularization=searched", *without, *trials]
    if search["sampler"]["_target_"].endswith("GridSampler"):
        return []
    return [f"search.n_trials={max(20, 2 * search['n_trials'])}"]


def _enlarge(config: Tree, params: Tree) -> list[str]:
    for key in ("units", "filters", "width", "depth"):
        size = config["model"].get(key)
        if isinstance(size, int) and f"model.{key}" not in params:
            return [f"++set.model.{key}={2 * size}"]
    return [f"training.epochs={2 * config['training']['epochs']}"]


def _validate_more(config: Tree) -> list[str]:
    split, search = config["data"]["split"], config["search"]
    if search["n_trials"] and search["folds"]["count"] is None and not split.get("time"):
        return ["++set.search=folds"]
    share = split["validation"]
    if not isinstance(share, float) or share >= MOST:
        return []
    return [f"++set.data.split.validation={min(MOST, 2 * share):g}"]


def _leave_out(verdict: Verdict, config: Tree) -> list[str]:
    """Of a table the column can be dropped, if DVC's `-S` can spell its name."""
    feature = verdict.evidence.partition(" alone ")[0].partition("=")[0]
    is_table = config["data"]["_target_"].startswith("truefit.datasets.frames.")
    return [f"++set.data.types.{feature}=drop"] if is_table and feature.isidentifier() else []


def _as_configured(params: Tree) -> list[str]:
    return ["search.n_trials=0", *(f"++set.{key}={json.dumps(v)}" for key, v in params.items())]
