"""Does the advice help: the `next:` line of trainings that are not good, pasted and run.

`python benchmarks/advice.py [--data FOLDER] [--seeds N]` trains each case of `verdicts.py` that has
a fault, and real data badly configured, applies the line to params.yaml as DVC does, trains again
(with a search if the line asks for one), and compares the losses on the same test rows. Causes for
which no line is named are counted apart. Prints the table of docs/overfitting.md; 30 minutes on 2
cores. `--data` is the folder of docs/experiments.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from dvc.utils.hydra import apply_overrides

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from lab import PREPARED, Lab, row_losses  # noqa: E402
from real_sets import SETS, RealSet  # noqa: E402
from verdicts import SETS as MADE  # noqa: E402
from verdicts import Case, mlp, prepare_case, settings_of  # noqa: E402
from verdicts import cases as made_cases  # noqa: E402

from truefit.config.schema import Config  # noqa: E402
from truefit.core.backend import set_environment  # noqa: E402
from truefit.core.errors import UserError  # noqa: E402
from truefit.core.paths import TRAIN  # noqa: E402
from truefit.core.prepared.folder import read_facts  # noqa: E402
from truefit.core.resolved import Tree, dump, read_yaml  # noqa: E402
from truefit.core.run import Run  # noqa: E402
from truefit.datasets.prepare import prepare  # noqa: E402
from truefit.evaluation.advice import advise  # noqa: E402
from truefit.evaluation.finding import Verdict  # noqa: E402
from truefit.evaluation.measure import measure  # noqa: E402
from truefit.search.winner import Candidate, choose  # noqa: E402
from truefit.stages.compose import resolve  # noqa: E402
from truefit.training.building import make_task  # noqa: E402
from truefit.training.process.child import Job  # noqa: E402
from truefit.training.process.trainer import Trainer  # noqa: E402
from truefit.training.saved import core_of, load_model  # noqa: E402

SURELY = 1.96  # standard errors
BAD: dict[str, Tree] = {  # ways in which real data are trained badly
    "no stop, last weights": {
        "model": mlp(256, 3),
        "training": {"epochs": 80, "patience": None, "restore_best_weights": False},
    },
    "steps too large": {"optimizer": {"learning_rate": 1.0}, "training": {"epochs": 15}},
    "steps too small": {"optimizer": {"learning_rate": 1e-6}, "training": {"epochs": 10}},
    "too few units": {"model": mlp(1, 1)},
    "too few epochs": {"optimizer": {"learning_rate": 2e-4}, "training": {"epochs": 3}},
}


@dataclass(frozen=True)
class Tried:
    """One training that was not good, what was advised, and what that brought on the test rows."""

    case: str
    verdict: str
    cause: str
    line: str
    before: float | None
    after: float | None
    worse: bool  # by more than noise

    @property
    def better(self) -> bool:
        """A training that diverged has no loss, and any loss is better."""
        return self.after is not None and (self.before is None or self.after < self.before)


class Bench:
    """A folder with params.yaml and prepared data, in which a case is trained."""

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        """`folder` is the working directory while a case is trained."""
        self._trainer, self._folder = trainer, folder

    def try_case(self, name: str, params: Tree, prepared: Any) -> Tried | None:
        """Train, judge, paste the advice and train again; `None` if the training is good.

        `prepared(config)` writes data/prepared as the configuration has it.
        """
        config = self._compose(params)
        prepared(config)
        verdict, before = self._train(config)
        if verdict.name == "good":
            return None
        facts = read_facts(PREPARED)
        line = advise(verdict, config, {}, facts).command
        tried = Tried(name, verdict.name, verdict.cause, line, _mean(before), None, False)
        if not line:
            return tried
        apply_overrides("params.yaml", re.findall(r"-S '(.*?)'(?: |$)", line))
        config = self._compose(read_yaml(Path("params.yaml")))
        prepared(config)
        after = self._search(config) if config["search"]["n_trials"] else self._train(config)[1]
        return replace(tried, after=_mean(after), worse=_is_worse(before, after))

    def _compose(self, params: Tree) -> Config:
        os.chdir(ROOT)
        config = resolve(params)
        os.chdir(self._folder)
        Path("params.yaml").write_text(dump(params))
        return config

    def _train(self, config: Config) -> tuple[Verdict, np.ndarray | None]:
        TRAIN.mkdir(parents=True, exist_ok=True)
        file = (TRAIN / "model.keras").absolute()
        job = Job(config, PREPARED, config["seed"], file, gaps=True)
        ending = self._trainer.run(job, lambda _: None)
        if ending.state == "diverged":
            return Verdict("diverged", ending.reason, "diverged"), None
        if ending.state != "complete" or ending.result is None:
            raise RuntimeError(f"{ending.state}: {ending.reason}")
        history = pd.DataFrame(ending.history)
        with contextlib.redirect_stdout(sys.stderr):
            verdict = measure(config, Run(result=ending.result), history).verdict
        facts = read_facts(PREPARED)
        task = make_task(config, facts)
        losses = row_losses(core_of(load_model(config, file)), "test", facts, task)
        return verdict, losses

    def _search(self, config: Config) -> np.ndarray | None:
        """Test losses of the trial that wins."""
        lab, search = Lab(config, self._trainer), config["search"]
        trials = lab.study(search, search["n_trials"])
        made = [Candidate(t.slot, t.value, t.gap, t.parameters, t.constant) for t in trials]
        choice = choose(made, search["tolerance"])
        if choice is None:
            return None
        return next(t.test for t in trials if t.slot == choice.winner.slot)


def _mean(losses: np.ndarray | None) -> float | None:
    return None if losses is None else float(losses.mean())


def _is_worse(before: np.ndarray | None, after: np.ndarray | None) -> bool:
    if before is None or after is None:
        return after is None
    if len(before) != len(after):
        return bool(after.mean() > before.mean())
    pairs = after - before
    return bool(pairs.mean() > SURELY * pairs.std(ddof=1) / len(pairs) ** 0.5)


def everything(chosen: argparse.Namespace) -> Iterator[tuple[str, Tree, Any]]:
    """Cases by name, with their params.yaml and what prepares their data."""
    sources, _ = MADE["held-out"]
    for seed in range(70, 70 + chosen.seeds):
        for source in sources:
            for case in made_cases(source, seed):
                if case.truth in ("good", "suspicious"):
                    continue
                name = f"{source.__name__}/{seed} {case.truth} ({case.how})"
                yield name, {"seed": 0, "set": settings_of(case)}, _made(case)
        for one in SETS:
            if one.settings or one.kind == "next" or (one.needs_folder and not chosen.data):
                continue
            for how, settings in BAD.items():
                values = {
                    **settings, "task": "auto", "search": {"n_trials": 0},
                    "data": {"split": {"validation": 0.2, "test": 0.3}},
                }  # fmt: skip
                name = f"{one.name}/{seed} {how}"
                yield name, {"seed": 0, "set": values}, _real(one, seed, chosen.data)


def _made(case: Case) -> Any:
    return lambda config: prepare_case(case, config)


def _real(one: RealSet, seed: int, folder: Path | None) -> Any:
    return lambda config: prepare(
        one.source(folder or Path(), seed), config["data"], one.kind, seed, PREPARED
    )


def table(tried: list[Tried]) -> str:
    """Causes by what their advice brought, in Markdown."""
    lines = [
        "| verdict | cause | runs | no line | better | worse by more than noise |",
        "|---|---|---|---|---|---|",
    ]
    for verdict, cause in sorted({(one.verdict, one.cause) for one in tried}):
        mine = [one for one in tried if (one.verdict, one.cause) == (verdict, cause)]
        lined = [one for one in mine if one.line]
        lines.append(
            f"| {verdict} | {cause} | {len(mine)} | {len(mine) - len(lined)} | "
            f"{sum(one.better for one in lined)} | {sum(one.worse for one in lined)} |"
        )
    lined = [one for one in tried if one.line]
    better, worse = (sum(getattr(one, n) for one in lined) for n in ("better", "worse"))
    count = max(1, len(lined))
    lines.append(
        f"\n{len(tried)} runs that were not good, {len(lined)} with a line: {better} better "
        f"({better / count:.0%}), {worse} worse by more than noise ({worse / count:.0%})"
    )
    return "\n".join(lines)


def main() -> None:
    """Train every case, paste its advice, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=lambda text: Path(text).absolute())
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--most", type=int, help="so many cases, drawn at random")
    parser.add_argument("--log", type=Path, help="a file for one JSON line per run")
    chosen = parser.parse_args()
    log = chosen.log.absolute() if chosen.log else None
    every = list(everything(chosen))
    if chosen.most:
        drawn = np.random.default_rng(0).permutation(len(every))[: chosen.most]
        every = [every[n] for n in np.sort(drawn)]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    set_environment("tensorflow", "cpu")
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory() as folder, Trainer("tensorflow", "cpu") as trainer:
        bench = Bench(trainer, Path(folder))
        for name, params, prepared in every:
            try:
                one = bench.try_case(name, params, prepared)
            except UserError as error:  # a line that cannot be pasted is a fault of the advice
                raise SystemExit(f"{name}: {error}") from error
            if one is None:
                continue
            tried.append(one)
            print(one, file=sys.stderr, flush=True)
            if log:
                with log.open("a") as file:
                    file.write(json.dumps({**vars(one), "better": one.better}) + "\n")
        os.chdir(ROOT)
    print(table(tried))


if __name__ == "__main__":
    main()
