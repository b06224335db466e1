"""What to do after a verdict: a line to paste where it makes a better model, else a plain word.

`python benchmarks/advice.py` pastes the lines and measures what they bring; docs/overfitting.md has
what came out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from truefit.choices import as_overrides, options
from truefit.config import Tree, read_yaml
from truefit.datasets.prepared import Facts
from truefit.overfitting import Verdict
from truefit.tasks import SMOOTHABLE

HYPERBAND = "HyperbandPruner"
SMOOTHING = "regularization.label_smoothing"
FOLDS = 10  # of conf/search/folds.yaml
ENOUGH = 60  # validation rows by which an epoch and a trial can be chosen
MOST = 0.4  # share of the rows to validate on at most: some must be left to learn from
TRIALS = 20
USUAL = {"SGD": 0.01}  # learning rates to begin with; of all other optimizers of Keras OTHERS
OTHERS = 1e-3
HONEST = "no setting makes this model better: what it knows of these rows is no merit of it"
REMARKS = {
    "nothing to learn": "no yardstick is better than the constant answer either: these columns "
    "say nothing of the target; other columns or more rows are needed",
    "rare class": "its probabilities still rank the rows: use them by rank or with a threshold of "
    "your own below one half",
    "label noise": "no setting mends labels: look at the worst mistakes of the report first",
    "capped target": "errors at the cut say little; predict below it, or treat the end as a class",
}


@dataclass(frozen=True)
class Advice:
    """`command` makes a better model, as far as is known; `remark` is said where none does."""

    command: str
    remark: str = ""


def advise(verdict: Verdict, config: Tree, params: Tree, facts: Facts) -> Advice:
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
    if verdict.name == "suspicious":
        cleaner = _line(_cleaner(verdict, config))
        return Advice("", f"{HONEST}; to measure without it: {cleaner}" if cleaner else HONEST)
    return Advice(_line(_changes(verdict, config, params, facts)))


def _line(changes: Tree) -> str:
    overrides = as_overrides(changes)
    return f"dvc exp run{options(overrides)}" if overrides else ""


def _cleaner(verdict: Verdict, config: Tree) -> Tree:
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


def _changes(verdict: Verdict, config: Tree, params: Tree, facts: Facts) -> Tree:  # noqa: PLR0911 - a table
    training = config["training"]
    match verdict.cause:
        case "ragged" | "diverged":
            return _slower(config, params)
        case "past the minimum":
            patience = training["patience"] or max(5, training["epochs"] // 10)
            return {"training.restore_best": True, "training.patience": patience}
        case "unfinished":
            return {"training.epochs": 4 * training["epochs"]}
        case "time limit":
            return {"training.time_limit": 4 * training["time_limit"]}
        case "few rows":
            return _validate_more(config, facts)
        case "worse than naive" | "simpler is better":
            simpler = verdict.subject != "constant" and _can_be_linear(config, facts)
            return {"model": "linear"} if simpler else _regularise(config, facts)
        case "no better than naive" | "beaten":
            return _learn_more(verdict, config, params, facts)
    return {}


def _slower(config: Tree, params: Tree) -> Tree:
    """A tenth of the learning rate, and no more than what is usual."""
    rate = config["optimizer"].get("learning_rate")
    if not isinstance(rate, int | float):
        return {}  # a schedule of its own, or the optimizer's default
    usual = USUAL.get(config["optimizer"]["_target_"].rpartition(".")[2], OTHERS)
    slower = float(f"{min(rate / 10, usual):.3g}")
    return {"search.n_trials": 0, **params, "optimizer.learning_rate": slower}


def _can_be_linear(config: Tree, facts: Facts) -> bool:
    """Whether `model=linear` fits, and nothing that was set belongs to another model."""
    chosen = read_yaml(Path("params.yaml")) or {}
    other = chosen.get("experiment") or (chosen.get("set") or {}).get("experiment")
    own = isinstance((chosen.get("set") or {}).get("model"), dict)
    linear = config["model"]["_target_"].endswith(".linear")
    fits = not facts["sizes"] and facts["target"]["kind"] in ("classes", "number", "labels")
    return fits and not (other or own or linear)


def _learn_more(verdict: Verdict, config: Tree, params: Tree, facts: Facts) -> Tree:
    """A search where there was none; else more capacity, or remedies and trials."""
    if not config["search"]["n_trials"]:
        return {"search.n_trials": TRIALS, **_larger(config, params)}
    if verdict.name == "underfit":
        return _larger(config, params) or {"training.epochs": 4 * config["training"]["epochs"]}
    return _regularise(config, facts)


def _larger(config: Tree, params: Tree) -> Tree:
    """Four times as many units, where they are few and not searched."""
    for key in ("units", "filters", "width"):
        size = config["model"].get(key)
        if isinstance(size, int) and size < 128 and f"model.{key}" not in params:
            return {f"model.{key}": 4 * size}
    return {}


def _regularise(config: Tree, facts: Facts) -> Tree:
    """Augmentation of images first, then the other remedies, then more trials."""
    search = config["search"]
    if config["task"]["_target_"].endswith((".generation", ".reconstruction")):
        return {}
    trials = {} if search["n_trials"] else {"search.n_trials": TRIALS}
    if len(facts["input_shape"]) == 3 and config["augmentation"]["_target_"].endswith(".none"):
        return {"augmentation": "images", **trials}
    if not any(config["regularization"].values()):
        smooth = facts["target"]["kind"] in SMOOTHABLE
        without = {} if smooth else {f"search.space.{SMOOTHING}": None}
        return {"regularization": "searched", **without, **trials}
    if search["sampler"]["_target_"].endswith("GridSampler"):
        return {}
    return {"search.n_trials": max(TRIALS, 2 * search["n_trials"])}


def _validate_more(config: Tree, facts: Facts) -> Tree:
    split, search = config["data"]["split"], config["search"]
    if search["n_trials"] and search["folds"]["count"] is None and _can_fold(config, facts):
        return {"search": "folds"}
    share = split["validation"]
    if not isinstance(share, float) or share >= MOST:
        return {}
    rows = sum(facts["splits"][name]["rows"] for name in ("train", "validation"))
    return {"data.split.validation": round(min(MOST, max(2 * share, ENOUGH / rows)), 2)}


def _can_fold(config: Tree, facts: Facts) -> bool:
    """Whether `search=folds` would search: its pruner is not Hyperband, and each class has rows."""
    if config["data"]["split"].get("time") or config["pruner"]["_target_"].endswith(HYPERBAND):
        return False
    counts = [facts["splits"][name].get("classes") or {} for name in ("train", "validation")]
    both = [counts[0][name] + counts[1][name] for name in counts[0]]
    return min(both, default=FOLDS) >= FOLDS
