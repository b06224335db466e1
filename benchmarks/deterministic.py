"""What operations that repeat bit for bit cost: `runtime.deterministic` on and off, in turn.

`python benchmarks/deterministic.py [--backend tensorflow]` in a clone: it writes data/prepared.
Digits, ten epochs, each training in a process of its own; medians of five rounds, as Markdown.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from truefit.core.resolved import override
from truefit.datasets.prepare import prepare, read_source
from truefit.stages.compose import resolve
from truefit.training.process.child import Job
from truefit.training.process.trainer import Trainer

MODELS = ("mlp", "cnn", "lstm")
FOLDER = Path("data/prepared")


def main() -> None:
    """Train each model in turn with both settings and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="tensorflow")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    backend: str = asked.backend
    print(f"| model, {backend} | on | off | cost |\n|---|---|---|---|")
    for model in asked.models:
        params = {"model": model, "set": {"training": {"epochs": 10, "patience": None}}}
        config = resolve({**params, "backend": backend})
        data = config["data"]
        prepare(read_source(data, 0), data, "classes", 0, FOLDER)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        with Trainer(backend, "cpu") as trainer:
            for _ in range(asked.rounds):
                for on in (True, False):
                    chosen = override(config, {"runtime.deterministic": on})
                    ending = trainer.run(Job(chosen, FOLDER, 0), lambda _: None)
                    seconds[on].append(ending.result.seconds if ending.result else float("nan"))
        slow, fast = (statistics.median(seconds[key]) for key in (True, False))
        print(f"| {model} | {slow:.2f} s | {fast:.2f} s | {slow / fast - 1:+.0%} |", flush=True)


if __name__ == "__main__":
    main()
