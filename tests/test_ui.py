"""MLflow's real UI in headless Chromium: each link opens what it promises."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, copy_project
from results import result_of
from selenium import webdriver

from truefit.tracking.describe import at_best, describe
from truefit.tracking.tracker import Tracker
from truefit.tracking.views import links

pytestmark = pytest.mark.slow
PATH = str(ROOT / "src")
STUDY = "study-a"
TRIALS = 14
ROWS = """
return [...document.querySelectorAll('.ag-row')]
  .map(row => [Number(row.getAttribute('row-index')),
               row.querySelector('[col-id="attributes.`Run Name`"] a')])
  .filter(pair => pair[1]).sort((a, b) => a[0] - b[0]).map(pair => pair[1].innerText.trim())"""
LINES = """
return Object.fromEntries([...document.querySelectorAll('.js-plotly-plot')]
  .filter(plot => plot.data.some(line => line.metricHistory || line.metricKey))
  .map(plot => [plot.data[0].metricKey || plot.data[0].metricHistory[0].key,
                new Set(plot.data.map(line => line.uuid)).size]))"""
TEXT = "return document.body.innerText"
QUIET = """
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with a study of fourteen trials, the best of which is the last, and a training."""
    folder = copy_project(tmp_path_factory.mktemp("ui") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with Tracker("truefit", "search") as tracker:
            tracker.start("study", STUDY, run=STUDY, tags={"truefit.study": STUDY})
            for slot in range(TRIALS):
                trial(tracker, slot, 0.5 - slot / 100)
            tracker.view(STUDY, ["model.depth", "optimizer.learning_rate"], winner=TRIALS - 1)
            tracker.end(STUDY, "complete")
            train(tracker)
        yield folder


def trial(tracker: Tracker, slot: int, value: float) -> None:
    params = {"model.depth": slot % 4, "optimizer.learning_rate": 0.001 * (slot + 1)}
    key = str(slot)
    run = tracker.start("trial", f"t{slot:04d}", params=params, study=STUDY, key=key)
    for epoch in range(1, 6):
        tracker.epoch(run, epoch, {"loss": value / epoch, "val_loss": value * 2 / epoch})
    state = "complete" if slot % 5 else "pruned"
    tracker.end(run, state, metrics={"value": value, "gap": 0.1})


def train(tracker: Tracker) -> None:
    result = result_of(0.25, gap=0.2, best_epoch=2)
    run = tracker.start("train", "mlp digits", tags={"truefit.verdict": "overfit"})
    tracker.epoch(run, 1, {"val_loss": float("nan"), "loss": 0.1})
    tracker.epoch(run, 2, {f"metric_{number}": 1.0 for number in range(1100)})
    tracker.sample(run, {"system/cpu_utilization_percentage": 90.0})
    tracker.text(run, "uncommitted.diff.txt", "+ a line that is not committed")
    told = describe("complete", "", result, 0.1) + "\n\n    git checkout 0123abc"
    tracker.log(run, tags={"mlflow.note.content": told})
    tracker.end(run, "complete", metrics=at_best(result, []))


@pytest.fixture(scope="module")
def ui(recorded: Path) -> Iterator[dict[str, str]]:
    """`truefit ui` under way in the project: its links by name."""
    environment = {**os.environ, "PYTHONPATH": PATH}
    subprocess.run([sys.executable, "pipelines/compose.py"], env=environment, check=True)
    with running_ui() as found:
        yield found


@contextmanager
def running_ui() -> Iterator[dict[str, str]]:
    """`truefit ui` here: its links by name; Ctrl-C has to end it."""
    command = [str(Path(sys.executable).parent / "truefit"), "ui", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": PATH, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = {}
    for line in process.stdout:
        if match := re.match(r"\s+([\w ]+):\s+(http\S+)", line):
            found[match[1]] = match[2]
        if "Ctrl-C" in line:
            break
    yield found
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def look(
    browser: webdriver.Chrome, address: str, script: str, enough: Callable[[Any], bool]
) -> Any:
    """What a script finds on a page, once it is enough."""
    browser.get("about:blank")  # a new fragment alone loads nothing
    browser.get(address)
    until = time.monotonic() + 60
    while not enough(found := browser.execute_script(script)):
        assert time.monotonic() < until, found
        time.sleep(0.2)
    return found


def test_the_table_has_the_trials_best_first(ui: dict[str, str], browser: webdriver.Chrome) -> None:
    """All trials of the study and nothing else, sorted by their value, with their parameters."""
    rows = look(browser, ui["table"], ROWS, lambda rows: len(rows) >= TRIALS)

    text = str(browser.execute_script(TEXT))
    assert rows == [f"t{slot:04d}" for slot in reversed(range(TRIALS))]
    assert f"{TRIALS} matching runs" in text
    assert "model.depth" in text
    assert "gap" in text


def test_the_charts_have_the_curves_of_the_ten_best(
    ui: dict[str, str], browser: webdriver.Chrome
) -> None:
    """Validation and training loss, each with ten lines."""
    lines = look(browser, ui["charts"], LINES, lambda lines: lines.get("val_loss", 0) >= 10)

    assert lines["val_loss"] == 10
    assert lines["loss"] == 10


def test_the_comparison_has_the_ten_best(ui: dict[str, str], browser: webdriver.Chrome) -> None:
    """The ten finished trials of lowest value, and none that was pruned."""
    text = look(browser, ui["ten best"], TEXT, lambda text: "t0013" in text and "Metrics" in text)

    assert "Comparing 10 Runs" in text
    assert all(f"t{slot:04d}" in text for slot in (13, 12, 11, 9, 8, 7, 6, 4, 3, 2))
    assert "t0010" not in text


def test_a_run_tells_what_it_was(
    ui: dict[str, str], browser: webdriver.Chrome, recorded: Path
) -> None:
    """Its page says how it ended, how large its gap is, what is not shown, how to repeat it."""
    rows = look(browser, ui["all runs"], TEXT, lambda text: "mlp digits" in text)
    assert STUDY in rows
    link = "return [...document.querySelectorAll('a')].find(a => a.innerText == 'mlp digits').href"
    page = str(browser.execute_script(link))

    text = look(browser, page, TEXT, lambda text: "max_gap" in text and "verdict" in text)

    assert "Finished" in text
    assert "gap +0.2000" in text
    assert "not finite, not drawn: val_loss" in text
    assert "left out" in text
    assert "git checkout 0123abc" in text
    assert re.search(r"truefit.verdict\s*:\s*overfit", text)


def test_links_are_addresses(recorded: Path) -> None:
    """Nothing in them needs quoting again."""
    found = links("http://127.0.0.1:5000", "1", STUDY, ["a" * 32, "b" * 32])

    assert list(found) == ["table", "charts", "ten best"]
    assert all(re.fullmatch(r"[!-~]+", address) for address in found.values())
