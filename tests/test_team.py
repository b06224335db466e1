"""One study, many workers on many machines: what counts is the same as with one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
import yaml
from conftest import ROOT, copy_project, copy_tree, prepare_and_commit, run
from machines import Machine, machines
from mlflow import MlflowClient
from mlflow_server import mlflow_server
from postgres import Server
from proxy import Proxy
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait
from test_search import stored

pytestmark = pytest.mark.slow
SLOTS = 200
TRIVIAL = str(Path(__file__).with_name("trivial.py"))
SETTINGS: dict[str, Any] = {
    "search": {
        "n_trials": SLOTS, "window": 16, "workers": 1, "lease": 6, "tolerance": 0.0,
        "finalists": {"n_finalists": 2, "n_seeds": 2},
    },
    "pruner": "none",
}  # fmt: skip


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with prepared data and one commit, as the working directory."""
    folder = copy_project(tmp_path / "origin")
    monkeypatch.chdir(folder)
    Path("params.yaml").write_text(yaml.safe_dump({"path": "data/raw", "set": SETTINGS}))
    prepare_and_commit()
    return folder


def clone(origin: Path, name: str) -> Path:
    """The same commit and data, as on another machine."""
    folder = origin.with_name(name)
    copy_tree(origin, folder, ".truefit", "outputs")
    return folder


def environment(storage: str, mlflow: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
    return {
        "TRUEFIT_STORAGE": storage, "MLFLOW_TRACKING_URI": mlflow, "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }  # fmt: skip


def result(folder: Path) -> tuple[str, str]:
    """trials.csv without its seconds, and best.yaml."""
    frame = pd.read_csv(folder / "outputs/search/trials.csv", dtype=str).drop(columns="seconds")
    return frame.to_csv(), (folder / "outputs/search/best.yaml").read_text()


def search(folder: Path, storage: str, mlflow: str, pause: str = "0.2") -> subprocess.Popen[bytes]:
    """The leader, which `dvc repro` starts."""
    with (folder / "lead.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, TRIVIAL, "search"], cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, **environment(storage, mlflow), "TRIVIAL_PAUSE": pause},
        )  # fmt: skip


def wait_for(process: subprocess.Popen[bytes], log: Path, limit: float) -> None:
    try:
        assert process.wait(limit) == 0, essence(log)
    except subprocess.TimeoutExpired:
        raise AssertionError(essence(log)) from None


def essence(log: Path) -> str:
    """What it says beside its trials."""
    lines = log.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith(("trial", "finalist")))


@contextlib.contextmanager
def socket_to(port: int, place: Path) -> Iterator[Path]:
    """A Unix socket before a port of loopback."""
    program = Path(__file__).with_name("machines.py")
    relay = subprocess.Popen([sys.executable, program, f"unix:{place}", f"tcp:{port}"])
    try:
        yield place
    finally:
        relay.kill()
        relay.wait()


@pytest.mark.timeout(900)
def test_a_study_of_many_machines_is_that_of_one_worker(
    prepared: Path, postgres_server: Server
) -> None:
    """Six kills, a machine cut off, PostgreSQL restarted, MLflow away: nothing is lost or twice."""
    alone, database = clone(prepared, "alone"), postgres_server.database
    only = search(alone, database("alone"), "sqlite:///mlflow.db", pause="0")
    wait_for(only, alone / "lead.log", 120)
    draw = random.Random(0)
    storage = database("team")
    sockets = postgres_server.folder / f".s.PGSQL.{postgres_server.port}"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(mlflow_server(prepared.parent, database("mlflow")))
        proxy = Proxy(server, fates={})
        stack.callback(proxy.close)
        port = int(proxy.url.rpartition(":")[2])
        place = stack.enter_context(socket_to(port, prepared.parent / "mlflow.sock"))
        relays = {postgres_server.port: sockets, port: place}
        places = stack.enter_context(machines(4, relays))
        folders = [clone(prepared, f"machine-{i}") for i in range(4)]
        leader = search(prepared, storage, proxy.url)
        stack.callback(leader.kill)
        time.sleep(6)
        workers = []
        for number in range(16):  # at different times
            workers.append(join(places[number % 4], folders[number % 4], storage, proxy.url))
            stack.callback(workers[-1].kill)
            time.sleep(draw.uniform(0, 0.5))
        for folder in folders:
            wait_for_lines(folder / "join.log", "joined as", 4)
        killed = workers[:12:2]
        for worker in killed:
            worker.kill()
            time.sleep(draw.uniform(0, 1))
        cut = threading.Thread(target=places[3].cut_off, args=(20,))
        cut.start()
        time.sleep(3)
        postgres_server.stop()
        time.sleep(2)
        postgres_server.start()
        proxy.away = time.monotonic() + 30
        wait_for(leader, prepared / "lead.log", 400)
        cut.join()
        for worker, folder in zip(workers, folders * 4, strict=True):
            if worker not in killed:
                wait_for(worker, folder / "join.log", 120)
        for folder in [prepared, *folders]:  # what a machine could not send while MLflow was away
            sync(folder, environment(storage, proxy.url))
        runs = MlflowClient(proxy.url).search_runs(["1"], max_results=1000)

    assert result(prepared) == result(alone)
    trials = stored(storage)
    final = [t for t in trials if t.state.name == "COMPLETE"]
    assert sorted(t.user_attrs["slot"] for t in final) == list(range(SLOTS))
    # Where the answer to its begin was lost with the server, a slot may have begun twice.
    assert {t.state.name for t in trials if "record" not in t.user_attrs} <= {"FAIL"}
    assert len({t.user_attrs["owner"] for t in final}) > 8
    assert {run.info.status for run in runs} == {"FINISHED"}
    counts = Counter(run.data.tags["truefit.kind"] for run in runs)
    assert counts == {"trial": SLOTS, "finalist": 4, "study": 1}
    assert len({run.data.tags.get("truefit.key") for run in runs}) == SLOTS + 5


def join(machine: Machine, folder: Path, storage: str, mlflow: str) -> subprocess.Popen[bytes]:
    """A worker on a machine."""
    known = environment(storage, mlflow)
    worker = machine.run(
        sys.executable, TRIVIAL, "join", folder=folder, log=folder / "join.log",
        TRIVIAL_PAUSE="2", **known,
    )  # fmt: skip
    machine.programs.append(worker)
    return worker


def sync(folder: Path, known: dict[str, str]) -> None:
    """Until MLflow has everything: a busy server may need more than one try."""
    until = time.monotonic() + 180
    while (synced := run("truefit", "sync", cwd=folder, **known)).returncode:
        assert time.monotonic() < until, synced.stdout + synced.stderr


def wait_for_lines(log: Path, text: str, number: int) -> None:
    until = time.monotonic() + 120
    while not log.exists() or log.read_text().count(text) < number:
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)


