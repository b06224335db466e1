"""A pipeline that is killed again and again leaves a record that is true.

Run `python benchmarks/kills.py`; it takes some minutes and prints Markdown. `dvc repro` runs in a
clone, every process of it is ended by `kill -9` at random moments, and then it runs to its end:
no run is RUNNING, none is there twice, and MLflow holds what the journals say.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from ledger import differences  # noqa: E402 - it lies beside the tests, which use it too


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        subprocess.run(["git", "clone", "-q", str(ROOT), "."], check=True)
        studies, moments = 1, Counter[str]()
        choose(arguments.trials, seed=studies)
        while moments.total() < arguments.kills:
            moment = repro(draw.uniform(1, 25))
            if moment == "done":  # another seed: there is all to do again
                studies += 1
                choose(arguments.trials, seed=studies)
            else:
                moments[moment] += 1
        assert repro(None) == "done"
        show(arguments, studies, moments)


def choose(trials: int, seed: int) -> None:
    """So many trials, and a study of its own for each seed."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["search"]["n_trials"], params["seed"] = trials, seed
    Path("params.yaml").write_text(yaml.safe_dump(params))


def repro(seconds: float | None) -> str:
    """`dvc repro`, killed after so many seconds; says what it was at."""
    process = subprocess.Popen(["dvc", "repro"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with contextlib.suppress(subprocess.TimeoutExpired):
        output, _ = process.communicate(timeout=seconds)
        assert process.returncode == 0, output
        return "done"
    for other in here():
        with contextlib.suppress(psutil.NoSuchProcess):
            other.kill()
    output, _ = process.communicate()
    stages = [line.split("'")[1] for line in output.splitlines() if "Running stage" in line]
    print(f"killed after {seconds:.1f} s: {stages}", file=sys.stderr)
    return stages[-1] if stages else "before any stage"


def here() -> list[psutil.Process]:
    """Every process that works in this folder but this one."""
    folder = str(Path.cwd())
    found = [p for p in psutil.process_iter(["cwd"]) if (p.info["cwd"] or "").startswith(folder)]
    return [process for process in found if process.pid != os.getpid()]


def show(arguments: argparse.Namespace, studies: int, moments: Counter[str]) -> None:
    """Print what MLflow holds, and exit with 1 if it is not the truth."""
    import mlflow  # noqa: PLC0415 - seconds that the clone need not wait for

    time.sleep(1)
    client = mlflow.MlflowClient("sqlite:///mlflow.db")
    runs = client.search_runs(["1"], max_results=5000)
    kinds = Counter(f"{r.data.tags['truefit.kind']} {r.info.status}" for r in runs)
    trials = [r.data.tags for r in runs if r.data.tags["truefit.kind"] == "trial"]
    slots = {(tags["truefit.study"], tags["truefit.slot"]) for tags in trials}
    expected = studies * arguments.trials
    found = differences(Path(".truefit/journal"), client)
    print(f"| `dvc repro`, {arguments.kills} x `kill -9` (seed {arguments.seed}) | |\n|---|---|")
    print(f"| killed in | {', '.join(f'{v} {k}' for k, v in moments.items())} |")
    print(f"| runs | {', '.join(f'{v} {k}' for k, v in sorted(kinds.items()))} |")
    print(f"| slots of {studies} studies | {len(slots)} of {expected} |")
    print(f"| differs from the journals | {len(found)} |\n| processes left | {len(here())} |")
    print("\n".join(found), file=sys.stderr)
    wrong = not len(trials) == len(slots) == expected or "RUNNING" in {r.info.status for r in runs}
    sys.exit(1 if found or wrong or here() else 0)


if __name__ == "__main__":
    main()
