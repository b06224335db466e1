"""The table of docs/experiments.md: one `dvc exp run` per row, in a clone of this repository.

Run `python benchmarks/scores.py [names]`; it takes about a minute a row and prints Markdown. Rows
that have run before are not run again (DVC keeps them).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from experiment import add_choices, run

ROWS = {
    "digits, mlp (the default)": [],
    "digits, linear": ["model=linear"],
    "digits, cnn": ["model=cnn"],
    "digits, mlp, sgd": ["optimizer=sgd"],
    "digits, mlp, random search": ["++set.search=random"],
    "digits, quick": ["experiment=quick"],
    "iris, mlp": ["data=iris"],
    "wine, mlp": ["data=wine"],
    "breast_cancer, mlp": ["data=breast_cancer"],
    "diabetes, mlp": ["data=diabetes"],
    "digits, mlp, quasi-random": ["++set.search=qmc"],
    "digits, mlp, grid": ["++set.search=grid"],
    "digits, mlp, Hyperband, 60 trials": ["++set.search=hyperband"],
    "digits, mlp, loss and gap (NSGA-II), 40 trials": ["++set.search=nsga2"],
    "digits, mlp, adamw": ["optimizer=adamw"],
    "digits, mlp, cosine": ["++set.training=cosine"],
    "digits, mlp, searched training": ["++set.training=searched"],
    "digits, mlp, searched regularization": ["regularization=searched"],
    "digits, cnn, augmented": ["model=cnn", "augmentation=images"],
    "wine, mlp, augmented": ["data=wine", "augmentation=table"],
    "wine, mlp, by folds": ["data=wine", "++set.search=folds"],
    "iris, mlp, by folds": ["data=iris", "++set.search=folds"],
}


def measure(choices: list[str]) -> tuple[dict[str, object], float]:
    """The metrics that `dvc exp run` with these choices gives, and its seconds."""
    started = time.monotonic()
    run(choices)
    metrics = json.loads(Path("outputs/evaluate/metrics.json").read_text())
    return metrics, time.monotonic() - started


def main() -> None:
    """Print one line per row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(ROWS))
    add_choices(parser)
    asked = parser.parse_args()
    print("| data, model | test score [95 % interval] | gap | verdict | seconds |")
    print("|---|---|---|---|---|")
    for name in asked.names or ROWS:
        metrics, seconds = measure([*ROWS[name], *asked.further])
        test = metrics["test"]
        assert isinstance(test, dict)
        score = "accuracy" if "accuracy" in test else "mae"
        interval = f"[{test[f'{score}_low']:.3f}, {test[f'{score}_high']:.3f}]"
        print(
            f"| {name} | {score} {test[score]:.3f} {interval} | {metrics['gap']:+.3f} "
            f"| {metrics['verdict']} | {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
