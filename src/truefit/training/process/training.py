"""A training under way in a process of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import psutil

from truefit.core.results import Logs
from truefit.tracking.usage import Meter
from truefit.training.process.child import Job

# Seconds without a sign beyond the time limit, after which a process hangs. A training keeps its
# limit itself; to measure and save then takes as long as it takes, and it says that it goes on.
GRACE = 60.0
GIB = 2**30


@dataclass(eq=False)
class RunningTraining:
    """A training under way."""

    job: Job
    environment: dict[str, str]
    events: Connection
    lifeline: Connection
    process: BaseProcess
    spawned: bool
    started: float
    deadline: float | None
    oom_kills: int
    meter: Meter
    history: list[Logs] = field(default_factory=list)
    helloed: bool = False
    ready: bool = False
    began: bool = False  # to count its time, where that is limited

    def answer(self, prune: bool) -> None:
        """Let a training that asks go on, or end it after this epoch."""
        try:
            self.events.send(prune)
        except (BrokenPipeError, ConnectionResetError):
            return  # it died after it asked; its end of the pipe says so next

    def goes_on(self, left: float) -> None:
        """Wait for its next sign until its time limit, `left` seconds away, is well over."""
        self.began = True
        self.deadline = time.monotonic() + left + GRACE

    def hangs(self) -> str:
        """What is known of it where its process did not answer beyond its time limit."""
        config, folds = self.job.config["training"], self.job.folds is not None
        total = self.job.trainings if folds else config["epochs"]
        limit = config["time_limit"]
        return (
            f"{len(self.history)} of {total} {'folds' if folds else 'epochs'}; then the process "
            f"did not answer for {GRACE:g} s beyond training.time_limit of {limit:g} s, "
            "was ended, and no weights could be kept"
        )

    def own_memory(self) -> float:
        """GiB that no other process shares: what ending the process would set free."""
        try:
            return float(psutil.Process(self.meter.pid).memory_full_info().uss) / GIB
        except psutil.Error:
            return 0.0  # it has just ended
