"""The search stage as a user runs it: real processes, real databases, real kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import psutil
import pytest
import yaml
from conftest import ROOT, copy_project, run
from ledger import differences
from mlflow import MlflowClient
from mlflow.entities import Run
from postgres import Server

from truefit.core.resolved import read_yaml

pytestmark = pytest.mark.slow
TRIALS = 8
SEARCH = {"retries": 20, "finalists": {"n_finalists": 2, "n_seeds": 2, "models": True}}
PATH = f"{ROOT / 'src'}{os.pathsep}{Path(__file__).parent}"

MOODY = """\
_target_: faulty.moody
mood: fine
space:
  mood: choice(fine, {moods})
"""
MOODS = """\
defaults: [_base, _self_]
n_trials: {n_trials}
retries: 1
finalists: {{n_finalists: 0}}
sampler: {{_target_: optuna.samplers.GridSampler}}
"""


def compose(**settings: Any) -> None:
    """Compose a study of eight short trials, of which the median ends some; `settings` win."""
    if not isinstance(wanted := settings.get("search", {}), str):
        settings |= {"search": {"n_trials": TRIALS, **SEARCH, **wanted}}
    pruner = {"n_startup_trials": 2, "n_warmup_steps": 1}
    choices = {"pruner": pruner, "model": {"units": 16}, **settings}
    params = {"path": "data/raw", "training": {"epochs": 6}, "set": choices}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    done = run(sys.executable, "pipelines/compose.py", PYTHONPATH=PATH)
    assert done.returncode == 0, done.stderr


def forget() -> None:
    """No study, no record."""
    for place in (".truefit", "outputs", "mlflow.db", "mlartifacts"):
        shutil.rmtree(place, ignore_errors=True)
        Path(place).unlink(missing_ok=True)


def start(**environment: str) -> subprocess.Popen[str]:
    """The search stage under way."""
    return subprocess.Popen(
        [sys.executable, "pipelines/search.py"],
        env={**os.environ, "PYTHONPATH": PATH, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(stage: subprocess.Popen[str], text: str) -> str:
    """What the stage prints up to a line with `text`."""
    assert stage.stdout is not None
    lines = []
    for line in stage.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def finish(stage: subprocess.Popen[str]) -> str:
    """The rest of what it prints; it has to succeed."""
    output, _ = stage.communicate(timeout=200)
    assert stage.returncode == 0, output
    return output


def search(**environment: str) -> str:
    return finish(start(**environment))


def trainings(stage: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that train for a search stage."""
    parent = psutil.Process(stage.pid)
    return list({*parent.children(recursive=True)} - {*parent.children()})


def result() -> tuple[str, str]:
    """What has to be the same: trials.csv without its seconds, and best.yaml."""
    frame = pd.read_csv("outputs/search/trials.csv", dtype=str).drop(columns="seconds")
    return frame.to_csv(), Path("outputs/search/best.yaml").read_text()


def study_json() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("outputs/search/study.json").read_text())
    return found


def stored(url: str = "sqlite:///.truefit/studies.db") -> list[optuna.trial.FrozenTrial]:
    """The trials in Optuna's storage."""
    storage = optuna.storages.RDBStorage(url)
    try:
        names = optuna.get_all_study_names(storage)
        name = next(n for n in names if not n.endswith("-finalists"))
        return optuna.load_study(study_name=name, storage=storage).trials
    finally:
        storage.engine.dispose()


def recorded() -> list[Run]:
    """The runs in MLflow, which are as the journals tell."""
    client = copy_of_the_record()
    assert differences(Path(".truefit/journal"), client) == []
    return list(client.search_runs(["1"]))


