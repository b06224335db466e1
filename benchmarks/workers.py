"""Slots a second of one study on PostgreSQL, from 1 to 64 workers, against plain Optuna.

`python benchmarks/workers.py [--slots 200] [--workers 1 4 16 64]`: trainings are over at once, so
that what is measured is the way to a slot and back: claim, suggestion, record. Both fill the same
number of slots of the same space on the same server in turns; workers are processes, and start
together once all are ready. The latency is a worker's time from one slot to the next; the load is
the server's transactions and processor seconds for each slot.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import optuna
import psutil
import sqlalchemy

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from postgres import Server, postgres  # noqa: E402 - see above
from results import result_of  # noqa: E402

from truefit.config.schema import Config  # noqa: E402
from truefit.search.claims import Claims  # noqa: E402
from truefit.search.loop import Loop  # noqa: E402
from truefit.search.samplers import is_stateless  # noqa: E402
from truefit.search.space import configured_params, parse_space  # noqa: E402
from truefit.search.storage.rdb import Storage  # noqa: E402
from truefit.search.storage.study import Study  # noqa: E402
from truefit.search.storage.workers import Worker  # noqa: E402
from truefit.search.work import make_window  # noqa: E402
from truefit.stages.compose import resolve  # noqa: E402
from truefit.training.process.child import Ending, Job  # noqa: E402

WINDOW = 64


def value(params: dict[str, Any]) -> float:
    """What a trial comes to."""
    rate, depth = params["optimizer.learning_rate"], params["model.depth"]
    return float(abs(rate - 3e-3) + params["model.dropout"] + depth / 100)


class Pool:
    """One place, where a training is over at once."""

    def __init__(self) -> None:
        """It is free."""
        self.free: list[dict[str, str]] = [{}]
        self.ended: list[tuple[int, Ending]] = []
        self.times: list[float] = []

    def start(self, key: int, job: Job) -> None:
        """It has ended."""
        self.times.append(time.monotonic())
        self.free.pop()
        config = job.config
        params = {
            "optimizer.learning_rate": config["optimizer"]["learning_rate"],
            "model.depth": config["model"]["depth"],
            "model.dropout": config["model"]["dropout"],
        }
        result = result_of(value(params), gap=0.0)
        self.ended.append((key, Ending("complete", "", result, [], 0.0)))

    def wait(self, timeout: float) -> list[tuple[int, None, Ending]]:
        """The end of what has been started, or a pause."""
        if not self.ended:
            time.sleep(timeout)
        ended, self.ended = self.ended, []
        self.free += [{} for _ in ended]
        return [(key, None, ending) for key, ending in ended]


class Silent:
    """Keeps and says nothing."""

    def __getattr__(self, _: str) -> Any:
        """Nobody looks."""
        return lambda *_, **__: None


def ours(name: str, config: Config, barrier: Any, results: Any, _: Any) -> None:
    """A worker as truefit has it, without children and tracker."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = Storage.open(lambda _: None)
    study = Study.of(storage, name, 1)
    space = parse_space(config["search"]["space"])
    window = make_window(config, name, space)
    fixed = [configured_params(config, space)]
    worker = Worker.begin(study, 60, 1)
    stateless = is_stateless(config["search"]["sampler"])
    claims = Claims(config["search"], study, worker, window, fixed, stateless)
    pool: Any = Pool()
    board: Any = Silent()
    recorder: Any = Silent()
    loop = Loop(config, claims, pool, board, recorder, leads=False)
    barrier.wait()
    loop.fill()
    results.put([b - a for a, b in pairwise(pool.times)])


def counts_down(left: Any) -> bool:
    """Whether there was one more."""
    with left.get_lock():
        left.value -= 1
        return bool(left.value >= 0)


