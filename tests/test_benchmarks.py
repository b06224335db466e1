"""Each benchmark that a page quotes still prints its table."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run

SMALLEST = {
    "winner.py": ("iris --seeds 1 --trials 2", "| lowest loss |"),
    "verdicts.py": ("--truth suspicious --most 2", "2 of 2 right (100.0%)"),
    "search.py": ("truefit --repeat 1", "| truefit |"),
    "advice.py": ("--most 1", "1 runs that were not good"),
    "supervisor.py": ("--slots 10", "| memory a slot |"),
    "determinism.py": ("--workers 1 --trials 2 --kills 1 --seed 0", "| 2 workers, 1 x `kill -9`"),
    "kills.py": ("--exact --kills 1 --seed 0", "| next `dvc repro` exact | 1 of 1 |"),
    "memory.py": ("--gigabytes 0.02", "| evaluate |"),
    "outage.py": ("--trials 2 --away 1", "| undisturbed |"),
    "table.py": ("--runs 20", "| rows on the page, later visits, median |"),
    "tracking.py": ("--trials 1 --repeat 1", "| a server on PostgreSQL |"),
    "workers.py": ("--slots 4 --workers 1", "| 1 |"),
}
SHORT = "-S search.n_trials=1 -S training.epochs=2"
# These run where the user is, in a project with a commit.
IN_A_PROJECT = {
    "deterministic.py": ("--models mlp --rounds 1", "| mlp |"),
    "folds.py": (
        "wine -S ++set.search.n_trials=1 -S ++set.search.folds.n_splits=2 -S training.epochs=2",
        "| wine |",
    ),
    "overfitting.py": ("iris --seeds 1 -S search.n_trials=0", "| iris |"),
    "reports.py": (f"pictures 'multiclass, texts' {SHORT}", "0 px wider, 0 broken | 0 |"),
    "scores.py": (f"'iris, mlp' {SHORT}", "| iris, mlp | accuracy "),
    "zoo.py": (f"quick iris_mlp {SHORT}", "| iris_mlp | iris | accuracy "),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_prints_its_table_at_its_smallest_size(name: str) -> None:
    """The command of the docs runs through, and its last lines are Markdown."""
    print_table(name, *SMALLEST[name], ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_A_PROJECT)
def test_a_benchmark_in_a_project_prints_its_table(name: str, repository: Path) -> None:
    """It runs through where the user is, and leaves params.yaml as it was."""
    params = (repository / "params.yaml").read_text()

    print_table(name, *IN_A_PROJECT[name], repository)

    assert (repository / "params.yaml").read_text() == params


@pytest.mark.slow
def test_the_cost_of_nothing_to_do_is_measured(project_dir: Path) -> None:
    """`dvc repro` in a project that has run, beside an empty pipeline."""
    print_table("noop.py", "--repeat 1", "| six empty stages |", project_dir)


@pytest.mark.slow
def test_a_record_is_verified_by_a_clone(tmp_path: Path) -> None:
    """The smallest experiment is bit-exact in another folder."""
    arguments = f"{tmp_path / 'clones'} linear_regression --backends tensorflow"

    print_table("verify.py", arguments, "| linear_regression | tensorflow | bit-exact |", ROOT)


def print_table(name: str, arguments: str, expected: str, folder: Path) -> None:
    """Run a benchmark in a folder as its page says, and look for a line of its table."""
    command = [sys.executable, str(ROOT / "benchmarks" / name), *shlex.split(arguments)]
    done = run(*command, cwd=folder)

    assert done.returncode == 0, done.stderr[-2000:]
    assert expected in done.stdout
