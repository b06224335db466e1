"""Runs a benchmark and keeps what it prints, for the page that quotes it.

`python benchmarks/keep.py NAME SCRIPT [ARGUMENTS]`, such as `keep.py scores scores.py`, writes
`benchmarks/results/NAME.md`: the printed table, and a line with the date, the commit and the
command. Pages have both word for word, and `tests/test_measured.py` compares them.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def git(*words: str) -> str:
    """What git prints here."""
    done = subprocess.run(["git", *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> None:
    """Run the benchmark in this folder, and write the file once it has ended well."""
    name, script, *arguments = sys.argv[1:]
    if changed := git("status", "--porcelain", "--", ".", ":!benchmarks/results"):
        sys.exit(f"commit first, because the result names a commit:\n{changed}")
    commit, day = git("rev-parse", "--short", "HEAD"), dt.datetime.now(tz=dt.UTC).date()
    command = [sys.executable, str(HERE / script), *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    shown = " ".join(["python", f"benchmarks/{script}", *arguments])
    text = f"{done.stdout.strip()}\n\nMeasured on {day} at {commit} by `{shown}`.\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / f"results/{name}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
