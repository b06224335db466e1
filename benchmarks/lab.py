"""Trainings on one prepared folder, as a search and its finalists run them, scored row by row."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from winner_rules import Trained

from truefit.config.schema import Config, Search
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import read_facts, read_split
from truefit.core.resolved import Tree, override
from truefit.evaluation.scores import SMALLEST
from truefit.search.slots import SlotRecord, filled, outcome
from truefit.search.space import configured_params, parse_space
from truefit.search.work import make_window
from truefit.training.building import make_task
from truefit.training.folds import assign
from truefit.training.process.child import Ending, Job
from truefit.training.process.trainer import Trainer
from truefit.training.saved import core_of, load_model
from truefit.training.seeds import finalist_seed, training_seed
from truefit.training.tasks import Task

AT_ONCE = 2
PREPARED = Path("data/prepared")
PIECE = 512  # rows scored at a time
FINALISTS, AGAIN = 3, 3
FOLDS = 5
PLAIN = {  # what a Keras user writes without a search
    "model.depth": 2, "model.units": 128, "model.taper": 0.5, "model.dropout": 0.2,
    "optimizer.learning_rate": 1e-3, "training.epochs": 100, "training.patience": 10,
}  # fmt: skip


@dataclass
class Lab:
    """Trainings on one prepared folder, two at a time."""

    config: Config
    trainer: Trainer

    def study(self, search: Search, trials: int) -> list[Trained]:
        """The trials of a study with this `search` block that have a result, in order of slots."""
        config = self.config | {"search": search}
        space = parse_space(search["space"])
        window = make_window(config, "winner", space)
        waiting: dict[Any, tuple[int, Tree, Job]] = {}
        found: dict[int, Trained | None] = {}
        begun = 0
        while len(found) < trials:
            while begun < trials and len(waiting) < AT_ONCE and window.is_ready:
                params = configured_params(config, space) if begun == 0 else window.suggest()
                if begun == 0:
                    window.put(params)
                job = self._job(params, training_seed(config["seed"], begun))
                waiting[self.trainer.start(job)] = begun, params, job
                begun += 1
            for training, event in self.trainer.wait():
                if isinstance(event, Ending):
                    slot, params, job = waiting.pop(training)
                    ended = filled(search, slot, params, event)
                    window.settle(slot, outcome(search, SlotRecord(ended, event.history)))
                    found[slot] = self._score(slot, 0, params, event, job)
        return [one for _, one in sorted(found.items()) if one]

    def again(self, best: list[Trained]) -> list[Trained]:
        """Each of these over the same further seeds."""
        jobs = [
            (one.slot, repeat, one.params, finalist_seed(self.config["seed"], repeat))
            for one in best
            for repeat in range(1, AGAIN + 1)
        ]
        return self._train(jobs)

    def folded(self, trials: list[Trained]) -> dict[int, float]:
        """The mean validation loss of each over the same folds of training and validation rows."""
        seed = self.config["seed"]
        folds = assign(PREPARED, FOLDS, 1, seed)
        left, means = list(trials), dict[int, float]()
        waiting: dict[Any, int] = {}
        while left or waiting:
            while left and len(waiting) < AT_ONCE:
                one = left.pop(0)
                job = Job(
                    override(self.config, one.params),
                    PREPARED,
                    training_seed(seed, one.slot),
                    folds=folds,
                )
                waiting[self.trainer.start(job)] = one.slot
            for training, event in self.trainer.wait():
                if isinstance(event, Ending):
                    slot = waiting.pop(training)
                    if event.state == "complete" and event.result:
                        means[slot] = event.result.best_val_loss
        return means

    def plain(self) -> list[Trained]:
        """What a Keras user would train without a search."""
        return self._train([(-1, 0, PLAIN, self.config["seed"])])

    def _train(self, jobs: list[tuple[int, int, Tree, int]]) -> list[Trained]:
        left, found = list(jobs), list[Trained | None]()
        waiting: dict[Any, tuple[int, int, Tree, Job]] = {}
        while left or waiting:
            while left and len(waiting) < AT_ONCE:
                slot, repeat, params, seed = left.pop(0)
                job = self._job(params, seed)
                waiting[self.trainer.start(job)] = slot, repeat, params, job
            for training, event in self.trainer.wait():
                if isinstance(event, Ending):
                    slot, repeat, params, job = waiting.pop(training)
                    found.append(self._score(slot, repeat, params, event, job))
        return [one for one in found if one]

    def _job(self, params: Tree, seed: int) -> Job:
        file = Path(f"{time.monotonic_ns()}.keras").absolute()
        return Job(override(self.config, params), PREPARED, seed, file)

    def _score(
        self, slot: int, repeat: int, params: Tree, ending: Ending, job: Job
    ) -> Trained | None:
        if ending.state != "complete" or job.save_to is None or ending.result is None:
            return None
        facts = read_facts(PREPARED)
        task = make_task(job.config, facts)
        core = core_of(load_model(job.config, job.save_to))
        validation, test = (row_losses(core, name, facts, task) for name in ("validation", "test"))
        job.save_to.unlink()
        result = ending.result
        return Trained(
            slot, repeat, params, result.best_val_loss, result.gap, result.parameters,
            validation, test, result.constant_loss,
        )  # fmt: skip


def row_losses(core: Any, split: str, facts: Facts, task: Task) -> np.ndarray:
    """The loss of each row, (rows,): cross-entropy, squared error in deviations, mean of places."""
    rows = read_split(PREPARED, split)
    # Called, not `predict`, which would make a graph for each of the many models.
    pieces = [
        np.asarray(core(np.array(rows.x[n : n + PIECE]), training=False))
        for n in range(0, len(rows.x), PIECE)
    ]
    p, y = np.concatenate(pieces).astype(np.float64), np.array(rows.y)
    if task.name == "regression":
        return np.asarray((y - p[:, 0]) ** 2 / facts.target.scale**2)
    p = p if p.shape[-1] > 1 else np.concatenate([1 - p, p], axis=-1)
    chosen = np.take_along_axis(p, y[..., np.newaxis], axis=-1)[..., 0]
    losses = -np.log(np.clip(chosen, SMALLEST, 1))
    return np.asarray(losses.reshape(len(losses), -1).mean(axis=1))
