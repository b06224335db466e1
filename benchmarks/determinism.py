"""Shows that a study comes out the same: for any number of workers, and after any `kill -9`.

Run `python benchmarks/determinism.py`, or with `TRUEFIT_STORAGE` on PostgreSQL. The default study
on digits with pruning, 24 trials, window 4; compared are best.yaml, and trials.csv without its
seconds. Takes some minutes, prints Markdown, and exits with 1 if anything differs or is left over.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import optuna
import pandas as pd
import psutil
import yaml
from filelock import FileLock, Timeout

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Print one line for each way to run the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"| run (kills drawn with seed {arguments.seed}) | outcome | seconds | left over |")
    print("|---|---|---|---|")
    seen = set()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare(arguments.trials)
        for workers in arguments.workers:
            choose_workers(workers, arguments.trials)
            seen.add(report(f"{workers} workers", 0, random.Random(0), arguments.trials))
        choose_workers(2, arguments.trials)
        label = f"2 workers, {arguments.kills} x `kill -9`"
        draw = random.Random(arguments.seed)
        seen.add(report(label, arguments.kills, draw, arguments.trials))
        left = leftovers()
    if len(seen) > 1 or left:
        sys.exit("the studies differ" if len(seen) > 1 else f"left over: {left}")


def report(label: str, kills: int, draw: random.Random, trials: int) -> str:
    """Run the study from nothing and print what came of it; returns its digest."""
    forget()
    began = time.monotonic()
    killed = run(kills, draw)
    seconds = time.monotonic() - began
    frame = pd.read_csv("outputs/search/trials.csv", dtype=str).drop(columns="seconds")
    assert len(frame) == trials, f"{len(frame)} slots instead of {trials}"
    text = frame.to_csv(index=False) + Path("outputs/search/best.yaml").read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    counts = dict(Counter(frame["state"]))
    hit = f" (killed: {dict(killed)})" if killed else ""
    print(f"| {label}{hit} | {digest} {counts} | {seconds:.0f} | {len(leftovers())} |", flush=True)
    return digest


def run(kills: int, draw: random.Random) -> Counter[str]:
    """The search stage, with so many kills of the supervisor or a training at random moments."""
    killed: Counter[str] = Counter()
    while True:
        stage = subprocess.Popen([sys.executable, "pipelines/search.py"], stdout=sys.stderr)
        while sum(killed.values()) < kills and stage.poll() is None:
            time.sleep(draw.uniform(0.1, 1.5))
            who = kill(stage.pid, draw)
            killed.update([who] if who else [])
        if stage.wait() == 0:
            return killed


def kill(supervisor: int, draw: random.Random) -> str:
    """Kill a training, or the supervisor if one runs; says which."""
    try:
        process = psutil.Process(supervisor)
        servers = [p for p in process.children() if "forkserver" in " ".join(p.cmdline())]
        trainings = [p for server in servers for p in server.children()]
        if not trainings:
            return ""
        victim = draw.choice([process, *trainings])
        victim.kill()
    except psutil.NoSuchProcess:
        return ""
    return "supervisor" if victim == process else "training"


def leftovers() -> list[str]:
    """Trials that are not final, processes that still work here, locks that are held."""
    url = os.environ.get("TRUEFIT_STORAGE") or "sqlite:///.truefit/studies.db"
    studies = optuna.get_all_study_names(url)
    trials = [t for name in studies for t in optuna.load_study(study_name=name, storage=url).trials]
    found = [f"trial {trial.number}" for trial in trials if not trial.state.is_finished()]
    here = Path.cwd()
    others = [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(here)]
    others = [process for process in others if process.pid != os.getpid()]
    # What sends to MLflow may outlive its stage by what there is to send.
    found += [f"process {p.pid}" for p in psutil.wait_procs(others, timeout=60)[1]]
    for file in here.glob(".truefit/*.lock"):
        try:
            FileLock(file).acquire(timeout=0).lock.release()
        except Timeout:
            found.append(file.name)
    return found


def forget() -> None:
    """No study, no record."""
    url = os.environ.get("TRUEFIT_STORAGE")
    if url:
        for name in optuna.get_all_study_names(url):
            optuna.delete_study(study_name=name, storage=url)
    for place in (".truefit", "outputs"):
        shutil.rmtree(place, ignore_errors=True)


def prepare(trials: int) -> None:
    """A project of its own, its data prepared."""
    for part in ("conf", "pipelines", "dvc.yaml", "params.yaml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, part)
    Path(".dvc").mkdir()
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    choose_workers(1, trials)
    stage("preprocess")


def choose_workers(workers: int, trials: int) -> None:
    """Compose the study for so many workers; a slot that is killed is tried again and again."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["search"]["n_trials"] = trials
    params["set"] = {"search": {"workers": workers, "retries": 50}}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    stage("compose")


def stage(name: str) -> None:
    """Run one stage, its words on stderr."""
    subprocess.run([sys.executable, f"pipelines/{name}.py"], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main()
