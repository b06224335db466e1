"""Which of a study's trials is the best on unseen rows: rules side by side, on real data.

`python benchmarks/winner.py --data FOLDER [--seeds 5] [--keep RESULTS]` searches each set of
`real_sets.py` with TPE, trains the best trials again over seeds, and scores every training on the
test rows; then prints the tables of docs/overfitting.md. `--data` is the folder of
docs/experiments.md; without it the sets of scikit-learn alone are used. With `--keep` the trainings
are kept, and those that are there are not trained again. About an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from lab import AGAIN, FINALISTS, PREPARED, Lab  # noqa: E402
from real_sets import SETS, RealSet  # noqa: E402
from winner_rules import Cell, tables  # noqa: E402

from truefit.config.schema import MaxGap  # noqa: E402
from truefit.core.backend import set_environment  # noqa: E402
from truefit.core.prepared.folder import read_facts, read_split  # noqa: E402
from truefit.core.resolved import Tree  # noqa: E402
from truefit.datasets.prepare import prepare  # noqa: E402
from truefit.evaluation.scoring.case import Case  # noqa: E402
from truefit.evaluation.scoring.scoring import find_scoring  # noqa: E402
from truefit.stages.compose import resolve  # noqa: E402
from truefit.training.building import make_task  # noqa: E402
from truefit.training.process.trainer import Trainer  # noqa: E402

LIMIT: MaxGap = {"absolute": 0.1, "relative": 0.5}  # the soft constraint that is on trial


def constant_losses() -> tuple[float, float]:
    """Validation and test loss of the constant answer that the training rows suggest."""
    facts = read_facts(PREPARED)
    kind = {"_target_": TASKS[facts.target.kind]}
    config: Any = {"task": kind, "packages": []}  # which is what it reads
    task = make_task(config, facts)
    cases = {
        name: Case(name, split.x, split.y, np.zeros(0), facts, task)
        for name in ("train", "validation", "test")
        for split in [read_split(PREPARED, name)]
    }
    scoring = find_scoring(task.scoring)
    swapped = cases | {"validation": cases["test"]}
    return scoring.baseline(cases), scoring.baseline(swapped)


TASKS = {
    "classes": "truefit.training.tasks.auto",
    "number": "truefit.training.tasks.auto",
    "next": "truefit.training.tasks.next_token",
}


def library_losses() -> dict[str, float]:
    """Test losses of scikit-learn's linear model and boosting on the same rows."""
    from sklearn.ensemble import (  # noqa: PLC0415
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.linear_model import LogisticRegression, RidgeCV  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    facts = read_facts(PREPARED)
    if facts.sizes or facts.target.kind == "next":
        return {}
    train, test = (read_split(PREPARED, name) for name in ("train", "test"))
    x, unseen = (np.array(s.x, np.float32).reshape(len(s.x), -1) for s in (train, test))
    classes = facts.target.kind == "classes"
    linear = LogisticRegression(max_iter=1000) if classes else RidgeCV(np.logspace(-3, 3, 13))
    boosting = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    models = {
        "linear": make_pipeline(StandardScaler(), linear),
        "boosting": boosting(early_stopping=True, random_state=0),
    }
    found = {}
    for name, model in models.items():
        if name == "boosting" and x.shape[1] > 100:
            continue
        model.fit(x, train.y)
        if classes:
            p = model.predict_proba(unseen)
            found[name] = float(-np.log(np.clip(p[np.arange(len(p)), test.y], 1e-7, 1)).mean())
        else:
            error = test.y - model.predict(unseen)
            found[name] = float(np.mean(error**2) / facts.target.scale**2)
    return found


@contextmanager
def laboratory(one: RealSet, seed: int, data: Path, trainer: Trainer) -> Iterator[Lab]:
    """A set, prepared in a folder that is the working directory for a while."""
    os.chdir(ROOT)
    config = resolve({"set": settings(one, seed)})
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare(one.source(data, seed), config["data"], one.kind, seed, PREPARED)
        yield Lab(config, trainer)
        os.chdir(ROOT)


def measure(one: RealSet, seed: int, data: Path, trials: int, trainer: Trainer) -> Cell:
    """Two studies of a set, with and without the constraint, and what stands beside them."""
    with laboratory(one, seed, data, trainer) as lab:
        free, limited = lab.config["search"].copy(), lab.config["search"].copy()
        free["max_gap"], limited["max_gap"] = None, LIMIT
        long = lab.study(free, trials + FINALISTS * AGAIN)
        short = [t for t in long if t.slot < trials]
        best = sorted(short, key=lambda t: (t.value, t.slot))[:FINALISTS]
        return Cell(
            one.name, seed, trials, *constant_losses(), long,
            lab.study(limited, trials), lab.again(best),
            lab.plain() if one.is_table else [], library_losses(),
            lab.folded(short) if one.is_table else {},
        )  # fmt: skip


def kept(file: Path, one: RealSet, seed: int, data: Path, trainer: Trainer) -> Cell:
    """What an earlier call has kept, with the folds that it may lack."""
    cell = Cell.read(file)
    if cell.folded or not one.is_table:
        return cell
    with laboratory(one, seed, data, trainer) as lab:
        cell = replace(cell, folded=lab.folded([t for t in cell.free if t.slot < cell.trials]))
    cell.write(file)
    return cell


def settings(one: RealSet, seed: int) -> Tree:
    """What is set beside the defaults: no pruning, a large test split, few epochs but on tables."""
    own = dict(one.settings)
    few = {} if one.is_table else {"epochs": 15, "patience": 4}
    training = few | own.pop("training", {})
    return {
        **own, "task": "next_token" if one.kind == "next" else "auto", "training": training,
        "seed": seed, "pruner": "none",
        "data": {"split": {"validation": 0.2, "test": 0.3}},
    }  # fmt: skip


def cells(chosen: argparse.Namespace) -> Iterator[Cell]:
    """Every set with each seed, all sets with the first seed before the next one."""
    every = [s for s in SETS if (chosen.data or not s.needs_folder)]
    every = [s for s in every if not chosen.names or s.name in chosen.names]
    with Trainer("tensorflow", "cpu") as trainer:
        for seed in range(chosen.seeds):
            for one in every:
                file = chosen.keep / f"{one.name} {seed}.npz" if chosen.keep else None
                data = chosen.data.absolute() if chosen.data else Path()
                if file and file.exists():
                    yield kept(file, one, seed, data, trainer)
                    continue
                began = time.monotonic()
                cell = measure(one, seed, data, chosen.trials, trainer)
                if file:
                    cell.write(file)
                print(f"{one.name} {seed}: {time.monotonic() - began:.0f} s", file=sys.stderr)
                yield cell


def main() -> None:
    """Train, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="sets of real_sets.py; none = all")
    parser.add_argument("--data", type=Path, help="the folder of docs/experiments.md")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--keep", type=Path, help="a folder for the trainings' losses")
    chosen = parser.parse_args()
    if chosen.keep:
        chosen.keep = chosen.keep.absolute()
        chosen.keep.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    set_environment("tensorflow", "cpu")
    print(tables(list(cells(chosen))))


if __name__ == "__main__":
    main()
