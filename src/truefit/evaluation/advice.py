"""What to do after a verdict: a line to paste where it makes a better model, else a plain word.

`python benchmarks/advice.py` pastes the lines and measures what they bring; docs/overfitting.md has
what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from truefit.config.overrides import as_overrides, options
from truefit.core.prepared.facts import Facts
from truefit.core.resolved import Params, Scalar, read_yaml, without_seed
from truefit.evaluation.finding import Verdict
from truefit.search.check import ENOUGH, may_fold
from truefit.search.space import configured_params, parse_space
from truefit.training.tasks import SMOOTHABLE

if TYPE_CHECKING:
    from truefit.config.schema import Config

Changes = dict[str, Scalar]  # by dotted key, or by group where a file of conf/ is chosen
SMOOTHING = "regularization.label_smoothing"
MOST = 0.4  # share of the rows to validate on at most: some must be left to learn from
TRIALS = 20
USUAL = {"SGD": 0.01}  # learning rates to begin with; of all other optimizers of Keras OTHERS
OTHERS = 1e-3
HONEST = "no setting makes this model better: what it knows of these rows is no merit of it"
LACKS = {  # what a yardstick knows and the model's columns do not say, by the yardstick
    "persistence": "the last value alone is better: give the model earlier values as columns",
    "seasonal": "the value one season before is better: give the model earlier values as columns",
    "popular": "the most rated items are better: more ratings are needed, or no model",
}
JUDGED = "to judge it, validate on more rows, which it then cannot learn from"
MORE_ROWS = "more rows are needed to judge it"
REMARKS = {
    "nothing to learn": "no yardstick is better than the constant answer either: these columns "
    "say nothing of the target; other columns or more rows are needed",
    "rare class": "its probabilities still rank the rows: use them by rank or, where there are two "
    "classes, with a threshold of your own below one half",
    "label noise": "no setting corrects labels: look at the worst mistakes of the report first",
    "capped target": "errors at the cut say little; predict below it, or treat the end as a class",
}


@dataclass(frozen=True)
class Advice:
    """`command` makes a better model, as far as is known; `remark` is said where none does."""

    command: str
    remark: str = ""


def advise(verdict: Verdict, config: Config, params: Params, facts: Facts) -> Advice:
    """What helps against the cause of a verdict.

    Args:
        verdict: what is wrong.
        config: the configuration that was trained, with the winner's parameters in place.
        params: these parameters, which a training without a search has to name.
        facts: what dataset.json says.
    """
    cause = verdict.cause
    if cause in REMARKS:
        return Advice("", REMARKS[cause])
    if verdict.cause == "beaten" and verdict.subject in LACKS:
        return Advice("", LACKS[verdict.subject])
    if verdict.name == "suspicious":
        cleaner = _line(_cleaner(verdict, config))
        return Advice("", f"{HONEST}; to measure without it: {cleaner}" if cleaner else HONEST)
    if cause == "few rows" and not may_fold(config, facts):
        larger = _line(_validate_more(config, facts))
        return Advice("", f"{JUDGED}: {larger}" if larger else MORE_ROWS)
    return Advice(_line(_changes(verdict, config, params, facts)))


def after_divergence(reason: str, config: Config, params: Params, facts: Facts) -> Advice:
    """What helps a training that diverged, of which there is no model to judge."""
    return advise(Verdict("diverged", reason, "diverged"), config, params, facts)


def _line(changes: Changes) -> str:
    overrides = as_overrides(changes)
    return f"dvc exp run{options(overrides)}" if overrides else ""


def _cleaner(verdict: Verdict, config: Config) -> Changes:
    """What takes a leak out of the data, if a setting can."""
    split = config["data"]["split"]
    match verdict.cause:
        case "shared rows" if not (split.get("group") or split.get("time")):
            return {"data.split.duplicates": "together"}
        case "revealing feature":
            is_table = config["data"]["_target_"].startswith("truefit.datasets.frames.")
            # DVC's `-S` can spell no other names.
            spelt = is_table and verdict.subject.isidentifier()
            return {f"data.types.{verdict.subject}": "drop"} if spelt else {}
        case "better than training" if not split.get("time"):
            return {"seed": config["seed"] + 1}
    return {}


def _changes(verdict: Verdict, config: Config, params: Params, facts: Facts) -> Changes:  # noqa: PLR0911 - a table
    training = config["training"]
    match verdict.cause:
        case "ragged" | "diverged":
            return _slower(config, params)
        case "past the minimum":
            patience = training["patience"] or max(5, training["epochs"] // 10)
            if training["schedule"] == "plateau":  # whose rate falls before patience ends it
                patience = max(patience, training["decay"]["epochs"] + 1)
            return {"training.restore_best_weights": True, "training.patience": patience}
        case "unfinished":
            return {"training.epochs": 4 * training["epochs"]}
        case "time limit" if limit := training["time_limit"]:
            return {"training.time_limit": 4 * limit}
        case "few rows":
            return {"search": "folds"}
        case "worse than naive" | "simpler is better":
            other = verdict.subject != "constant" and not _is_linear(config)
            linear = other and _may_choose_model(facts)
            return {"model": "linear"} if linear else _regularise(config, facts)
        case "no better than naive" | "beaten":
            return _learn_more(verdict, config, params, facts)
    return {}


def _slower(config: Config, params: Params) -> Changes:
    """A tenth of the learning rate, and no more than what is usual."""
    rate = config["optimizer"].get("learning_rate")
    if not isinstance(rate, int | float):
        return {}  # a schedule of its own, or the optimizer's default
    usual = USUAL.get(config["optimizer"]["_target_"].rpartition(".")[2], OTHERS)
    slower = float(f"{min(rate / 10, usual):.3g}")
    return {"search.n_trials": 0, **without_seed(params), "optimizer.learning_rate": slower}


def _is_linear(config: Config) -> bool:
    return bool(config["model"]["_target_"].endswith(".linear"))


def _may_choose_model(facts: Facts) -> bool:
    """Whether other models for tables fit, and nothing that was set belongs to the present one."""
    chosen = read_yaml(Path("params.yaml")) or {}
    other = chosen.get("experiment") or (chosen.get("set") or {}).get("experiment")
    below = chosen.get("set") or {}
    ranges = (below.get("search") or {}).get("space") or {}
    own = isinstance(below.get("model"), dict) or any(key.startswith("model.") for key in ranges)
    kinds = ("classes", "number", "labels")
    is_table = not facts.sizes and facts.normalize  # waves are not normalised
    return is_table and facts.target.kind in kinds and not (other or own)


def _learn_more(verdict: Verdict, config: Config, params: Params, facts: Facts) -> Changes:
    """Hidden layers, a search where there was none; else more capacity, or remedies and trials."""
    searched = _begin_search(config)
    if _is_linear(config) and _may_choose_model(facts):
        return {"model": "mlp", **searched}
    if searched:
        return searched | _larger(config, params)
    if verdict.name == "underfit":
        return _larger(config, params) or {"training.epochs": 4 * config["training"]["epochs"]}
    return _regularise(config, facts)


def _begin_search(config: Config) -> Changes:
    """A search where there was none; trial 0, the configured values, must lie in its ranges."""
    if config["search"]["n_trials"]:
        return {}
    space = parse_space(config["search"]["space"])
    moved = {
        key: space[key].range.nearest(value)
        for key, value in configured_params(config, space).items()
        if not space[key].range.contains(value)
    }
    return {"search.n_trials": TRIALS, **moved}


def _larger(config: Config, params: Params) -> Changes:
    """Four times as many units, where they are few and not searched."""
    for key in ("units", "filters", "width"):
        size = config["model"].get(key)
        if isinstance(size, int) and size < 128 and f"model.{key}" not in params:
            return {f"model.{key}": 4 * size}
    return {}


def _regularise(config: Config, facts: Facts) -> Changes:
    """Augmentation of images first, then the other remedies, then more trials."""
    search = config["search"]
    if config["task"]["_target_"].endswith((".generation", ".reconstruction")):
        return {}
    trials = _begin_search(config)
    if len(facts.input_shape) == 3 and config["augmentation"]["_target_"].endswith(".none"):
        return {"augmentation": "images", **trials}
    if not any(config["regularization"].values()):
        smooth = facts.target.kind in SMOOTHABLE
        without = {} if smooth else {f"search.space.{SMOOTHING}": None}
        return {"regularization": "searched", **without, **trials}
    if search["sampler"]["_target_"].endswith("GridSampler"):
        return {}
    return {"search.n_trials": max(TRIALS, 2 * search["n_trials"])}


def _validate_more(config: Config, facts: Facts) -> Changes:
    """A larger share to validate on, where it is a share and not yet large."""
    share = config["data"]["split"]["validation"]
    if not isinstance(share, float) or share >= MOST:
        return {}
    rows = sum(facts.splits[name].rows for name in ("train", "validation"))
    return {"data.split.validation": round(min(MOST, max(2 * share, ENOUGH / rows)), 2)}
