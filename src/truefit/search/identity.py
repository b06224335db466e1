"""What makes a study the one it is, and what has changed since the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.paths import PREPARED
from truefit.core.prepared.folder import read_facts
from truefit.core.reached import reached
from truefit.core.signatures import package_files, source_file
from truefit.core.trees import flatten, only, targets
from truefit.search.ranges import parse, plain
from truefit.search.storage.about import Identity
from truefit.training.folds import digest

if TYPE_CHECKING:
    from truefit.config.schema import Config

# What runs a training, and what turns its result into a value and a suggestion.
CODE = (
    "training.process.child", "search.objective", "search.samplers", "search.slots",
    "search.window",
)  # fmt: skip
CODED = ("model", "task", "optimizer", "augmentation")  # whose `_target_` is code of the training
SECTIONS = (
    "model", "task", "optimizer", "regularization", "augmentation", "training", "pruner", "runtime",
    "seed", "backend",
)  # fmt: skip
# Keys of `search`: what a suggestion or a value depends on; never budgets, workers or n_trials.
SEARCH = ("sampler", "space", "objective", "gap_weight", "max_gap", "folds", "window", "warm_start")


def identity(config: Config, folds: np.ndarray | None) -> Identity:
    """Everything that a trial's result depends on, as flat keys and short texts."""
    chosen = only(config, SECTIONS)
    chosen["search"] = only(config["search"], SEARCH)
    facts = read_facts(PREPARED)
    # Not the digest of the whole data set: the search must not depend on the test split.
    rows = [facts.splits[split].digest for split in ("train", "validation")]
    described = [facts[key] for key in ("statistics", "target", "normalize")]  # plain values
    packages = ("keras", config["backend"], "optuna")
    return {
        **flatten(chosen),
        "data": _digest(json.dumps([rows, described], sort_keys=True).encode()),
        "folds": digest(folds) if folds is not None else None,
        "code": _digest(*(file.read_bytes() for file in _code(config))),
        "packages": " ".join(f"{name}={version(name)}" for name in packages),
    }


def study_name(parts: Identity) -> str:
    """A name that is the same for the same identity."""
    return f"study-{_digest(json.dumps(parts, sort_keys=True).encode())}"


def changes(before: Identity, now: Identity) -> list[str]:
    """What differs between two identities, one short text each."""
    found = []
    targets = [k for k in {*before, *now} if k.startswith(CODED) and k.endswith("_target_")]
    others = any(before.get(k) != now.get(k) for k in targets)
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if key == "search.space":
            rules = [rule if isinstance(rule, dict) else {} for rule in (old, new)]
            names = {k for k in {*rules[0], *rules[1]} if rules[0].get(k) != rules[1].get(k)}
            found.append(f"search.space ({', '.join(sorted(names))})")
        elif key == "code":
            found.append("code (of other functions)" if others else "code")
        elif key == "data":
            found.append(key)
        else:
            found.append(f"{key}: {old} -> {new}")
    return found


def _code(config: Config) -> Iterable[Path]:
    """Files whose edit makes another study: the training's own, its targets', your packages'."""
    named = targets(only(config, CODED))
    for key, rule in config["search"]["space"].items():
        if key.endswith("_target_"):
            named |= {str(value) for value in parse(plain(rule)).values}
    files = {source_file(target) for target in named if not target.startswith("keras.")}
    files |= {file for package in config["packages"] for file in package_files(package)}
    return [*reached(*CODE), *sorted(files)]


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
