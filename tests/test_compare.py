"""`truefit runs` and `truefit compare` on runs that MLflow holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import copy_project
from typer.testing import CliRunner

from truefit.cli import app
from truefit.config.overrides import made
from truefit.core.resolved import load
from truefit.stages.compose import compose
from truefit.tracking.tracker import Tracker

pytestmark = pytest.mark.slow


def scored(name: str, accuracy: float, units: int) -> str:
    """A training that was evaluated, as the stages record it."""
    test = {"accuracy": accuracy, "accuracy_low": accuracy - 0.1, "accuracy_high": accuracy + 0.1}
    gap = {"gap": 0.05, "gap_low": 0.01, "gap_high": 0.09}
    metrics = {"test": test, **gap, "verdict": "good", "headline": "accuracy"}
    config = load()
    config["model"]["units"] = units
    Path("metrics.json").write_text(json.dumps(metrics))
    tags = {"git.commit": "c" * 40, "git.dirty": "true", "truefit.set": f"model.units={units}"}
    with Tracker("truefit", "train") as tracker:
        run = tracker.start("train", name, tags=tags)
        tracker.provenance(run, config)
        tracker.file(run, Path("metrics.json"))
        told = {"truefit.verdict": "good", "truefit.headline": "accuracy", "truefit.test": name}
        tracker.log(run, tags=told)
        ends = {f"score{end}": test[f"accuracy{end}"] for end in ("", "_low", "_high")}
        tracker.log(run, metrics={**ends, "gap": 0.05})
        tracker.end(run, "complete")
    return str(tracker.id(run))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A project with two trainings on different test rows; the ids of both, the older first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy_project(tmp_path_factory.mktemp("compare") / "project"))
        compose()
        yield scored("first", 0.8, 16), scored("second", 0.9, 32)


def truefit(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments)


def test_runs_lists_the_newest_first(two: tuple[str, str]) -> None:
    """A line has the run, its score with interval, gap, verdict, commit and what was set."""
    lines = truefit("runs").output.splitlines()

    assert [line[:8] for line in lines[1:]] == [two[1][:8], two[0][:8]]
    for part in ("accuracy 0.9000 [0.8000, 1.0000]", "+0.0500", "good", "cccccccc+", "units=32"):
        assert part in lines[1]


def test_runs_for_a_script(two: tuple[str, str]) -> None:
    """`--json` has whole ids, and `-n` as many as asked for."""
    found = json.loads(truefit("runs", "-n", "1", "--json").output)

    assert [one["run_id"] for one in found] == [two[1]]


def test_compare_shows_what_differs(two: tuple[str, str]) -> None:
    """The setting that differs, both scores with intervals, and why rows are not compared."""
    lines = truefit("compare", two[0][:8], two[1]).output.splitlines()

    assert [line.split() for line in lines if line.startswith("model")] == [
        ["model.units", "16", "32"]
    ]
    score = next(line for line in lines if line.startswith("test accuracy"))
    assert "0.8000 [0.7000, 0.9000]" in score
    assert "0.9000 [0.8000, 1.0000]" in score
    assert lines[-1] == "not compared row by row: they were measured on different test rows"


@pytest.mark.parametrize("command", ["compare", "verify", "promote"])
def test_a_run_that_is_not_there_is_refused(two: tuple[str, str], command: str) -> None:
    """The message names what was expected and the command that lists runs."""
    said = truefit(command, "zzz", *(["latest"] if command == "compare" else []))

    assert said.exit_code != 0
    assert "run 'zzz': expected the id of a training" in said.stderr
    assert "`truefit runs`" in said.stderr


def test_what_was_set_is_what_params_says() -> None:
    """Dotted keys that differ from conf/; what stands below `set:` wins."""
    params = {
        "data": None,
        "model": "cnn",
        "path": "data/raw",
        "training": {"epochs": 5, "patience": 1},
        "set": {"training": {"patience": None}},
    }

    assert made(params) == {"model": "cnn", "training.epochs": 5, "training.patience": None}
