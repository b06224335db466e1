from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from truefit.cli import app


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
        ("train/run", {"run_id": "abc"}),
    ):
        path = Path(f"outputs/{file}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


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
