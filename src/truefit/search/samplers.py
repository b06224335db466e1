"""Samplers and pruners as configured: a fresh sampler for each slot, seeded by study and slot."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler

from truefit.core.targets import make, target
from truefit.search.space import Space
from truefit.training.seeds import training_seed

if TYPE_CHECKING:
    from truefit.config.schema import Block

# They suggest from the trials alone. Others keep notes of their own suggestions beside the
# trials, which only suggesting again brings back (CMA-ES would store a pickle).
STATELESS = ("TPESampler", "RandomSampler", "GPSampler", "BruteForceSampler")


def samplers(
    block: Block, seed: int, space: Space, packages: Collection[str] = ()
) -> Callable[[int], BaseSampler]:
    """The sampler that suggests for a slot, by the slot's number.

    Grid and quasi-random samplers walk one sequence, which the study's seed orders; all others
    draw from the slot's own seed.
    """
    make, name = target(block, "search.sampler", packages), block["_target_"].rpartition(".")[2]
    points = {key: parameter.range.points() for key, parameter in space.items()}

    def sampler(slot: int) -> BaseSampler:
        own = training_seed(seed, slot)
        given: dict[str, object] = {"seed": own}
        if name == "GridSampler":
            given = {"seed": seed, "search_space": points}
        elif name == "QMCSampler":
            given = {"seed": seed, "independent_sampler": RandomSampler(seed=own)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            made: BaseSampler = make(**given)
        return made

    return sampler


def is_stateless(block: Block) -> bool:
    """Whether past suggestions can be put back without suggesting again."""
    return block["_target_"].rpartition(".")[2] in STATELESS


def make_pruner(block: Block, packages: Collection[str] = ()) -> optuna.pruners.BasePruner | None:
    """The configured pruner; `None` if it never prunes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        pruner: optuna.pruners.BasePruner = make(block, "pruner", packages)
    return None if isinstance(pruner, optuna.pruners.NopPruner) else pruner