def copy_of_the_record() -> MlflowClient:
    """A client of a copy, because a client keeps to the file that it has opened."""
    copy = Path(tempfile.mkdtemp(dir=".")).resolve() / "mlflow.db"
    assert run("cp", "mlflow.db", str(copy)).returncode == 0  # see conftest.copy_tree
    return MlflowClient(f"sqlite:///{copy}")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with prepared data, as the working directory."""
    folder = copy_project(tmp_path_factory.mktemp("search") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        compose()
        assert run(sys.executable, "pipelines/preprocess.py", PYTHONPATH=PATH).returncode == 0
        yield folder


@pytest.fixture(scope="module")
def alone(prepared: Path) -> tuple[str, str]:
    """The study as one worker does it."""
    compose(search={"workers": 1})
    search()
    return result()


@pytest.fixture
def fresh(prepared: Path, alone: tuple[str, str]) -> Path:
    """The project without study and record, composed for two workers."""
    forget()
    compose(search={"workers": 2})
    return prepared


def test_the_winner_is_the_best_of_the_finalists(fresh: Path) -> None:
    """study.json has each finalist's seeds with mean and interval, and best.yaml the winner's."""
    output = search()
    study = study_json()
    finalists = {finalist["slot"]: finalist for finalist in study["finalists"]}
    winner = study["winner"]
    rows = pd.read_csv("outputs/search/trials.csv").set_index("slot")
    complete = rows[rows["state"] == "complete"]

    assert set(finalists) == set(complete["value"].nsmallest(2).index)
    assert all(
        len(f["values"]) == 2 and f["low"] < f["mean"] < f["high"] for f in finalists.values()
    )
    assert winner["mean"] == finalists[winner["slot"]]["mean"]
    best = read_yaml(Path("outputs/search/best.yaml"))
    assert best == {**winner["params"], "training.seed": winner["trained"]["seed"]}
    values = [winner["value"], *finalists[winner["slot"]]["values"]]
    assert winner["trained"]["val_loss"] == min(values)
    assert study["counts"]["pruned"] > 0
    assert study["ended"] == "n_trials"
    assert "over 2 seeds" in output
    assert len(rows) == TRIALS
    runs = recorded()
    kinds = [r.data.tags["truefit.kind"] for r in runs]
    assert sorted(kinds) == ["finalist"] * 4 + ["study"] + ["trial"] * TRIALS


def test_a_finished_study_trains_nothing_again(fresh: Path) -> None:
    """A second run takes every slot and finalist from the study."""
    search()
    first = result()

    again = search()

    assert f"{TRIALS} of {TRIALS} slots are filled already" in again
    assert "trial " not in again
    assert "finalist " not in again
    assert result() == first


@pytest.mark.parametrize("workers", [2, 4])
def test_a_study_does_not_depend_on_its_workers(
    fresh: Path, alone: tuple[str, str], workers: int
) -> None:
    """Two and four workers write the same trials.csv (but for seconds) and best.yaml as one."""
    compose(search={"workers": workers})

    search()

    assert result() == alone


def test_a_study_does_not_depend_on_what_is_killed(fresh: Path, alone: tuple[str, str]) -> None:
    """`kill -9` of trainings and of the supervisor changes no slot and leaves nothing open."""
    stage = start()
    wait_for(stage, "trial 0")
    for training in trainings(stage)[:1]:
        training.kill()
    wait_for(stage, "trial 4")
    orphans = trainings(stage)
    stage.kill()
    stage.communicate()

    output = search()

    assert "slots are filled already" in output
    assert result() == alone
    assert [t.number for t in stored()] == list(range(TRIALS))
    assert all(trial.state.is_finished() for trial in stored())
    assert not any(orphan.is_running() for orphan in orphans)
    slots = [r.data.tags["truefit.slot"] for r in recorded() if is_trial(r)]
    assert sorted(map(int, slots)) == list(range(TRIALS))


def is_trial(run: Run) -> bool:
    return bool(run.data.tags["truefit.kind"] == "trial")


def test_ctrl_c_leaves_a_study_that_goes_on(fresh: Path, alone: tuple[str, str]) -> None:
    """SIGINT ends the trainings, says how to go on, and what waits is not called running."""
    stage = start()
    wait_for(stage, "trial 2")
    orphans = trainings(stage)
    stage.send_signal(signal.SIGINT)
    output, _ = stage.communicate(timeout=60)
    left, runs = stored(), recorded()

    assert stage.returncode == 130
    assert "`dvc repro` goes on from here" in output
    assert {t.state.name for t in left} <= {"COMPLETE", "PRUNED", "WAITING"}
    assert "RUNNING" not in {r.info.status for r in runs}
    assert not any(orphan.is_running() for orphan in orphans)
    search()
    assert result() == alone


def test_a_second_search_of_a_study_waits(fresh: Path) -> None:
    """Two processes never work on one study side by side; the second finds all done."""
    first = start()
    wait_for(first, "trial 0")
    second = start()

    wait_for(second, "another process leads it")
    finish(first)

    assert f"{TRIALS} of {TRIALS} slots are filled already" in finish(second)


def test_postgresql_holds_the_same_study(
    fresh: Path, alone: tuple[str, str], postgres_server: Server
) -> None:
    """On PostgreSQL, with an outage and a kill, the study is the same; no file holds the URL."""
    storage = postgres_server.database("search")
    environment = {"TRUEFIT_STORAGE": storage}
    stage = start(**environment)
    wait_for(stage, "trial 1")
    postgres_server.stop()
    wait_for(stage, "storage cannot be reached")
    time.sleep(2)
    postgres_server.start()
    wait_for(stage, "trial 4")
    stage.kill()
    stage.communicate()

    search(**environment)

    assert result() == alone
    assert [t.number for t in stored(storage)] == list(range(TRIALS))
    assert all(trial.state.is_finished() for trial in stored(storage))
    assert not Path(".truefit/studies.db").exists()
    texts = [f.read_text(errors="ignore") for f in Path("outputs").rglob("*") if f.is_file()]
    assert not any(str(postgres_server.port) in text for text in texts)


def test_every_failure_is_a_slot_with_its_reason(fresh: Path) -> None:
    """Whatever single models do, the study goes on; trials.csv has class and reason of each."""
    moods = ["grabs_memory", "gives_nan", "raises", "segfaults", "sleeps"]
    Path("conf/model/moody.yaml").write_text(MOODY.format(moods=", ".join(moods)))
    Path("conf/search/moods.yaml").write_text(MOODS.format(n_trials=len(moods) + 2))
    compose(
        packages=["faulty"],
        model="moody",
        optimizer={"space": {"learning_rate": None}},
        search="moods",
        pruner="none",
        training={"time_limit": 4},
        runtime={"memory_limit": 0.6},
    )

    output = search()

    rows = pd.read_csv("outputs/search/trials.csv").set_index("params.model.mood")
    states = rows["state"].drop("fine").to_dict()
    assert states == {
        "grabs_memory": "out_of_memory", "gives_nan": "diverged", "raises": "error",
        "segfaults": "crashed", "sleeps": "timed_out",
    }  # fmt: skip
    reasons = rows["reason"].fillna("").to_dict()
    assert "memory_limit: 0.6 GiB" in reasons["grabs_memory"]
    assert "no such layer" in reasons["raises"]
    assert "SIGSEGV" in reasons["segfaults"]
    assert "did not answer" in reasons["sleeps"]
    assert output.count("SIGSEGV; trying again") == 1
    trials = [r for r in recorded() if is_trial(r)]
    statuses = {r.data.params["model.mood"]: r.info.status for r in trials}
    assert len(trials) == len(rows)
    assert statuses == dict.fromkeys(moods, "FAILED") | {"fine": "FINISHED"}
    raised = next(r for r in trials if r.data.params["model.mood"] == "raises")
    assert "no such layer" in raised.data.tags["truefit.reason"]
    tried_again = next(r for r in trials if r.data.params["model.mood"] == "segfaults")
    assert tried_again.data.tags["truefit.tries"] == "1"


def test_data_that_vanish_stop_the_study_and_cost_no_slot(
    fresh: Path, alone: tuple[str, str]
) -> None:
    """The message names the file; with the data back the study goes on as if nothing had been."""
    stage = start()
    wait_for(stage, "trial 1")
    shutil.move("data/prepared/train", "data/elsewhere")
    output, _ = stage.communicate(timeout=100)
    shutil.move("data/elsewhere", "data/prepared/train")

    assert stage.returncode == 1
    assert "data/prepared/train/x.npy" in output
    assert "Traceback" not in output
    search()
    assert result() == alone


def test_another_study_says_what_has_changed(fresh: Path) -> None:
    """A changed seed and range make another study, and the message names both."""
    small = {"n_trials": 2, "finalists": {"n_finalists": 0}}
    compose(search=small)
    search()

    compose(search={**small, "space": {"model.dropout": "interval(0.1, 0.5)"}}, seed=1)
    output = search()

    assert "a new study; it differs from study-" in output
    assert "seed: 0 -> 1" in output
    assert "search.space (model.dropout)" in output
