from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from truefit.core.errors import UserError
from truefit.core.paths import PREPARED, TRAIN
from truefit.core.prepared.folder import read_facts
from truefit.core.resolved import load
from truefit.serving.generate import generate
from truefit.serving.predict import predict
from truefit.stages.compose import compose
from truefit.stages.preprocess import preprocess
from truefit.training.building import build, make_task, predictor
from truefit.training.samples import go_on

SIZE, PLACES = 9, 4


def counting(rows: np.ndarray) -> np.ndarray:
    """Logits of a model that is sure that each code is followed by the next one."""
    return np.asarray(50.0 * np.eye(SIZE)[np.clip(rows + 1, 2, SIZE - 1)])


@pytest.mark.parametrize("begun", [[2], [2, 3], [2, 3, 4, 5], [8, 8, 8, 2, 3, 4]])
@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
def test_a_beginning_of_any_length_is_continued(begun: list[int], temperature: float) -> None:
    """What follows depends on the codes that are there, however few fill the model's places."""
    shapes = []

    def logits_of(rows: np.ndarray) -> np.ndarray:
        shapes.append(rows.shape)
        return counting(rows)

    codes = go_on(logits_of, np.array([begun]), PLACES, 3, 0, temperature)

    assert codes[0].tolist() == [*begun, *range(begun[-1] + 1, begun[-1] + 4)]
    assert set(shapes) == {(1, PLACES)}


def untrained(data: str, model: str) -> None:
    """A project whose model has learned nothing."""
    Path("data/raw/t.txt").write_text("the cat sat on the mat. " * 20)
    block = {"length": 10} if data == "text" else {}
    params = {"data": data, "model": model, "path": "data/raw/t.txt", "set": {"data": block}}
    Path("params.yaml").write_text(json.dumps(params))
    compose()
    preprocess()
    config, facts = load(), read_facts(PREPARED)
    task = make_task(config, facts)
    TRAIN.mkdir(parents=True)
    predictor(build(config, facts, task, {}), facts, task).save(TRAIN / "model.keras")


def test_a_text_is_continued_alike_for_a_seed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text begins as asked and has so many characters more, the same for the same seed."""
    untrained("text", "char_gru")

    made = [generate("the dog", "here", 30, seed, 1.0) for seed in (0, 0, 1)]

    assert made[0] == made[1] != made[2]
    assert made[0].startswith("the dog")
    assert len(made[0]) == len("the dog") + 30
    assert set(made[0].removeprefix("the dog")) <= {*"the cat sat on the mat. "}
    assert "no training text has 'd' 'g'" in capsys.readouterr().err
    with pytest.raises(UserError, match="one character at least"):
        generate("", "here", 30, 0, 1.0)


def test_predict_says_how_a_text_is_continued(project: Path) -> None:
    """Neither a text nor its codes give a table of a language model; the command is named."""
    untrained("text", "char_gru")

    for file in ("data/raw/t.txt", "data/prepared/test/x.npy"):
        with pytest.raises(UserError, match='truefit generate "A beginning"'):
            predict(Path(file), "here", None)


def test_a_model_of_rows_continues_no_text(project: Path) -> None:
    """`truefit generate` on a classifier says which command takes its rows."""
    untrained("iris", "mlp")

    with pytest.raises(UserError, match=r"predicts no text.*truefit predict FILE"):
        generate("a", "here", 30, 0, 1.0)


@pytest.mark.parametrize("weights", [None, "imagenet"])
def test_random_weights_that_are_frozen_are_said(
    project: Path, capsys: pytest.CaptureFixture[str], weights: str | None
) -> None:
    """Composing `transfer` says so where no pretrained weights are there, and how to have them."""
    block = {"model": {"weights": weights}} if weights else {}
    Path("params.yaml").write_text(json.dumps({"experiment": "transfer", "set": block}))
    compose()

    said = capsys.readouterr().out
    assert ("model.weights is null" in said) == (weights is None)
    assert ("model.weights=imagenet'" in said) == (weights is None)
