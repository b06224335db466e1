"""What the search itself costs in a long study: processor time and memory a slot.

Run `python benchmarks/supervisor.py`; it prints Markdown. The stage is the real one (TPE, median
pruning, SQLite, MLflow); the trainings are those of `tests/trivial.py`, which are over at once, so
that suggesting, judging, storing and recording are measured. Studies of two lengths are run: the
difference leaves out what a study costs whatever its length.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from conftest import copy_project  # noqa: E402 - the projects of the tests

TRIVIAL = ROOT / "tests/trivial.py"


@dataclass(frozen=True)
class Cost:
    """What a search stage took: processor time in seconds, and the most memory in bytes."""

    seconds: float
    memory: int


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=1000)
    slots = parser.parse_args().slots
    few, half, whole = (study(count) for count in (slots // 10, slots // 2, slots))
    print("| the search stage, without its trainings | |\n|---|---|")
    for name, costs, count in (
        (f"slots {slots // 10} to {slots // 2}", (few, half), slots // 2 - slots // 10),
        (f"slots {slots // 2} to {slots}", (half, whole), slots - slots // 2),
    ):
        took = 1000 * (costs[1].seconds - costs[0].seconds) / count
        print(f"| processor time a slot, {name} | {took:.0f} ms |")
    grown = (whole.memory - few.memory) / (slots - slots // 10) / 1000
    print(f"| memory a slot | {grown:.1f} kB |")


def study(slots: int) -> Cost:
    """A study of so many slots in a project of its own."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        project = copy_project(Path(place, "project"))
        (project / "params.yaml").write_text(
            f"path: data/raw\ndata: digits\nsearch: {{n_trials: {slots}}}\n"
        )
        environment = os.environ | {
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}",
            "TRIVIAL_PAUSE": "0",
        }
        for stage in ("compose", "preprocess"):
            subprocess.run(
                [sys.executable, ROOT / f"pipelines/{stage}.py"], cwd=project, env=environment,
                stdout=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, TRIVIAL, "search"], cwd=project, env=environment,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, process.args)
        return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


if __name__ == "__main__":
    main()
