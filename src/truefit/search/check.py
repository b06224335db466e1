"""Every fault of a search, found before the first trial."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from truefit.config.faults import Fault, faults, known_keys, not_known
from truefit.core.resolved import override
from truefit.core.trees import flatten, get, targets
from truefit.search.ranges import parse, plain
from truefit.search.space import (
    SMOOTHING,
    Parameter,
    Space,
    configured_params,
    no_classes,
    parse_space,
)
from truefit.search.variants import example

if TYPE_CHECKING:
    from truefit.config.schema import Config, Search
    from truefit.core.prepared.facts import Facts

# What a training reads.
SEARCHED = ("model", "optimizer", "regularization", "augmentation", "training", "runtime")
HYPERBAND = "HyperbandPruner"
FOLDS = 10  # of conf/search/folds.yaml
ENOUGH = 60  # validation rows by which an epoch and a trial can be chosen
NUMBERS_ALONE = {"CmaEsSampler"}  # that learn from no choices, and from one number neither
NO_CONDITIONS = {"GPSampler", "NSGAIISampler", "NSGAIIISampler"}  # that learn from no `when`
# Optuna asks for these only at the first suggestion.
NEEDS = {
    "GPSampler": {"torch": "torch==2.*", "scipy": "scipy"},
    "CmaEsSampler": {"cmaes": "cmaes"},
    "QMCSampler": {"scipy": "scipy"},
}


def search_faults(config: Config) -> list[Fault]:
    """Every fault of the configuration's search, one sentence each, with the YAML path."""
    search = config["search"]
    if search["n_trials"] == 0:
        return []
    others = [*_pruner_faults(config), *_worker_faults(search), *_fold_faults(config)]
    found = [*_space_faults(config), *map(Fault, others)]
    return found or [*map(Fault, _sampler_faults(search))]


def stale_ranges(config: Mapping[str, Any], found: list[Fault]) -> list[Fault]:
    """Return the ranges of keys that nothing takes, in the sections where `found` has such keys.

    Args:
        config: composed; it may have faults.
        found: these faults.
    """
    sections = {fault.foreign.partition(".")[0] for fault in found if fault.foreign}
    space = get(config, "search.space")
    if not isinstance(space, dict) or get(config, "search.n_trials") == 0:
        return []
    ranges = [key for key in space if key.partition(".")[0] in sections]
    faults_of = [fault for key in ranges for fault in _key_faults(config, key, space[key])]
    return [fault for fault in faults_of if fault.foreign]


def search_notes(config: Config) -> list[str]:
    """What is allowed and seldom meant."""
    return [*_pace_notes(config), *_random_notes(config["search"])]


def luck_note(config: Config, facts: Facts) -> str | None:
    """What judges trials better where few validation rows choose among them."""
    rows = facts.splits["validation"].rows
    if rows >= ENOUGH or not may_fold(config, facts):
        return None
    every = rows + facts.splits["train"].rows
    return (
        f"{rows} validation rows choose among {config['search']['n_trials']} trials, so luck "
        f"decides much; `dvc exp run -S '++set.search=folds'` judges a trial by all {every} rows"
    )


def may_fold(config: Config, facts: Facts) -> bool:
    """Whether `search=folds` would search: its pruner is not Hyperband, and each class has rows."""
    search = config["search"]
    if not search["n_trials"] or search["folds"]["n_splits"] is not None:
        return False
    if config["data"]["split"].get("time") or config["pruner"]["_target_"].endswith(HYPERBAND):
        return False
    counts = [facts.splits[name].classes for name in ("train", "validation")]
    both = [counts[0][name] + counts[1][name] for name in counts[0]]
    return min(both, default=FOLDS) >= FOLDS


def _random_notes(search: Search) -> list[str]:
    """Optuna's sampler draws at random what it cannot learn, and its own warning is not shown."""
    name = search["sampler"]["_target_"].rpartition(".")[2]
    if name not in NUMBERS_ALONE | NO_CONDITIONS or search["n_trials"] == 0:
        return []
    space = parse_space(search["space"])
    drawn = [
        key
        for key, parameter in space.items()
        if parameter.when or (name in NUMBERS_ALONE and parameter.range.values)
    ]
    if name in NUMBERS_ALONE and len(space) - len(drawn) < 2:
        drawn = [*space]  # Optuna: CMA-ES needs two numbers at least
    if not drawn:
        return []
    few = f"search.sampler: {name} draws {', '.join(drawn)} at random, whatever the results"
    return [f"{few}; TPE learns from them: `-S '++set.search=tpe'`"]


def _pace_notes(config: Config) -> list[str]:
    """A pruner that cannot save what it is there to save."""
    search = config["search"]
    pruner, epochs = config["pruner"], config["training"]["epochs"]
    if count := search["folds"]["n_splits"]:
        every = count * search["folds"]["n_repeats"]
        if (spared := pruner.get("n_warmup_steps", 0)) >= every - 1:
            few = f"pruner.n_warmup_steps: {spared} folds of {every} leave nothing to save"
            return [f"{few}; `-S '++set.pruner=folds'` ends trials from the third fold on"]
        return []
    if (warmup := pruner.get("n_warmup_steps", 0)) >= epochs:
        return [f"pruner.n_warmup_steps: {warmup} epochs of {epochs} leave nothing to prune"]
    if not pruner["_target_"].endswith(HYPERBAND):
        return []
    low, high = pruner.get("min_resource", 1), pruner.get("max_resource", 0)
    factor, brackets = pruner.get("reduction_factor", 3), 1
    while isinstance(high, int) and low * factor**brackets <= high:
        brackets += 1
    if search["n_trials"] >= 10 * brackets:
        return []
    few = f"Hyperband divides {search['n_trials']} trials among {brackets} brackets"
    return [f"{few}, and a sampler that learns wants more than 10 in each"]


