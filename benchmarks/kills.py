"""A pipeline that is killed again and again leaves a record that is true.

Run `python benchmarks/kills.py`; it takes some minutes and prints Markdown. `dvc repro` runs in a
clone, every process of it is ended by `kill -9` at random moments, and then it runs to its end:
no run is RUNNING, none is there twice, and MLflow holds what the journals say.

`python benchmarks/kills.py --exact --kills 100` shows the other half: 100 clones of a tiny project
in which one `kill -9` of the whole process group, at a random moment from DVC's own start to its
own end, is followed by what `make repro` runs. Each result must be the one without a kill, bit for
bit. A kill takes about two runs of the tiny pipeline.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
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
    parser.add_argument("--exact", action="store_true", help="Compare results instead of runs.")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    if arguments.exact:
        show_exact(arguments.seed, exact(arguments.kills, draw))
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


TINY: dict[str, dict[str, object]] = {
    "search": {"n_trials": 2},
    "training": {"epochs": 3},
    "set": {"model": {"units": 16}, "evaluation": {"n_resamples": 100}},
}
START, END = 1.5, 3.0  # seconds in which DVC itself starts, and ends
AGAIN = [
    sys.executable,
    "-m",
    "truefit.stages.leftovers",
]  # as `make repro` does before `dvc repro`


def exact(kills: int, draw: random.Random) -> list[tuple[str, bool, str]]:
    """For each kill: what it struck, whether the next `dvc repro` was exact, what was cleared."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        pattern, place = Path(folder, "pattern"), Path(folder, "place")
        subprocess.run(["git", "clone", "-q", str(ROOT), str(pattern)], check=True)
        with contextlib.chdir(pattern):
            params = yaml.safe_load(Path("params.yaml").read_text())
            for key, value in TINY.items():
                params[key] = {**(params[key] or {}), **value}
            Path("params.yaml").write_text(yaml.safe_dump(params))
        shutil.copytree(pattern, place)
        began = time.monotonic()
        with contextlib.chdir(place):
            moment, wrong = killed(None)
            assert moment == "done", wrong
            expected, whole = result(), time.monotonic() - began
        for _ in range(kills):
            shutil.rmtree(place)
            shutil.copytree(pattern, place)
            spans = [(0, whole), (0, whole), (0, START), (whole - END, whole)]
            with contextlib.chdir(place):
                moment, _ = killed(draw.uniform(*draw.choice(spans)))
                cleared = subprocess.run(
                    AGAIN, capture_output=True, text=True, check=True,
                    env={**os.environ, "PYTHONPATH": "src"},
                ).stdout  # fmt: skip
                after, wrong = killed(None)
                same = after == "done" and result() == expected
                for other in here():  # that still sends to MLflow
                    with contextlib.suppress(psutil.NoSuchProcess):
                        other.kill()
            found.append((moment, same, cleared))
            print(f"{moment}: {'exact' if same else 'NOT EXACT'} {cleared}", file=sys.stderr)
            if not same:
                print(wrong, file=sys.stderr)
    return found


def killed(seconds: float | None) -> tuple[str, str]:
    """`dvc repro` whose process group is killed after so many seconds: at what, and its output."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            ["dvc", "repro"], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        output = log.read()
    if process.returncode == 0:
        return "done", output
    stages = [line.split("'")[1] for line in output.splitlines() if "Running stage" in line]
    return stages[-1] if stages else "before any stage", output


def result() -> dict[str, str]:
    """What has to be the same bit for bit, wherever and however often the pipeline ran."""
    files = ["resolved.yaml", "data/prepared/dataset.json", "outputs/search/best.yaml"]
    files += ["outputs/train/history.csv", "outputs/evaluate/metrics.json"]
    trials = pd.read_csv("outputs/search/trials.csv").drop(columns="seconds")
    weights = json.loads(Path("outputs/train/run.json").read_text())["weights_sha256"]
    known = {file: Path(file).read_text() for file in files}
    return {**known, "trials": trials.to_csv(), "weights": weights}


def show_exact(seed: int, found: list[tuple[str, bool, str]]) -> None:
    """Print the table of `exact`, and exit with 1 unless every result was."""
    moments, same = Counter(moment for moment, _, _ in found), sum(one for _, one, _ in found)
    cleared = sum(bool(text) for _, _, text in found)
    print(f"| tiny pipeline, {len(found)} x `kill -9` of its group (seed {seed}) | |\n|---|---|")
    print(f"| killed in | {', '.join(f'{v} {k}' for k, v in moments.most_common())} |")
    print(f"| DVC's locks or files cleared before the next run | {cleared} |")
    print(f"| next `dvc repro` exact | {same} of {len(found)} |")
    sys.exit(0 if same == len(found) else 1)


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
