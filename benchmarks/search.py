"""One search by several tools on one machine: 12 trainings of an MLP on digits.

Run `python benchmarks/search.py`; it prints Markdown. Each tool runs in a process of its own, on
the CPU, and its clock starts when that process has imported everything and read the data. The
tools take turns, so that a machine that slows down slows all; medians of `--repeat` are shown.
Each sampler draws its own trials: one hidden layer more makes a training a few per cent longer.
"""
# ruff: noqa: PLC0415 - a tool's process imports that tool alone, and Ray's driver no Keras

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import multiprocessing
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

TRIALS, EPOCHS, BATCH, UNITS, WORKERS, SEED = 12, 20, 32, 128, 2, 0
DEPTH, DROPOUT, RATE = (1, 4), (0.0, 0.6), (1e-4, 1e-2)
ROOT = Path(__file__).parents[1]
PATIENCE = 600  # seconds after which a process that says nothing is given up
Rows = list[tuple[np.ndarray, np.ndarray]]
Jit = bool | str
Measured = dict[str, float]


class Tool(NamedTuple):
    """A tool, the package that it needs, how to get it, and what is run."""

    measure: Callable[[], Measured]
    package: str
    install: str
    what: str


def digits() -> Rows:
    """60 % of the rows to train on and 20 % to validate on; the rest stays untouched."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(SEED).permutation(len(bunch.target))
    parts = np.split(order, [round(0.6 * len(order)), round(0.8 * len(order))])[:2]
    x = bunch.images.astype(np.float32)[..., np.newaxis]
    return [(x[part], bunch.target[part]) for part in parts]


def build(params: dict[str, Any], rows: Rows, jit: Jit = "auto") -> Any:
    """The compiled model; `auto` is what Keras does when it is told nothing."""
    import keras

    from truefit.models.mlp import mlp

    x = rows[0][0]
    inputs = keras.Input(x.shape[1:])
    hidden = keras.layers.Normalization(mean=x.mean(), variance=x.var())(inputs)
    body = mlp(x.shape[1:], 10, depth=params["depth"], units=UNITS, dropout=params["dropout"])
    model = keras.Model(inputs, body(hidden))
    model.compile(
        optimizer=keras.optimizers.Adam(params["learning_rate"]),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit,
    )
    return model


def train(params: dict[str, Any], rows: Rows, jit: Jit = "auto") -> float:
    """The lowest validation loss of one training."""
    model = build(params, rows, jit)
    done = model.fit(*rows[0], validation_data=rows[1], epochs=EPOCHS, batch_size=BATCH, verbose=0)
    return float(min(done.history["val_loss"]))


def timed(search: Callable[[], float]) -> Measured:
    """A search's best validation loss and its seconds; call it when all is imported."""
    started = time.perf_counter()
    best = search()
    return {"seconds": time.perf_counter() - started, "best": best}


