"""One experiment as a user runs it, in a clone: `dvc exp run`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence


def run(choices: Sequence[str], *, force: bool = False) -> None:
    """Run it with these choices, stages that DVC has kept too if forced; params.yaml stays."""
    words = [word for choice in choices for word in ("-S", choice)]
    forced = ["-f"] if force else []
    subprocess.run(["dvc", "exp", "run", "-q", *forced, *words], check=True, stdout=sys.stderr)
    subprocess.run(["git", "checkout", "-q", "params.yaml"], check=True)


def add_choices(parser: argparse.ArgumentParser) -> None:
    """Let the command take further choices of every row, such as `-S search.n_trials=2`."""
    help_ = "a further choice of every row, as of `dvc exp run`"
    parser.add_argument("-S", dest="further", action="append", default=[], help=help_)
