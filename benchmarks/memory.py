"""What a set of images larger than it may take of memory: 3 GB prepared and trained on.

Run `python benchmarks/memory.py` with 7 GB of free disk; it takes some minutes and prints Markdown.
The images are noise with a class-dependent brightness, 256 x 256 x 3, in a folder of x.npy and
y.npy; the stages run as DVC runs them, in a project of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
SIDE = 256


def write_images(folder: Path, gigabytes: float) -> int:
    """Images of noise, written piece by piece; returns how many bytes."""
    folder.mkdir(parents=True)
    rows = int(gigabytes * 1e9 / (SIDE * SIDE * 3))
    random = np.random.default_rng(0)
    shape = (rows, SIDE, SIDE, 3)
    images = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, shape)
    labels = np.arange(rows) % 2
    noise = random.integers(0, 128, (64, SIDE, SIDE, 3), np.uint8)
    for start in range(0, rows, 64):
        part = labels[start : start + 64]
        images[start : start + 64] = (
            noise[: len(part)] + (part * 60).astype(np.uint8)[:, None, None, None]
        )
    images.flush()
    np.save(folder / "y.npy", labels)
    return int(images.nbytes)


def peak(process: subprocess.Popen[bytes]) -> int:
    """The largest resident set of any one process of a stage, in bytes, shared pages included."""
    highest = 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        for one in [watched, *watched.children(recursive=True)]:
            highest = max(highest, high_water(one.pid))
        time.sleep(0.05)
    return highest


def high_water(pid: int) -> int:
    """What the kernel says was its most, so that nothing is missed between two looks (Linux)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0][1]) * 1024 if lines else 0  # a process that is ending has none


def main() -> None:
    """Print one line per stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=3.0)
    gigabytes = parser.parse_args().gigabytes
    with tempfile.TemporaryDirectory() as place:
        project = Path(place) / "project"
        for part in ("conf", "pipelines", "src"):
            shutil.copytree(ROOT / part, project / part)
        shutil.copy(ROOT / "dvc.yaml", project)
        size = write_images(project / "data/raw/images", gigabytes)
        params = {
            "data": "npz",
            "path": "data/raw/images",
            "model": "cnn",
            "search": {"n_trials": 0},
            "training": {"epochs": 2},
            "set": {
                "model": {"filters": 4, "depth": 4, "units": 8},
                "evaluation": {"n_resamples": 100},
            },
        }
        (project / "params.yaml").write_text(json.dumps(params))
        print(f"{size / 1e9:.2f} GB of images, {SIDE} x {SIDE} x 3\n")
        print("| stage | largest process, resident | seconds |\n|---|---|---|", flush=True)
        for stage in ("compose", "preprocess", "search", "train", "repeat", "evaluate"):
            started = time.monotonic()
            command = [sys.executable, f"pipelines/{stage}.py"]
            environment = {**os.environ, "PYTHONPATH": "src"}
            process = subprocess.Popen(command, cwd=project, env=environment, stdout=sys.stderr)
            highest = peak(process)
            if process.returncode:
                sys.exit(f"{stage} failed")
            seconds = time.monotonic() - started
            print(f"| {stage} | {highest / 1e9:.2f} GB | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
