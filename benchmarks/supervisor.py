"""What the supervisor itself costs in a long study: seconds a slot, memory a slot.

Run `python benchmarks/supervisor.py`; it prints Markdown. The study is real (TPE, median pruning,
SQLite, MLflow); the trainings are not: each is over at once after three epochs, so that what is
measured is suggesting, judging, storing and recording. Last, a digits training's own memory.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil

from truefit.core.paths import PREPARED
from truefit.core.resolved import Tree, dump, read_yaml, source_digest
from truefit.search import identity
from truefit.search.storage import rdb as storage
from truefit.stages import search as study
from truefit.stages.compose import resolve
from truefit.stages.preprocess import preprocess
from truefit.tracking.tracker import Tracker
from truefit.training.process.child import Ending, Job
from truefit.training.process.pool import Pool
from truefit.training.process.trainer import Trainer

ROOT = Path(__file__).parents[1]
LOGS = {"loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.5, "learning_rate": 0.001}


class AtOnce(Pool[int]):
    """A pool whose trainings are over at once; it notes time and memory at each start."""

    def __init__(self) -> None:
        """Two places."""
        super().__init__(None, [{}, {}], 0, print)  # type: ignore[arg-type]
        self.jobs: dict[int, Job] = {}
        self.marks: list[tuple[float, int]] = []

    def start(self, key: int, job: Job) -> None:
        """Begin, which here is all."""
        self.free.pop()
        self.jobs[key] = job
        self.marks.append((time.process_time(), psutil.Process().memory_info().rss))

    def wait(self) -> Iterator[tuple[int, Any, Tree | Ending]]:
        """Three epochs and the ending of one training."""
        key, job = next(iter(self.jobs.items()))
        value = (job.config["model"]["dropout"] - 0.2) ** 2 + job.config["model"]["depth"]
        history = [{"epoch": e, **LOGS, "val_loss": value + 1 / e} for e in (1, 2, 3)]
        for logs in history:
            yield key, self, {"epoch": logs["epoch"], "logs": logs}
        del self.jobs[key]
        self.free.append({})
        result = {"best_val_loss": value, "gap": 0.0, "parameters": 1, "best_epoch": 3}
        yield key, None, Ending("complete", "", result, history, 0.1)

    def answer(self, prune: bool) -> None:
        """Trainings here are too short to be pruned."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=1000)
    slots = parser.parse_args().slots
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        config = prepare(slots)
        marks = fill(config)
        pss = child_memory(config)
    times = [(b[0] - a[0]) * 1000 for a, b in itertools.pairwise(marks)]
    print("| the supervisor | |\n|---|---|")
    for start in (0, slots // 2, slots - 50):
        part = times[start : start + 50]
        print(f"| CPU a slot, slots {start} to {start + 50} | {statistics.median(part):.0f} ms |")
    grown = (marks[-1][1] - marks[slots // 10][1]) / (0.9 * slots) / 1000
    print(f"| memory a slot | {grown:.1f} kB |")
    print(f"| a digits training, memory of its own (PSS) | {pss / 1e6:.0f} MB |")


def prepare(slots: int) -> Tree:
    """The default configuration in a project of its own."""
    shutil.copytree(ROOT / "conf", "conf")
    shutil.copy(ROOT / "params.yaml", ".")
    params: Tree = read_yaml(Path("params.yaml"))
    params["set"] = {"search": {"n_trials": slots, "finalists": {"count": 0}}}
    config = resolve(params)
    Path("resolved.yaml").write_text(dump({**config, "source_digest": source_digest()}))
    preprocess()
    return config


def fill(config: Tree) -> list[tuple[float, int]]:
    """Run the study; gives CPU seconds of this process and its memory at the start of each slot."""
    pool = AtOnce()
    study._pool = lambda *_: pool  # type: ignore[assignment]
    parts = identity.identity(config)
    opened = storage.Storage.open(print)
    with (
        Tracker(config["project"], "search") as tracker,
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        name = identity.study_name(parts)
        study._search(config, name, parts, opened, None, tracker)  # type: ignore[arg-type]
    return pool.marks


def child_memory(config: Tree) -> int:
    """Proportional set size of a digits training beside another, near their end, in bytes."""
    with Trainer(config["backend"], "cpu") as trainer:
        trainings = [trainer.start(Job(config, PREPARED, seed)) for seed in range(2)]
        while True:
            for training, event in trainer.wait():
                if isinstance(event, Ending):
                    raise AssertionError(event.reason)
                if event["epoch"] == 8 and training is trainings[1]:
                    return int(psutil.Process(training.process.pid).memory_full_info().pss)


if __name__ == "__main__":
    main()