def test_two_people_search_side_by_side_and_a_third_compares(
    prepared: Path, postgres_server: Server, browser: webdriver.Chrome
) -> None:
    """Different studies of one project share storage and server, and one page shows both."""
    database, folders = postgres_server.database, [prepared, clone(prepared, "bob")]
    storage = database("two")
    for seed, folder in enumerate(folders, start=1):
        settings = {**SETTINGS, "seed": seed, "search": {**SETTINGS["search"], "n_trials": 8}}
        choices = yaml.safe_dump({"path": "data/raw", "set": settings})
        (folder / "params.yaml").write_text(choices)
        for stage in ("compose", "preprocess"):
            done = run(sys.executable, f"pipelines/{stage}.py", cwd=folder)
            assert done.returncode == 0, done.stderr
    with mlflow_server(prepared.parent) as port:
        server = f"http://127.0.0.1:{port}"
        both = [search(folder, storage, server) for folder in folders]
        for process, folder in zip(both, folders, strict=True):
            wait_for(process, folder / "lead.log", 120)
        client = MlflowClient(server)
        trials = client.search_runs(
            ["1"], "tags.`truefit.kind` = 'trial'", order_by=["metrics.value"]
        )
        best = {run.data.tags["truefit.study"]: run for run in reversed(trials)}
        listed = json.dumps([run.info.run_id for run in best.values()])
        browser.get(f"{server}/#/compare-runs?runs={quote(listed)}&experiments=%5B%221%22%5D")
        WebDriverWait(browser, 60).until(
            lambda page: all(run.info.run_name in page.page_source for run in best.values())
        )

    assert Counter(run.data.tags["truefit.study"] for run in trials) == dict.fromkeys(best, 8)
    assert len(best) == 2
    assert len({frozenset(run.data.params) for run in trials}) == 1
