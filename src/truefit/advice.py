"""The next thing to try after a verdict, as a line to paste."""

from __future__ import annotations

from truefit.choices import as_overrides
from truefit.config import Tree
from truefit.datasets.prepared import Facts
from truefit.overfitting import Verdict
from truefit.tasks import SMOOTHABLE

HYPERBAND = "HyperbandPruner"
SMOOTHING = "regularization.label_smoothing"
FOLDS = 10  # of conf/search/folds.yaml
MOST = 0.4  # share of the rows to validate on at most: some must be left to learn from


def next_try(
    verdict: Verdict, config: Tree, params: Tree, facts: Facts, *, timed_out: bool = False
) -> str:
    """A command that changes what the evidence points at; empty where none can be named.

    Args:
        verdict: what is wrong.
        config: the configuration that was trained, with the winner's parameters in place.
        params: these parameters, which a training without a search has to name.
        facts: what dataset.json says.
        timed_out: whether its time limit ended the training.
    """
    if timed_out and verdict.name == "underfit":  # more time comes before more capacity
        changes = {"training.time_limit": 2 * config["training"]["time_limit"]}
    else:
        changes = _changes(verdict, config, params, facts)
    overrides = as_overrides(changes)
    return "dvc exp run" + "".join(f" -S '{o}'" for o in overrides) if overrides else ""


def _changes(verdict: Verdict, config: Tree, params: Tree, facts: Facts) -> Tree:  # noqa: PLR0911 - a table
    split = config["data"]["split"]
    at_random = not (split.get("group") or split.get("time"))
    match verdict.cause:
        case "gap":
            return _regularise(config, facts)
        case "ragged" | "diverged":
            rate = config["optimizer"].get("learning_rate")
            if not isinstance(rate, int | float):
                return {}  # a schedule of its own, or the optimizer's default
            slower = float(f"{rate / 10:.3g}")
            return {"search.n_trials": 0, **params, "optimizer.learning_rate": slower}
        case "no better than naive" | "beaten by a forest":
            return _enlarge(config, params)
        case "unfinished":
            return {"training.epochs": 2 * config["training"]["epochs"]}
        case "wide interval":
            return _validate_more(config, facts)
        case "shared rows" if at_random:
            return {"data.split.duplicates": "together"}
        case "revealing feature":
            return _leave_out(verdict, config)
        case "better than training" if not split.get("time"):
            return {"seed": config["seed"] + 1}
    return {}


def _regularise(config: Tree, facts: Facts) -> Tree:
    """Augmentation of images first, then the other remedies, then more trials."""
    search = config["search"]
    if config["task"]["_target_"].endswith((".generation", ".reconstruction")):
        return {}
    trials = {} if search["n_trials"] else {"search.n_trials": 20}
    if len(facts["input_shape"]) == 3 and config["augmentation"]["_target_"].endswith(".none"):
        return {"augmentation": "images", **trials}
    if not any(config["regularization"].values()):
        smooth = facts["target"]["kind"] in SMOOTHABLE
        without = {} if smooth else {f"search.space.{SMOOTHING}": None}
        return {"regularization": "searched", **without, **trials}
    if search["sampler"]["_target_"].endswith("GridSampler"):
        return {}
    return {"search.n_trials": max(20, 2 * search["n_trials"])}


def _enlarge(config: Tree, params: Tree) -> Tree:
    for key in ("units", "filters", "width", "depth"):
        size = config["model"].get(key)
        if isinstance(size, int) and f"model.{key}" not in params:
            return {f"model.{key}": 2 * size}
    return {"training.epochs": 2 * config["training"]["epochs"]}


def _validate_more(config: Tree, facts: Facts) -> Tree:
    split, search = config["data"]["split"], config["search"]
    if search["n_trials"] and search["folds"]["count"] is None and _can_fold(config, facts):
        return {"search": "folds"}
    share = split["validation"]
    if not isinstance(share, float) or share >= MOST:
        return {}
    return {"data.split.validation": min(MOST, 2 * share)}


def _can_fold(config: Tree, facts: Facts) -> bool:
    """Whether `search=folds` would search: its pruner is not Hyperband, and each class has rows."""
    if config["data"]["split"].get("time") or config["pruner"]["_target_"].endswith(HYPERBAND):
        return False
    counts = [facts["splits"][name].get("classes") or {} for name in ("train", "validation")]
    both = [counts[0][name] + counts[1][name] for name in counts[0]]
    return min(both, default=FOLDS) >= FOLDS


def _leave_out(verdict: Verdict, config: Tree) -> Tree:
    """Of a table the column can be dropped, if DVC's `-S` can spell its name."""
    feature = verdict.evidence.partition(" alone ")[0]
    is_table = config["data"]["_target_"].startswith("truefit.datasets.frames.")
    return {f"data.types.{feature}": "drop"} if is_table and feature.isidentifier() else {}
