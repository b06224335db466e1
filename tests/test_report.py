"""The report and the model card of a run, as a person sees them."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from conftest import run
from selenium import webdriver
from selenium.webdriver.common.by import By

from truefit.core.prepared.folder import read_facts
from truefit.core.resolved import read_yaml
from truefit.core.run import Run
from truefit.evaluation.evidence import Leaks
from truefit.evaluation.finding import Judgement
from truefit.evaluation.report import page
from truefit.evaluation.report.page import Page
from truefit.training.building import make_task

pytestmark = pytest.mark.slow
REPORT = Path("outputs/evaluate/report.html")
FIRST_SCORES = """
const title = [...document.querySelectorAll('h2')].find(h => h.innerText.startsWith('Scores'));
const cell = title.nextElementSibling.querySelectorAll('th')[1];
return [cell.innerText, cell.getBoundingClientRect().right]"""
LOOK = """return {
  wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  pictures: document.images.length,
  broken: [...document.images].filter(i => !i.complete || !i.naturalWidth).length }"""


def metrics() -> Any:
    return json.loads(Path("outputs/evaluate/metrics.json").read_text())


def test_the_report_needs_nothing_but_itself(project_dir: Path) -> None:
    """No address of another machine stands in it, and it is small."""
    text = re.sub(r"base64,[^\"]+", "", REPORT.read_text())

    assert "http" not in text
    assert f"{metrics()['test']['accuracy']:.4f}" in text
    assert REPORT.stat().st_size < 6e6


def test_the_report_shows_no_secret_of_the_configuration(project_dir: Path) -> None:
    """Neither do the addresses that it comes from: it is sent to MLflow with the run."""
    secret = "Zx9kQ2vB7mN4pL6t"  # noqa: S105 - of nobody
    config, facts = read_yaml(Path("resolved.yaml")), read_facts(Path("data/prepared"))
    config["data"] |= {"password": secret, "address": f"https://ada:{secret}@example.org"}
    result = Page(
        metrics(), config, facts, make_task(config, facts),
        Run.read(Path("outputs/train/run.json")), Leaks(), [], None, 1,
        Judgement("", ""), None, {"data": f"s3://ada:{secret}@bucket"},
    )  # fmt: skip

    shown = page._values(result)  # what both templates take

    assert secret not in f"{shown['config']} {shown['lineage']}"
    assert "learning_rate" in str(shown["config"])


@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_can_be_read(project_dir: Path, browser: webdriver.Chrome, width: int) -> None:
    """On a desk and on a telephone: no wider than the window, every picture there, no complaint."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.get("about:blank")  # the page before may still say something
    browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(REPORT.resolve().as_uri())

    found = browser.execute_script(LOOK)
    headings = {heading.text for heading in browser.find_elements(By.TAG_NAME, "h2")}
    messages = browser.get_log("browser")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert (found["wider"], found["broken"], messages) == (0, 0, [])
    assert found["pictures"] >= 6
    assert {"Training", "Search", "Data", "Where it comes from"} <= headings


def test_a_narrow_screen_shows_test_scores_first(
    project_dir: Path, browser: webdriver.Chrome
) -> None:
    """At 400 pixels the scores of the test split stand beside their names, without scrolling."""
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(REPORT.resolve().as_uri())

    name, right = browser.execute_script(FIRST_SCORES)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    assert name.startswith("test")
    assert right <= 400


def test_the_report_can_be_printed(project_dir: Path, browser: webdriver.Chrome) -> None:
    """On paper it has a few pages."""
    browser.get(REPORT.resolve().as_uri())

    paper = browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})

    pages = base64.b64decode(paper["data"]).count(b"/Type /Page\n")
    assert 3 <= pages <= 12


