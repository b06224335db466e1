"""What pruning saves a search by 10 folds, and whether it finds as good a winner.

`python benchmarks/folds.py [names]` in a clone: it changes params.yaml. About 10 minutes a data set
on 2 cores; prints Markdown. Both winners are trained again over five seeds in the same folds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from experiment import add_choices, run

from truefit.core.student import spread

NAMES = ("breast_cancer", "wine")
SEARCHES = {"no pruning": "++set.pruner=none", "by folds": "++set.pruner=folds"}
CHOICES = (
    "++search=folds",
    "++set.search.finalists.n_finalists=1",
    "++set.search.finalists.n_seeds=5",
)


def study(name: str, pruner: str, further: list[str]) -> tuple[dict[str, Any], float]:
    """What study.json says after `dvc exp run`, and its seconds."""
    started = time.monotonic()
    run([f"data={name}", *CHOICES, pruner, *further])
    found: dict[str, Any] = json.loads(Path("outputs/search/study.json").read_text())
    return found, time.monotonic() - started


def row(name: str, further: list[str]) -> str:
    """One data set's line."""
    (whole, full_time), (pruned, time_taken) = (study(name, p, further) for p in SEARCHES.values())
    first, second = (one["finalists"][0] for one in (whole, pruned))
    pairs = [b - a for a, b in zip(first["values"], second["values"], strict=True)]
    mean, _, half = spread(pairs)
    counts = pruned["folds"]
    saved = counts["saved"] / (counts["saved"] + counts["trained"])
    return (
        f"| {name} | {whole['folds']['trained']} | {counts['trained']} | {saved:.0%} | "
        f"{full_time:.0f} s | {time_taken:.0f} s | {first['mean']:.4f} | {second['mean']:.4f} | "
        f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}] |"
    )


def main() -> None:
    """Print one line per data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    add_choices(parser)
    asked = parser.parse_args()
    print(
        "| data | trainings, no pruning | pruned | saved | time | time | winner | winner | ",
        end="",
    )
    print("difference [95 %] |\n" + "|---" * 9 + "|")
    for name in asked.names:
        print(row(name, asked.further), flush=True)


if __name__ == "__main__":
    main()
