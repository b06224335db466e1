"""Each benchmark that a page quotes still prints its table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALLEST = {
    "winner.py": ("iris --seeds 1 --trials 2", "| lowest loss |"),
    "verdicts.py": ("--truth suspicious --most 2", "2 of 2 right (100.0%)"),
    "search.py": ("truefit --repeat 1", "| truefit |"),
    "advice.py": ("--most 1", "1 runs that were not good"),
    "supervisor.py": ("--slots 10", "| memory a slot |"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_prints_its_table_at_its_smallest_size(name: str) -> None:
    """The command of the docs runs through, and its last lines are Markdown."""
    arguments, expected = SMALLEST[name]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / name, *arguments.split()],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    assert expected in done.stdout
