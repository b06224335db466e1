"""What tracking costs a trial: digits, 20 epochs, recorded in several places.

Run `python benchmarks/tracking.py`; it prints Markdown. The same study is searched with nothing
behind the journal (an address at which nobody answers), with the project's own MLflow database, and
with an MLflow server on PostgreSQL, in turn and several times. Each is the search stage as DVC runs
it, without the start of Python and Keras: a study of one trial is taken off.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from conftest import copy_project  # noqa: E402 - the projects of the tests
from mlflow_server import mlflow_server  # noqa: E402 - they lie beside the tests, which use them
from postgres import postgres  # noqa: E402

NOBODY = "http://127.0.0.1:9"  # the port of the discard service, which no machine runs
EPOCHS = 20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    walls: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), servers() as where:
        for _ in range(arguments.repeat):
            for name, uri in where.items():
                more = search(arguments.trials + 1, uri) - search(1, uri)
                walls.setdefault(name, []).append(1000 * more / arguments.trials)
    print("| recorded in | ms a trial: least, median | more than the journal alone, median |")
    print("|---|---|---|")
    base = statistics.median(walls["the journal alone"])
    for name, times in walls.items():
        median = statistics.median(times)
        apart = f"{median - base:+.0f} ms, {100 * (median / base - 1):+.1f} %"
        print(f"| {name} | {min(times):.0f}, {median:.0f} | {apart} |")


@contextlib.contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Addresses of MLflow by name; none for the project's own database."""
    place = Path(tempfile.mkdtemp(dir="."))
    with postgres() as database, mlflow_server(place.resolve(), database.url) as port:
        yield {
            "the journal alone": NOBODY,
            "its own database": "",
            "a server on PostgreSQL": f"http://127.0.0.1:{port}",
        }


def search(trials: int, uri: str) -> float:
    """Seconds of a search stage with one worker, nothing pruned, in a project of its own."""
    project = copy_project(Path("project"))
    (project / "params.yaml").write_text(
        f"path: data/raw\nsearch: {{n_trials: {trials}}}\ntraining: {{epochs: {EPOCHS}}}\nset:\n"
        "  pruner: none\n  training: {patience: null}\n  search: {workers: 1}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    if uri:
        environment["MLFLOW_TRACKING_URI"] = uri
    try:
        for stage in ("compose", "preprocess", "search"):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, ROOT / f"pipelines/{stage}.py"], cwd=project, env=environment,
                stdout=subprocess.DEVNULL, check=True,
            )  # fmt: skip
        return time.perf_counter() - began
    finally:
        shutil.rmtree(project)


if __name__ == "__main__":
    main()