def with_truefit() -> Measured:
    """This project's search stage with MLflow and SQLite, in a new project of the same rows.

    From the start of the first trial to the end of the last, as Optuna's storage has them. `record`
    is what follows: figures, and what MLflow has not received yet.
    """
    import optuna
    import yaml

    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["search"]["n_trials"] = TRIALS
    params["training"] = {"epochs": EPOCHS, "batch_size": BATCH}
    params["set"] = {
        "pruner": "none", "training": {"patience": None}, "search": {"workers": WORKERS},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for part in ("conf", "pipelines", "src"):
            shutil.copytree(ROOT / part, part)
        shutil.copy(ROOT / "dvc.yaml", ".")
        Path("params.yaml").write_text(yaml.safe_dump(params))
        for stage in ("compose", "preprocess", "search"):
            command = [sys.executable, f"pipelines/{stage}.py"]
            environment = {**os.environ, "PYTHONPATH": "src"}
            subprocess.run(command, check=True, stdout=sys.stderr, env=environment)
        over = datetime.now()  # noqa: DTZ005 - Optuna keeps local times
        storage = "sqlite:///.truefit/studies.db"
        (name,) = optuna.get_all_study_names(storage)
        trials = optuna.load_study(study_name=name, storage=storage).trials
        starts = [trial.datetime_start for trial in trials if trial.datetime_start]
        ends = [trial.datetime_complete for trial in trials if trial.datetime_complete]
        rows = pd.read_csv("outputs/search/trials.csv")
        assert list(rows["state"]) == ["complete"] * TRIALS
        seconds = (max(ends) - min(starts)).total_seconds()
        record = (over - max(ends)).total_seconds()
        return {"seconds": seconds, "record": record, "best": float(rows["value"].min())}


def with_optuna(jit: Jit = "auto") -> Measured:
    """Optuna's own loop, as its documentation shows it for Keras."""
    import keras
    import optuna

    rows = digits()
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        keras.backend.clear_session()
        params = {
            "depth": trial.suggest_int("depth", *DEPTH),
            "dropout": trial.suggest_float("dropout", *DROPOUT),
            "learning_rate": trial.suggest_float("learning_rate", *RATE, log=True),
        }
        return train(params, rows, jit)

    def search() -> float:
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
        study.optimize(objective, n_trials=TRIALS)
        assert len(study.get_trials(states=[optuna.trial.TrialState.COMPLETE])) == TRIALS
        return study.best_value

    return timed(search)


def with_kerastuner(jit: Jit = "auto") -> Measured:
    """KerasTuner's random search in one process."""
    import keras_tuner  # noqa: F401 - before the clock starts

    rows = digits()
    with tempfile.TemporaryDirectory() as folder:
        return timed(lambda: _kerastuner_best(_kerastuner_run(folder, rows, jit)))


def _kerastuner_run(folder: str, rows: Rows, jit: Jit = "auto") -> Any:
    import keras_tuner

    def hypermodel(hp: keras_tuner.HyperParameters) -> Any:
        params = {
            "depth": hp.Int("depth", *DEPTH),
            "dropout": hp.Float("dropout", *DROPOUT),
            "learning_rate": hp.Float("learning_rate", *RATE, sampling="log"),
        }
        return build(params, rows, jit)

    # No overwrite=True: the folder is new, and each worker would empty it for the others.
    tuner = keras_tuner.RandomSearch(
        hypermodel, objective="val_loss", max_trials=TRIALS, seed=SEED, directory=folder
    )
    tuner.search(*rows[0], validation_data=rows[1], epochs=EPOCHS, batch_size=BATCH, verbose=0)
    return tuner


def _kerastuner_best(tuner: Any) -> float:
    trials = tuner.oracle.get_best_trials(TRIALS)
    assert len(trials) == TRIALS, "a trial failed"
    return float(trials[0].score)


def with_kerastuner_workers() -> Measured:
    """KerasTuner's chief and workers; seconds until the last worker is done."""
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Barrier(WORKERS + 2), spawn.Queue()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    names = ["chief", *(f"tuner{n}" for n in range(WORKERS))]
    with tempfile.TemporaryDirectory() as folder:
        members = [
            spawn.Process(
                target=_kerastuner_member, args=(name, folder, port, ready, done), daemon=True
            )
            for name in names
        ]
        for member in members:
            member.start()
        ready.wait(PATIENCE)
        started = time.perf_counter()
        for _ in range(WORKERS):
            done.get(timeout=PATIENCE)
        seconds = time.perf_counter() - started
        # Not counted: the chief looks for an end every 20 s only.
        best = done.get(timeout=PATIENCE)
        for member in members:
            member.join()
    return {"seconds": seconds, "best": best}


def _kerastuner_member(
    name: str, folder: str, port: int, ready: Barrier, done: Queue[float | None]
) -> None:
    os.environ |= {
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    import keras_tuner  # noqa: F401 - before the clock starts

    rows = digits()
    ready.wait(PATIENCE)
    tuner = _kerastuner_run(folder, rows)
    done.put(_kerastuner_best(tuner) if name == "chief" else None)


def with_raytune(*, reuse: bool = False) -> Measured:
    """Ray Tune's random search; `start` is what `ray.init` took before the clock started."""
    import ray
    from ray import tune
    from ray.tune.search import BasicVariantGenerator

    def trainable(params: dict[str, Any], rows: Rows) -> None:
        tune.report({"val_loss": train(params, rows)})

    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # else Ray keeps one in the home folder
    rows = digits()
    starting = time.perf_counter()
    ray.init("local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    start = time.perf_counter() - starting

    def search() -> float:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(trainable, rows=rows), {"cpu": 1}),
            param_space={
                "depth": tune.randint(DEPTH[0], DEPTH[1] + 1),
                "dropout": tune.uniform(*DROPOUT),
                "learning_rate": tune.loguniform(*RATE),
            },
            tune_config=tune.TuneConfig(
                metric="val_loss",
                mode="min",
                num_samples=TRIALS,
                search_alg=BasicVariantGenerator(random_state=SEED),
                reuse_actors=reuse,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
        assert len(results) == TRIALS, "a trial is missing"
        assert not results.num_errors, "a trial failed"
        best = results.get_best_result().metrics
        assert best, "the best trial has no metrics"
        return float(best["val_loss"])

    with tempfile.TemporaryDirectory() as folder:
        measured = timed(search)
        ray.shutdown()
    return {**measured, "start": start}


KERASTUNER = ("keras_tuner", "pip install keras-tuner tensorboard")
RAY = ("ray", "pip install 'ray[tune]'")
OPTUNA = ("optuna", "pip install optuna")
TOOLS = {
    "truefit": Tool(with_truefit, "truefit", "pip install -e .", "this project's search"),
    "optuna": Tool(with_optuna, *OPTUNA, "`study.optimize`, TPE, one process"),
    "kerastuner": Tool(with_kerastuner, *KERASTUNER, "`RandomSearch`, one process"),
    "kerastuner-2": Tool(
        with_kerastuner_workers,
        *KERASTUNER,
        f"`RandomSearch`, chief and {WORKERS} workers, until the last worker is done",
    ),
    "raytune": Tool(with_raytune, *RAY, f"`Tuner`, random search, {WORKERS} at a time"),
    "raytune-reuse": Tool(
        partial(with_raytune, reuse=True), *RAY, "the same with `reuse_actors=True`"
    ),
}
# Left out unless asked for: without a GPU, Keras 3.15 does not use XLA of itself.
TOOLS_ASKED = {
    "optuna-nojit": Tool(partial(with_optuna, jit=False), *OPTUNA, "with `jit_compile=False`"),
    "kerastuner-nojit": Tool(
        partial(with_kerastuner, jit=False), *KERASTUNER, "with `jit_compile=False`"
    ),
}
ALL = TOOLS | TOOLS_ASKED


def run(name: str) -> Measured | None:
    """What the tool's own process measures; `None` if it fails."""
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    done = subprocess.run(
        [sys.executable, __file__, "--tool", name],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        print(f"{name} failed: {done.stderr.strip().rpartition(chr(10))[2]}", file=sys.stderr)
        return None
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    return measured


def table(results: dict[str, list[Measured]]) -> list[str]:
    """Markdown, one line per tool; Ray has a second one with its start."""
    rows = [
        "| tool | seconds, median (range) | ratio to truefit | best validation loss | what runs |",
        "|---|---|---|---|---|",
    ]
    ours = [measured["seconds"] for measured in results.get("truefit", [])]
    for name, measured in results.items():
        best = statistics.median(one["best"] for one in measured)
        kinds = {name: [one["seconds"] for one in measured]}
        if "start" in measured[0]:
            kinds[f"{name} and `ray.init`"] = [one["seconds"] + one["start"] for one in measured]
        if "record" in measured[0]:
            label = f"{name}, figures and MLflow"
            kinds[label] = [one["seconds"] + one["record"] for one in measured]
        for kind, times in kinds.items():
            middle = statistics.median(times)
            ratio = f"{middle / statistics.median(ours):.1f}" if ours else "-"
            rows.append(
                f"| {kind} | {middle:.1f} ({min(times):.1f} to {max(times):.1f}) | {ratio} "
                f"| {best:.3f} | {ALL[name].what} |"
            )
    return rows


def main() -> None:
    """Measure one tool here, or all of them in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help=", ".join(ALL))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--tool", choices=ALL, help="measure this one in this process")
    chosen = parser.parse_args()
    if chosen.tool:
        measured = ALL[chosen.tool].measure()
        print(json.dumps({"tool": chosen.tool, "trials": TRIALS, **measured}))
        return
    if unknown := set(chosen.tools) - set(ALL):
        parser.error(f"no such tool: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    results: dict[str, list[Measured]] = {}
    names = []
    for name in chosen.tools or TOOLS:
        if importlib.util.find_spec(ALL[name].package):
            names.append(name)
        else:
            print(f"{name} is left out; to have it: {ALL[name].install}", file=sys.stderr)
    for _ in range(chosen.repeat):
        for name in names:
            if seconds := run(name):
                results.setdefault(name, []).append(seconds)
    print(*table(results), sep="\n")
    if lacking := set(names) - set(results):
        raise SystemExit(f"failed: {', '.join(sorted(lacking))}")


if __name__ == "__main__":
    main()
