"""What `dvc repro` costs when nothing changed, beside an empty pipeline of six stages.

Run `python benchmarks/noop.py` in a project whose pipeline has run. The two are timed in turn, so
that a machine that slows down slows both; medians of 9 and the difference are printed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

STAGE = "  s{0}:\n    cmd: echo {0} > {0}.txt\n    outs: [{0}.txt]\n    deps: [{1}]\n"


def empty_pipeline(folder: Path) -> None:
    """Six stages in a chain that do nothing worth the name, run once."""
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(command, cwd=folder, check=True)
    (folder / "start").write_text("")
    chain = ["start", *(f"{n}.txt" for n in range(6))]
    stages = "".join(STAGE.format(n, chain[n]) for n in range(6))
    (folder / "dvc.yaml").write_text(f"stages:\n{stages}")
    repro(folder)


def repro(folder: Path) -> float:
    """Seconds of one `dvc repro`."""
    started = time.perf_counter()
    done = subprocess.run(["dvc", "repro"], cwd=folder, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if "Running stage" in done.stdout and (folder / "conf").exists():
        raise SystemExit("the pipeline was not up to date: run `dvc repro` first")
    return seconds


def main() -> None:
    """Time both and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=9)
    asked, here = parser.parse_args(), Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        empty_pipeline(empty)
        times = [(repro(here), repro(empty)) for _ in range(asked.repeat)]
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"| median of {len(times)} each, taking turns | seconds |\n|---|---|")
    print(f"| `dvc repro` with nothing to do | {ours:.2f} |")
    print(f"| six empty stages | {theirs:.2f} |")
    print(f"| difference | {ours - theirs:.2f} |")


if __name__ == "__main__":
    main()
