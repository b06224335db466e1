"""`python trivial.py search|join`: the real worker, whose trainings are over at once.

Everything else is real: the claims, the storage, the journal and the process that sends it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from typing import Any, Self

from results import result_of

from truefit.search import join
from truefit.stages import run as stage
from truefit.stages import search as study
from truefit.training.events import Epoch
from truefit.training.process.child import Ending, Job

PAUSE = float(os.environ.get("TRIVIAL_PAUSE", "0.05"))  # seconds that a training lasts, about


class Training:
    """One under way."""

    def __init__(self, job: Job, environment: dict[str, str]) -> None:
        self.job, self.environment = job, environment
        self.until = time.monotonic() + random.uniform(0, 2 * PAUSE)
        self.told = False

    def answer(self, prune: bool) -> None:
        """It has ended already."""


class Trainer:
    """As truefit's, without processes."""

    def __init__(self, *_: str) -> None:
        self.running: list[Training] = []
        self.sampled: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.running.clear()

    def gpus(self) -> int:
        """None."""
        return 0

    def start(self, job: Job, environment: dict[str, str]) -> Training:
        """Begin one."""
        self.running.append(Training(job, environment))
        return self.running[-1]

    def stop(self, training: Training) -> None:
        """Nobody wants it."""
        self.running.remove(training)

    def wait(self, timeout: float) -> list[tuple[Training, Any]]:
        """An epoch of each, then its end."""
        soonest = min((t.until for t in self.running), default=time.monotonic() + timeout)
        time.sleep(max(0.0, min(timeout, soonest - time.monotonic())))
        happened: list[tuple[Training, Any]] = []
        for training in list(self.running):
            if time.monotonic() < training.until:
                continue
            logs = losses(training.job)
            if not training.told:
                training.told = True
                happened.append((training, Epoch(1, logs)))
                continue
            self.running.remove(training)
            happened.append((training, ending(training.job, logs)))
        return happened


def losses(job: Job) -> dict[str, float]:
    """They follow from the job's parameters and seed."""
    rate, dropout = job.config["optimizer"]["learning_rate"], job.config["model"]["dropout"]
    value = abs(rate - 3e-3) * 100 + (dropout - 0.2) ** 2 + job.config["model"]["depth"] / 100
    value += job.seed % 97 / 10_000
    return {"loss": value - 0.01, "val_loss": value}


def ending(job: Job, logs: dict[str, float]) -> Ending:
    """Complete, with a gap of 0.01."""
    result = result_of(logs["val_loss"])
    return Ending("complete", "", result, [{"epoch": 1, **logs}], PAUSE)


if __name__ == "__main__":
    vars(study).update(Trainer=Trainer, require_saving=lambda *_: None)  # there is no model
    vars(join).update(Trainer=Trainer)
    stage.run({"search": study.search, "join": join.join}[sys.argv[1]])
