"""Samplers and pruners as configured: a fresh sampler for each slot, seeded by study and slot."""

from __future__ import annotations

import warnings
from typing import Any

import optuna

from truefit.config import Tree
from truefit.search.slots import derive_seed
from truefit.search.space import Space
from truefit.targets import make

# They suggest from the trials alone. Others keep notes of their own suggestions beside the
# trials, which only suggesting again brings back (CMA-ES would store a pickle).
STATELESS = ("TPESampler", "RandomSampler", "GPSampler", "BruteForceSampler")


def make_sampler(block: Tree, seed: int, slot: int, space: Space) -> optuna.samplers.BaseSampler:
    """The sampler that suggests for one slot.

    Grid and quasi-random samplers walk one sequence, which the study's seed orders; all others
    draw from the slot's own seed.
    """
    name, given = block["_target_"].rpartition(".")[2], dict[str, Any]()
    given["seed"] = derive_seed(seed, slot)
    if name == "GridSampler":
        points = {key: parameter.range.points() for key, parameter in space.items()}
        given = {"seed": seed, "search_space": points}
    elif name == "QMCSampler":
        independent = optuna.samplers.RandomSampler(seed=given["seed"])
        given = {"seed": seed, "independent_sampler": independent}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler: optuna.samplers.BaseSampler = make(block, **given)
    return sampler


def is_stateless(block: Tree) -> bool:
    """Whether past suggestions can be put back without suggesting again."""
    return block["_target_"].rpartition(".")[2] in STATELESS


def make_pruner(block: Tree) -> optuna.pruners.BasePruner | None:
    """The configured pruner; `None` if it never prunes."""
    pruner: optuna.pruners.BasePruner = make(block)
    return None if isinstance(pruner, optuna.pruners.NopPruner) else pruner