def test_the_verdict_names_its_evidence(finished: tuple[Path, str], project_dir: Path) -> None:
    """The terminal, verdict.json, the report and MLflow say the same."""
    found, trained = metrics(), json.loads(Path("outputs/train/run.json").read_text())
    told = json.loads(Path("outputs/evaluate/verdict.json").read_text())
    client = mlflow.MlflowClient(f"sqlite:///{project_dir / 'mlflow.db'}")
    tags = client.get_run(trained["run_id"]).data.tags

    assert f"verdict: {found['verdict']}\n  {told['evidence']}" in finished[1]
    assert told["evidence"] in html.unescape(REPORT.read_text())
    assert tags["truefit.verdict"] == found["verdict"]
    assert tags["truefit.test_looks"] == "1"


def test_the_report_shows_the_search(project_dir: Path) -> None:
    """Untuned beside tuned, the optimism of the search, and each finalist."""
    study = json.loads(Path("outputs/search/study.json").read_text())
    found, text = metrics(), REPORT.read_text()

    assert f"{study['configured']['val_loss']:.4f}" in text
    assert f"{study['winner']['val_loss']:.4f}" in text
    beside = next(y for y in found["yardsticks"] if y["name"] == found["optimism_beside"])
    harder = beside["scores"]["test"]["loss"] - beside["scores"]["validation"]["loss"]
    above = found["test"]["loss"] - study["winner"]["chosen_by"]
    assert found["optimism"] == pytest.approx(above - harder)
    assert f"{found['optimism']:+.4f}" in text
    named = re.findall(r"<th>slot (\d+)", text)
    assert named == [str(finalist["slot"]) for finalist in study["finalists"]]


def test_the_report_shows_yardsticks_on_the_same_rows(
    finished: tuple[Path, str], project_dir: Path
) -> None:
    """The constant answer and each model stand beside the test score, on screen and in MLflow."""
    found, text = metrics(), html.unescape(REPORT.read_text())
    trained = json.loads(Path("outputs/train/run.json").read_text())
    client = mlflow.MlflowClient(f"sqlite:///{project_dir / 'mlflow.db'}")
    logged = client.get_run(trained["run_id"]).data.metrics
    headline = found["headline"]

    assert {y["kind"] for y in found["yardsticks"]} >= {"constant", "linear", "boosting", "forest"}
    for one in found["yardsticks"]:
        score = one["scores"]["test"][headline]
        assert f"<th>{one['name']}</th>" in text
        assert f"{one['name']} {score:.4f}" in finished[1]
        assert logged[f"yardstick_{one['kind']}_test_{headline}"] == pytest.approx(score)


def test_the_model_card_goes_with_the_model(project_dir: Path) -> None:
    """It stands beside the logged model, and says score, verdict and origin."""
    card = Path("outputs/evaluate/model_card.md").read_text()
    trained = json.loads(Path("outputs/train/run.json").read_text())
    client = mlflow.MlflowClient(f"sqlite:///{project_dir / 'mlflow.db'}")
    experiment = client.get_run(trained["run_id"]).info.experiment_id
    models = client.search_logged_models([experiment])

    assert f"**{metrics()['verdict']}**" in card
    assert trained["weights_sha256"] in card
    files = {file.path for file in client.list_logged_model_artifacts(models[0].model_id)}
    assert "model_card.md" in files


def test_dvc_shows_the_same_curves(project_dir: Path) -> None:
    """`dvc plots show` draws both losses by epoch."""
    done = run("dvc", "plots", "show", "--json")
    assert done.returncode == 0, done.stderr
    plot = json.loads(done.stdout)["data"]["loss"][0]["content"]

    history = pd.read_csv("outputs/train/history.csv")
    shown = {
        (point["field"], float(point["dvc_inferred_y_value"])) for point in plot["data"]["values"]
    }

    wanted = {(name, loss) for name in ("train_loss", "val_loss") for loss in history[name]}
    assert {(name, round(loss, 6)) for name, loss in shown} == {
        (name, round(loss, 6)) for name, loss in wanted
    }
