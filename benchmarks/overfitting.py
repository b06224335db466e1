"""What tutorials do against what the search finds: the gap and the test loss, on real data.

`python benchmarks/overfitting.py [--data FOLDER] [--seeds 5] [names]` in a clone: it changes
params.yaml. Each seed has splits, a search and initial weights of its own. With `--data`, the
folder with `pima_diabetes.csv` of docs/experiments.md, that is measured too. A row takes 5 to 10
minutes on 2 cores; prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean

from experiment import add_choices, run

from truefit.core.student import spread

REGRESSION = ("++set.search.space.regularization.label_smoothing=null",)
BUILT_IN: dict[str, tuple[str, ...]] = {
    "breast_cancer": ("data=breast_cancer",),
    "wine": ("data=wine",),
    "iris": ("data=iris",),
    "diabetes": ("data=diabetes", *REGRESSION),
    "digits": ("data=digits",),
}
FROM_FILES: dict[str, tuple[str, ...]] = {
    "pima": (
        "data=csv", "path={data}/pima_diabetes.csv", "++set.data.header=false",
        "++set.data.target='8'",
    ),
}  # fmt: skip
SIDES = {"tutorial": "experiment=unregularized", "tuned": "experiment=regularized"}


def measure(choices: list[str]) -> dict[str, float]:
    """Test loss and gap of one `dvc exp run`."""
    run(choices)
    found = json.loads(Path("outputs/evaluate/metrics.json").read_text())
    return {"test": found["test"]["loss"], "gap": found["gap"]}


def row(name: str, found: dict[str, list[dict[str, float]]]) -> str:
    """One data set's line of the table."""
    gaps = {side: fmean(one["gap"] for one in ones) for side, ones in found.items()}
    pairs = zip(found["tuned"], found["tutorial"], strict=True)
    more = [a["test"] - b["test"] for a, b in pairs]
    mean, _, half = spread(more) if len(more) > 1 else (more[0], 0.0, float("inf"))
    tests = {side: fmean(one["test"] for one in ones) for side, ones in found.items()}
    halved = gaps["tuned"] <= gaps["tutorial"] / 2
    worse = mean > half
    said = ("gap halved" if halved else "gap not halved") + (", test loss worse" if worse else "")
    return (
        f"| {name} | {gaps['tutorial']:.4f} | {gaps['tuned']:.4f} | {tests['tutorial']:.4f} | "
        f"{tests['tuned']:.4f} | {mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}] | {said} |"
    )


def main() -> None:
    """Print one line per data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    add_choices(parser)
    chosen = parser.parse_args()
    rows = BUILT_IN | (FROM_FILES if chosen.data else {})
    print("| data | gap, tutorial | gap, tuned | test loss, tutorial | test loss, tuned | ", end="")
    print("difference [95 %] | |\n" + "|---" * 7 + "|")
    for name, choices in rows.items():
        if chosen.names and name not in chosen.names:
            continue
        given = [choice.format(data=chosen.data) for choice in choices]
        found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for seed in range(chosen.seeds):
            for side, experiment in SIDES.items():
                own = [c for c in given if side == "tuned" or c not in REGRESSION]
                found[side].append(measure([experiment, *own, f"seed={seed}", *chosen.further]))
                print(name, seed, side, found[side][-1], file=sys.stderr, flush=True)
        print(row(name, found), flush=True)


if __name__ == "__main__":
    main()
