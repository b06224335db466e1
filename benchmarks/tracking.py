"""What tracking costs a trial: digits, 20 epochs, tracked against untracked.

Run `python benchmarks/tracking.py`; it prints Markdown. The same study is searched without tracker,
with the project's own MLflow database, and with an MLflow server on PostgreSQL, in turn and several
times. The first column is measured around the tracker's calls; the second is the wall clock.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna

from truefit.core.resolved import Tree, dump, read_yaml, source_digest
from truefit.search.recorder import Recorder
from truefit.search.space import configured_params, parse_space
from truefit.search.storage.rdb import Storage
from truefit.stages import search as study
from truefit.stages.compose import resolve
from truefit.stages.preprocess import preprocess
from truefit.tracking.tracker import Tracker
from truefit.training.process.trainer import Trainer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from mlflow_server import mlflow_server  # noqa: E402 - they lie beside the tests, which use them
from postgres import postgres  # noqa: E402

EPOCHS = 20


class Untracked:
    """Keeps nothing."""

    def __getattr__(self, _: str) -> Callable[..., str]:
        """Nobody listens."""
        return lambda *_, **__: ""


class Timed:
    """A tracker whose calls are timed."""

    def __init__(self, tracker: Any) -> None:
        """Around the real one."""
        self._tracker, self.seconds = tracker, 0.0

    def __getattr__(self, name: str) -> Any:
        """The tracker's, timed."""
        method = getattr(self._tracker, name)
        if not callable(method):
            return method

        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - began

        return call


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    inside: dict[str, list[float]] = {}
    walls: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), servers() as where:
        config = prepare(arguments.trials)
        for _ in range(arguments.repeat):
            for name, uri in where.items():
                told, wall = search(config, uri)
                inside.setdefault(name, []).append(1000 * told / arguments.trials)
                walls.setdefault(name, []).append(1000 * wall / arguments.trials)
    print("| tracker | ms a trial in its calls | ms a trial in all: least, median | more, median |")
    print("|---|---|---|---|")
    base = statistics.median(walls["none"])
    for name, times in walls.items():
        median = statistics.median(times)
        more = f"{median - base:+.0f} ms, {100 * (median / base - 1):+.1f} %"
        told = statistics.median(inside[name])
        print(f"| {name} | {told:.2f} | {min(times):.0f}, {median:.0f} | {more} |")


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str | None]]:
    """Trackers by name: `None` for none, the address for MLflow."""
    place = Path(tempfile.mkdtemp(dir="."))
    with postgres() as database, mlflow_server(place.resolve(), database.url) as port:
        yield {"none": None, "own database": "", "server, PostgreSQL": f"http://127.0.0.1:{port}"}


def search(config: Tree, uri: str | None) -> tuple[float, float]:
    """Seconds in the tracker's calls, and seconds in all, of one study."""
    shutil.rmtree(".truefit", ignore_errors=True)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if uri:
        os.environ["MLFLOW_TRACKING_URI"] = uri
    space = parse_space(config["search"]["space"])
    name = f"study-{time.time_ns()}"
    with Trainer(config["backend"], "cpu") as trainer, contextlib.ExitStack() as stack:
        trainer.gpus()  # Keras is imported
        real: Any = (
            Untracked()
            if uri is None
            else stack.enter_context(Tracker("truefit", "search", lambda _: None))
        )
        tracker = Timed(real)
        run = real.start("study", name, run=name)
        while uri is not None and real.id(run) is None:
            time.sleep(0.1)  # MLflow is imported and there
        tracker.say = print
        opened = Storage.open(print).study(name, 1)
        recorder = Recorder(tracker, name, name, config["search"], None, "cpu", 0)  # type: ignore[arg-type]
        pool = study._pool(config, trainer)
        fixed = [configured_params(config, space)]
        began = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):
            study._fill(config, opened, space, fixed, pool, recorder)
        wall = time.perf_counter() - began
        real.end(run, "complete")
    return tracker.seconds, wall


def prepare(trials: int) -> Tree:
    """The default configuration, one training at a time, none pruned or stopped early."""
    shutil.copytree(ROOT / "conf", "conf")
    shutil.copy(ROOT / "params.yaml", ".")
    params: Tree = read_yaml(Path("params.yaml"))
    params["search"]["n_trials"], params["training"] = trials, {"epochs": EPOCHS}
    params["set"] = {
        "pruner": "none",
        "training": {"patience": None},
        "search": {"workers": 1},
    }
    config = resolve(params)
    Path("resolved.yaml").write_text(dump({**config, "source_digest": source_digest()}))
    preprocess()
    return config


if __name__ == "__main__":
    main()
