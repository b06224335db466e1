"""A study while MLflow's network fails: no training waits for it, and nothing is lost or doubled.

Run `python benchmarks/outage.py`; it takes some minutes and prints Markdown. A study on digits is
searched twice with an MLflow server: undisturbed, and behind a proxy that drops, delays, cuts and
refuses, and is away for a while. Then what the server holds is compared with the journal.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
TRUEFIT = str(Path(sys.executable).parent / "truefit")
sys.path.insert(0, str(ROOT / "tests"))

from ledger import differences  # noqa: E402 - they lie beside the tests, which use them too
from mlflow_server import mlflow_server  # noqa: E402
from proxy import Proxy  # noqa: E402


def main() -> None:
    """Print one line for each study, then what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--away", type=float, default=60.0, help="seconds")
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    print("| MLflow | seconds until the last trial | sum of the trials' seconds | met | differs |")
    print("|---|---|---|---|---|", flush=True)
    failed = False
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        prepare(arguments.trials)
        for number in range(2 * arguments.repeat):
            place = Path(folder) / f"server{number}"
            place.mkdir()
            with mlflow_server(place) as port:
                failed |= study(port, arguments.away if number % 2 else None, number)
    sys.exit(1 if failed else 0)


def study(port: int, away: float | None, seed: int) -> bool:
    """Search once and print the line; whether something differs."""
    import mlflow  # noqa: PLC0415 - after the environment is set

    for place in (".truefit", "outputs"):
        shutil.rmtree(place, ignore_errors=True)
    proxy = Proxy(port, seed, None if away else {})
    os.environ["MLFLOW_TRACKING_URI"] = proxy.url
    if away:
        # The outage begins when the first trials are under way.
        timer = threading.Timer(15, lambda: setattr(proxy, "away", time.monotonic() + away))
        timer.start()
    began = time.time()
    stage("search")
    ended = max(path.stat().st_mtime for path in Path(".truefit").glob("studies.db*"))
    while subprocess.run([TRUEFIT, "sync"], check=False, stdout=sys.stderr).returncode:
        time.sleep(1)
    proxy.close()
    client = mlflow.MlflowClient(f"http://127.0.0.1:{port}")
    found = differences(Path(".truefit/journal"), client)
    print("\n".join(found), file=sys.stderr)
    seconds = pd.read_csv("outputs/search/trials.csv")["seconds"].sum()
    label = f"fails, and is away for {away:g} s" if away else "undisturbed"
    met = ", ".join(f"{count} {fate}" for fate, count in sorted(proxy.met.items()))
    print(f"| {label} | {ended - began:.1f} | {seconds:.1f} | {met} | {len(found)} |", flush=True)
    return bool(found)


def prepare(trials: int) -> None:
    """A project of its own, its data prepared."""
    for part in ("conf", "pipelines", "dvc.yaml", "params.yaml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, part)
    Path(".dvc").mkdir()
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["search"]["n_trials"] = trials
    params["set"] = {"search": {"finalists": {"n_finalists": 0}}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    stage("compose")
    stage("preprocess")


def stage(name: str) -> None:
    """Run one stage, its words on stderr."""
    subprocess.run([sys.executable, f"pipelines/{name}.py"], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
