"""A worker's part in a study: what is searched here, its places, its slots, its finalists."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna

from truefit.core.errors import UserError
from truefit.core.paths import PREPARED
from truefit.core.resolved import Params, load
from truefit.core.study import Finalist
from truefit.core.trees import only
from truefit.search import finalists
from truefit.search.board import Board
from truefit.search.claims import Claims
from truefit.search.finalists import Contest
from truefit.search.identity import identity, study_name
from truefit.search.loop import Loop
from truefit.search.recorder import Recorder
from truefit.search.samplers import is_stateless, make_pruner, samplers
from truefit.search.slots import Slot
from truefit.search.space import Space, parse_space
from truefit.search.storage.about import Identity, Rules
from truefit.search.storage.study import Study
from truefit.search.storage.workers import Worker
from truefit.search.window import Window
from truefit.search.winner import by_value, candidates
from truefit.training.folds import assign
from truefit.training.process.pool import Pool

if TYPE_CHECKING:
    from truefit.config.schema import Config

# No part of a study's name: a longer study is the same one, and reuses its slots.
RULES = ("n_trials", "time_limit", "gpu_hours", "patience", "finalists", "tolerance")


@dataclass(frozen=True)
class Sought:
    """What is searched, by the configuration, code and data that are here."""

    config: Config
    folds: np.ndarray | None
    identity: Identity

    @classmethod
    def here(cls, config: Config | None = None) -> Sought:
        """As resolved.yaml and the prepared data have it.

        Raises:
            UserError: the rows are too few for the wanted folds.
        """
        config = config or load()
        folds = _folds(config)
        return cls(config, folds, identity(config, folds))

    @property
    def rules(self) -> Rules:
        """What else its workers have to agree on: when it ends, and which finalists it has."""
        return only(self.config["search"], RULES)

    @property
    def study(self) -> str:
        """The study's name, which is the same for the same identity."""
        return study_name(self.identity)

    @property
    def space(self) -> Space:
        """What is searched."""
        return parse_space(self.config["search"]["space"])


@dataclass
class Work:
    """What one process needs to work on a study; `slots` first, then `finalists`."""

    sought: Sought
    study: Study
    fixed: list[Params]  # parameters of the study's first slots
    worker: Worker
    pool: Pool[Any]
    recorder: Recorder
    leads: bool
    tend: Callable[[int], None] = lambda _: None

    def slots(self) -> tuple[list[Slot], str]:
        """Every slot, once all are filled, and what ended the study: see `Loop.fill`."""
        config, search = self.sought.config, self.sought.config["search"]
        window = make_window(config, self.study.name, self.sought.space)
        epochs, unit = self._steps()
        stateless = is_stateless(search["sampler"])
        claims = Claims(search, self.study, self.worker, window, self.fixed, stateless)
        n_trials, places = search["n_trials"], self.worker.all_places()
        then = min(search["finalists"]["n_finalists"], n_trials) * search["finalists"]["n_seeds"]
        with Board(n_trials, epochs, places, unit=unit, then=then) as board:
            self._listen(board)
            loop = Loop(
                config, claims, self.pool, board, self.recorder, self.sought.folds, self.leads,
                self.tend,
            )  # fmt: skip
            ended = loop.fill()
        return [claims.slots[number] for number in sorted(claims.slots)], ended

    def finalists(self, slots: list[Slot]) -> list[Finalist]:
        """The best slots over several seeds, once all are trained."""
        config = self.sought.config
        rule = config["search"]["finalists"]
        best = by_value(candidates(slots))[: rule["n_finalists"]]
        chosen = [slots[candidate.slot] for candidate in best]
        if not chosen:
            return []
        epochs, unit = self._steps()
        trials, places = len(chosen) * rule["n_seeds"], self.worker.all_places()
        again = Study.of(self.study.storage, f"{self.study.name}-finalists", 1)
        with (
            Board(trials, epochs, places, noun="finalist", unit=unit) as board,
            tempfile.TemporaryDirectory() as folder,
        ):
            self._listen(board)
            models = Path(folder) if rule["models"] else None
            contest = Contest(
                config, again, self.worker, self.pool, board, self.recorder, self.sought.folds,
                models, self.leads, self.tend,
            )  # fmt: skip
            return finalists.summarise(contest.run(chosen))

    def _listen(self, board: Board) -> None:
        self.pool.say = self.recorder.tracker.say = self.study.storage.say = board.say
        self.pool.again, self.pool.sampled = self.recorder.again, self.recorder.sample

    def _steps(self) -> tuple[int, str]:
        """How many steps a training has at most, and what they are called."""
        config, folds = self.sought.config, self.sought.folds
        if folds is None:
            return config["training"]["epochs"], "epoch"
        return folds.shape[0] * config["search"]["folds"]["n_splits"], "fold"


def make_window(config: Config, name: str, space: Space) -> Window:
    """The study's window, with sampler and pruner as configured.

    Raises:
        ValueError, TypeError, RuntimeError, NotImplementedError: Optuna refuses an argument.
    """
    search = config["search"]
    objectives = 2 if search["objective"] == "pareto" else 1
    sampler = samplers(search["sampler"], config["seed"], space, config["packages"])
    pruner: optuna.pruners.BasePruner | None = make_pruner(config["pruner"], config["packages"])
    return Window(name, objectives, search["window"], space, sampler, pruner)


def _folds(config: Config) -> np.ndarray | None:
    """Which rows are held out together, where trials are judged by folds."""
    wanted = config["search"]["folds"]
    if wanted["n_splits"] is None:
        return None
    try:
        return assign(PREPARED, wanted["n_splits"], wanted["n_repeats"], config["seed"])
    except ValueError as error:
        raise UserError(str(error)) from error