def plain(name: str, config: Config, barrier: Any, results: Any, left: Any) -> None:
    """A worker as Optuna's documentation has it: ask, suggest, tell; nobody asks in vain."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options = {"pool_pre_ping": True, "pool_size": 1}
    storage = optuna.storages.RDBStorage(os.environ["TRUEFIT_STORAGE"], engine_kwargs=options)
    sampler = optuna.samplers.TPESampler(seed=os.getpid(), n_startup_trials=8)
    study = optuna.load_study(study_name=name, storage=storage, sampler=sampler)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        key: parameter.range.distribution()
        for key, parameter in parse_space(config["search"]["space"]).items()
    }
    barrier.wait()
    times = []
    while counts_down(left):
        trial = study.ask(distributions)
        times.append(time.monotonic())
        study.tell(trial, value(trial.params))
    results.put([b - a for a, b in pairwise(times)])


def measure(kind: str, workers: int, server: Server, config: Config) -> dict[str, float]:
    """Slots a second, median latency, and the server's load, of one filled study."""
    name = f"{kind}-{workers}"
    Study.of(Storage.open(print), name, 1)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(workers + 1), context.Queue()
    left = context.Value("i", config["search"]["n_trials"])
    target = {"truefit": ours, "optuna": plain}[kind]
    started = [
        context.Process(target=target, args=(name, config, barrier, results, left))
        for _ in range(workers)
    ]
    for process in started:
        process.start()
    barrier.wait()
    began, before = time.monotonic(), load(server)
    latencies = [seconds for _ in started for seconds in results.get()]
    took, after = time.monotonic() - began, load(server)
    for process in started:
        process.join()
    slots = config["search"]["n_trials"]
    trials = optuna.load_study(study_name=name, storage=server.url).trials
    done = sum(trial.state.name == "COMPLETE" for trial in trials)
    assert done >= slots, f"{name}: {done} of {slots} slots"
    return {
        "slots/s": slots / took,
        "latency": median(latencies) if latencies else float("nan"),
        "transactions": (after[0] - before[0]) / slots,
        "cpu": (after[1] - before[1]) / slots,
    }


def load(server: Server) -> tuple[float, float]:
    """Transactions so far, and processor seconds of the server's living processes."""
    engine = sqlalchemy.create_engine(server.url)
    with engine.connect() as connection:
        query = "SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database"
        transactions = float(connection.scalar(sqlalchemy.text(query)) or 0)
    engine.dispose()
    head = int((server.folder / "data/postmaster.pid").read_text().splitlines()[0])
    postmaster = psutil.Process(head)
    used = 0.0
    for process in postmaster.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it counts as ended, below
            times = process.cpu_times()
            used += times.user + times.system
    own = postmaster.cpu_times()
    return transactions, used + own.user + own.system + own.children_user + own.children_system


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16, 64])
    asked = parser.parse_args()
    os.chdir(ROOT)
    settings = {"n_trials": asked.slots, "window": WINDOW, "workers": 1}
    config = resolve({"set": {"search": settings, "pruner": "none"}})
    with postgres() as server, tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TRUEFIT_STORAGE": server.url, "DVC_ROOT": folder}
        print("| workers | truefit, slots/s | Optuna, slots/s | ratio | latency, s | Optuna's |")
        print("|---|---|---|---|---|---|")
        loads = []
        for workers in asked.workers:
            theirs = measure("optuna", workers, server, config)
            own = measure("truefit", workers, server, config)
            ratio = own["slots/s"] / theirs["slots/s"]
            print(
                f"| {workers} | {own['slots/s']:.1f} | {theirs['slots/s']:.1f} | {ratio:.2f} | "
                f"{own['latency']:.2f} | {theirs['latency']:.2f} |",
                flush=True,
            )
            loads.append((workers, own, theirs))
        for workers, own, theirs in loads:
            print(
                f"{workers} workers: {own['transactions']:.0f} transactions and {own['cpu']:.3f} "
                f"processor seconds of the server a slot; Optuna {theirs['transactions']:.0f} and "
                f"{theirs['cpu']:.3f}"
            )


if __name__ == "__main__":
    main()
