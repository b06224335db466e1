"""A study's loop whose trainings are over at once, or die when they are told to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from conftest import dataset_json
from results import result_of

from truefit.config.schema import Config
from truefit.core.prepared.folder import write_split
from truefit.search import warm
from truefit.search.board import Board
from truefit.search.claims import Claims
from truefit.search.loop import Loop
from truefit.search.samplers import is_stateless
from truefit.search.space import configured_params, parse_space
from truefit.search.storage.rdb import Storage
from truefit.search.storage.study import Study
from truefit.search.storage.workers import Worker
from truefit.search.work import make_window
from truefit.stages.compose import resolve
from truefit.training.events import Epoch
from truefit.training.process.child import Ending, Job

Train = Callable[[Job], Ending]


class Killed(BaseException):
    """The supervisor ends here, as by `kill -9`."""


class Pool:
    """Trainings without processes: each epoch and ending comes when it is drawn."""

    def __init__(self, train: Train, workers: int, seed: int, kill_after: int = 10**9) -> None:
        self.train, self.free, self.order = train, [dict[str, str]()] * workers, random.Random(seed)
        self.running: dict[int, tuple[Job, Ending, int]] = {}
        self.events_left, self.pruned = kill_after, False
        self.begun: list[int] = []

    def start(self, key: int, job: Job) -> None:
        self.begun.append(key)
        self.free.pop()
        self.running[key] = (job, self.train(job), 0)

    def stop(self, key: int) -> None:
        del self.running[key]
        self.free.append({})

    def answer(self, prune: bool) -> None:
        self.pruned = prune

    def wait(self, _: float = 0.0) -> Iterator[tuple[int, Any, Any]]:
        key = self.order.choice(sorted(self.running))
        job, ending, epoch = self.running[key]
        if self.events_left == 0:
            raise Killed
        self.events_left -= 1
        if epoch < len(ending.history):
            self.running[key] = (job, ending, epoch + 1)
            self.pruned = False
            yield key, self, Epoch(epoch + 1, ending.history[epoch])
            if self.pruned and key in self.running:
                shown = ending.history[: epoch + 1]
                self.running[key] = (job, made(job, "pruned", shown), epoch + 1)
            return
        del self.running[key]
        self.free.append({})
        yield key, self, ending


class Silent:
    """A recorder that keeps nothing."""

    def __getattr__(self, _: str) -> Any:
        """Nobody looks."""
        return lambda *_, **__: None


def made(job: Job, state: Any, history: list[dict[str, float]] | None = None) -> Ending:
    """An ending whose losses follow from the job's parameters and seed."""
    rate, depth = job.config["optimizer"]["learning_rate"], job.config["model"]["depth"]
    end = (np.log10(rate) + 2.5) ** 2 + 0.1 * depth + job.seed % 100 / 1000
    steps = [{"loss": end, "val_loss": end + 1 / epoch} for epoch in range(1, 7)]
    history = steps if history is None else history
    result = result_of(history[-1]["val_loss"], best_epoch=len(history))
    return Ending(state, "", result, history, 1.5)


def complete(job: Job) -> Ending:
    return made(job, "complete")


def config_of(project: Path, **search: Any) -> Config:
    params = {"set": {"search": {"n_trials": 12, **search}, "pruner": {"n_startup_trials": 2}}}
    return resolve(params)


def make_loop(config: Config, pool: Any, name: str = "study-test", *, leads: bool = True) -> Loop:
    search, space = config["search"], parse_space(config["search"]["space"])
    storage = Storage.open(lambda _: None)
    study = Study.of(storage, name, 1)
    if "fixed" not in study.attributes():
        fixed = [configured_params(config, space), *warm.warm_starts(storage, config, space)]
        study.describe({"fixed": fixed})
    worker = Worker.begin(study, search["lease"], len(pool.free))
    window, stateless = make_window(config, name, space), is_stateless(search["sampler"])
    claims = Claims(search, study, worker, window, study.attributes()["fixed"], stateless)
    recorder: Any = Silent()
    return Loop(config, claims, pool, Board(search["n_trials"], 6, 1), recorder, leads=leads)


def prepare() -> None:
    """Prepared data that can be read; nobody trains on them here."""
    for split in ("train", "validation"):
        write_split(Path("data/prepared"), split, 1, [(np.zeros((1, 1)), np.zeros(1))])
    dataset_json().write(Path("data/prepared"))


def outcome(loop: Loop) -> list[tuple[Any, ...]]:
    return [
        (s.slot, s.state, s.reason, s.params, s.value, s.gap)
        for _, s in sorted(loop.claims.slots.items())
    ]


def stored(name: str = "study-test") -> list[Any]:
    return optuna.load_study(study_name=name, storage="sqlite:///.truefit/studies.db").trials
