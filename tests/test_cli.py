from __future__ import annotations

import json
from pathlib import Path

import pytest
from results import result_of
from typer.testing import CliRunner

from truefit.cli import app
from truefit.core.run import Run


def write_result(score: str) -> None:
    test = {score: 0.975, f"{score}_low": 0.958, f"{score}_high": 0.989, "accuracy": 0.5}
    metrics = {"gap": 0.05, "gap_low": 0.01, "gap_high": 0.09, "verdict": "good"}
    metrics |= {"test": test, "headline": score}
    verdict = {
        "evidence": "the gap is small",
        "next": "dvc exp run -S seed=1",
        "remark": "look again",
    }
    for file, values in (
        ("evaluate/metrics", metrics),
        ("evaluate/verdict", verdict),
    ):
        path = Path(f"outputs/{file}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    run = Run(result=result_of(0.2), run="20261129T101112-1", run_id="abc", repeat="dvc repro")
    Path("outputs/train").mkdir(parents=True)
    run.write(Path("outputs/train/run.json"))


@pytest.mark.parametrize("score", ["f1", "frechet"])
def test_show_says_the_result_and_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score: str
) -> None:
    """The task's score with interval, gap, verdict and the run, in lines that fit a terminal."""
    monkeypatch.chdir(tmp_path)
    write_result(score)

    said = CliRunner().invoke(app, ["show"])

    assert said.exit_code == 0
    assert f"test {score} 0.9750 [0.9580, 0.9890]" in said.output
    assert (
        "verdict: good\n  the gap is small\nnext: dvc exp run -S seed=1\nnote: look again"
        in said.output
    )
    assert "abc" in said.output
    assert json.loads(CliRunner().invoke(app, ["show", "--json"]).output)["gap"] == 0.05


def test_show_without_a_result_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 1 and the command to run."""
    monkeypatch.chdir(tmp_path)

    said = CliRunner().invoke(app, ["show"])

    assert said.exit_code == 1
    assert "dvc repro" in said.stderr


def test_what_others_wrote_moves_no_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of a record, of which anybody may be the author, is printed without control signs."""
    monkeypatch.chdir(tmp_path)
    write_result("f1")
    file = Path("outputs/evaluate/verdict.json")
    wrote = "\x1b[2J\x9b31m\rgood\x07 \u202edoog\tas it is"
    file.write_text(json.dumps({**json.loads(file.read_text()), "evidence": wrote}))

    said = CliRunner().invoke(app, ["show"], color=True)

    assert "[2J31mgood doog\tas it is\n" in said.output


@pytest.mark.parametrize("command", ["sync", "clean"])
def test_a_folder_that_is_no_project_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Nothing to do would read as if all were well; and no file is made there."""
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, [command])

    assert done.exit_code == 1
    assert f"error: {tmp_path} is no project" in done.stderr
    assert list(tmp_path.iterdir()) == []