def _space_faults(config: Config) -> Iterator[Fault]:
    rules = config["search"]["space"]
    found = [fault for key in rules for fault in _key_faults(config, key, rules[key])]
    if found:
        yield from found
        return
    try:
        space = parse_space(rules)
    except ValueError as error:
        yield Fault(f"search.space.{error}")
        return
    if SMOOTHING in space and config["task"]["target"] in ("number", "input"):
        yield Fault(no_classes(config["task"]["target"]))
    faulty = [m for key, p in space.items() for m in _value_faults(config, space, key, p)]
    yield from map(Fault, dict.fromkeys(faulty))


def _key_faults(config: Mapping[str, Any], key: str, rule: object) -> Iterator[Fault]:
    where = f"search.space.{key}"
    if key.partition(".")[0] not in SEARCHED:
        yield Fault(f"{where}: a trial can change keys of {', '.join(SEARCHED)} only")
        return
    conditional = isinstance(rule, dict) and "when" in rule
    if key not in flatten(config) and not conditional:
        yield _no_value(key, known_keys(config))
        return
    try:
        parse(plain(rule))
    except ValueError as error:
        yield Fault(f"{where}: {error}")


def _no_value(key: str, known: list[str]) -> Fault:
    where, what = f"search.space.{key}", f"the configuration has no value for {key}"
    if key in known:
        return Fault(f"{where}: {what}. Give it a value first; it is trial 0.")
    return not_known(where, what, key, [k for k in known if not k.startswith("search.")])


def _value_faults(config: Config, space: Space, key: str, parameter: Parameter) -> Iterator[str]:
    where, configured = f"search.space.{key}", configured_params(config, space)
    if key in configured and not parameter.range.contains(configured[key]):
        yield (
            f"{where}: the configured value {configured[key]!r} is trial 0 and outside the range"
        )
        return
    for end in parameter.range.ends():
        tried = override(config, example(config, space, {key: end}))
        yield from (f"{where}: reaches {fault.sentence}" for fault in faults(tried))


def _pruner_faults(config: Config) -> Iterator[str]:
    pruner, target = config["pruner"], config["pruner"]["_target_"]
    if config["search"]["objective"] == "pareto" and not target.endswith("NopPruner"):
        yield "pruner: a study with two objectives cannot prune; `-S '++set.pruner=none'`"
    # A PatientPruner may hold it.
    if any(name.rpartition(".")[2] == "WilcoxonPruner" for name in targets(pruner)):
        yield (
            "pruner: WilcoxonPruner compares trials over instances of a problem, and here a step "
            "is an epoch or a mean over folds: it would end no trial; `-S '++set.pruner=median'`"
        )
    if target.endswith(HYPERBAND):
        low, high = pruner.get("min_resource", 1), pruner.get("max_resource", "auto")
        if not isinstance(high, int):
            yield "pruner.max_resource: expected epochs, such as ${training.epochs}"
        elif low >= high:
            yield f"pruner.min_resource: {low} epochs is not below max_resource: {high}"


def _fold_faults(config: Config) -> Iterator[str]:
    if config["search"]["folds"]["n_splits"] is None:
        return
    if config["data"]["split"].get("time"):
        yield (
            "search.folds.n_splits: rows are split by time, and folds would learn from what came "
            "later: set it to null"
        )
    if config["pruner"]["_target_"].endswith(HYPERBAND):
        yield "pruner: Hyperband gives out epochs, and with search.folds a step is a fold: `folds`"
    if config["pruner"]["_target_"].endswith("PatientPruner"):
        yield (
            "pruner: PatientPruner looks at one step after the other, and with search.folds each "
            "is a mean over all so far: it would end no trial; `-S '++set.pruner=folds'`"
        )


def _worker_faults(search: Search) -> Iterator[str]:
    if isinstance(search["workers"], int) and search["workers"] > search["window"]:
        yield (
            f"search.workers: at most search.window ({search['window']}) trials run side by side, "
            f"received {search['workers']}; a wider window is another study"
        )


def _sampler_faults(search: Search) -> Iterator[str]:
    name = search["sampler"]["_target_"].rpartition(".")[2]
    for package, requirement in NEEDS.get(name, {}).items():
        if importlib.util.find_spec(package) is None:
            yield f"search.sampler: {name} needs {package}: `pip install '{requirement}'`"
    space = parse_space(search["space"])
    if name == "GridSampler":
        yield from _grid_faults(search, space)
    for key, parameter in space.items():
        if parameter.when and name in ("GridSampler", "QMCSampler"):
            yield f"search.space.{key}: {name} takes no `when`"


def _grid_faults(search: Search, space: Space) -> Iterator[str]:
    points = {key: parameter.range.points() for key, parameter in space.items()}
    for key, values in points.items():
        if values is None:
            yield f"search.space.{key}: a grid needs choices, whole numbers or a step"
    size = prod(len(values) for values in points.values() if values is not None)
    if None not in points.values() and search["n_trials"] > size + 1:
        yield (
            f"search.n_trials: the grid has {size} points, and trial 0 is as configured: expected "
            f"at most {size + 1}, received {search['n_trials']}"
        )
