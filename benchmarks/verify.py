"""Every experiment, trained small, then verified from another clone in another folder.

`python benchmarks/verify.py FOLDER [--backends tensorflow torch jax] [names]` clones this
repository twice into FOLDER, which it empties: one clone runs `dvc repro`, the other has nothing
but git and the tracker's address and runs `truefit verify`. About 80 s a row on 2 cores; prints
Markdown.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

HERE = Path(__file__).parents[1]
NATIVE = {"torch_mlp"}  # a module of torch, which no other backend runs
VERIFY = "from truefit.cli import app; app()"


def run(folder: Path, *command: str, **environment: str) -> tuple[int, str, float]:
    """Exit code, what was printed, and the seconds that it took."""
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "src", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, time.perf_counter() - started


def measure(folder: Path, experiment: str, backend: str) -> tuple[str, float, float]:
    """The verdict on an experiment, the seconds of the run and of its verification."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("there", "here"):
        subprocess.run(["git", "clone", "-q", str(HERE), str(folder / name)], check=True)
    there, here = folder / "there", folder / "here"
    from backend_run import SMALL  # noqa: PLC0415 - of tests/, which `main` puts on the path

    small = SMALL.get(experiment, {})
    params = yaml.safe_load((there / "params.yaml").read_text())
    params |= {"experiment": experiment, "backend": backend, "search": {"n_trials": 0}}
    params["set"] = {
        **small,
        "training": {"epochs": 2, **small.get("training", {})},
        "evaluation": {"n_resamples": 100},
    }
    (there / "params.yaml").write_text(yaml.safe_dump(params))
    code, said, ran = run(there, "dvc", "repro")
    if code:
        return f"did not run: {said.strip().splitlines()[-1]}", ran, 0.0
    address = f"sqlite:///{there / 'mlflow.db'}"
    _, said, verified = run(
        here, sys.executable, "-c", VERIFY, "verify", MLFLOW_TRACKING_URI=address
    )
    return said.strip().splitlines()[-1], ran, verified


def main() -> None:
    """Measure what is named, or all, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--backends", nargs="+", default=["tensorflow", "torch", "jax"])
    asked = parser.parse_args()
    sys.path.append(str(HERE / "tests"))
    every = sorted(file.stem for file in (HERE / "conf/experiment").glob("*.yaml"))
    print("| experiment | backend | verdict | run | verified in |\n|---|---|---|---|---|")
    for experiment in asked.names or every:
        for backend in asked.backends:
            if experiment in NATIVE and backend != "torch":
                continue
            said, ran, verified = measure(asked.folder.resolve(), experiment, backend)
            print(
                f"| {experiment} | {backend} | {said} | {ran:.0f} s | {verified:.0f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
