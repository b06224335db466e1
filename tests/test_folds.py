from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sections
from conftest import ROOT, copy_project, dataset_json, not_none
from hypothesis import given, settings
from hypothesis import strategies as st
from results import result_from

from truefit.core.errors import UserError
from truefit.core.prepared.facts import Moments
from truefit.core.prepared.folder import Split, read_split
from truefit.datasets.checks import Source
from truefit.datasets.prepare import prepare
from truefit.search.check import luck_note
from truefit.stages.compose import resolve
from truefit.stages.search import search
from truefit.training.folds import assign, described, digest, pair, read_both, thinned
from truefit.training.process.child import Ending, Job
from truefit.training.process.trainer import Trainer

PATIENT = {
    "_target_": "optuna.pruners.PatientPruner", "patience": 1,
    "wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner"},
}  # fmt: skip


def prepared(folder: Path, rows: int = 120, groups: int = 0, **split: Any) -> Path:
    """Rows that know their own number, their class, and their group."""
    x = np.arange(rows, dtype=np.float32)[:, None] + np.zeros(2, np.float32)
    y = np.array(["a", "b", "b"])[np.arange(rows) % 3]
    source: Source = {"x": x, "y": y}
    if groups:
        source["keys"] = {"who": np.arange(rows) % groups}
    data = sections.data(validation=0.25, test=0.25, **split)
    prepare(source, data, "classes", 0, folder)
    return folder


@settings(max_examples=10, deadline=None)
@given(count=st.integers(2, 10), repeats=st.integers(1, 3), seed=st.integers(0, 100))
def test_each_row_is_held_out_once(
    tmp_path_factory: pytest.TempPathFactory, count: int, repeats: int, seed: int
) -> None:
    """In each repeat the folds part the rows, about evenly within each class, and as before."""
    folder = prepared(tmp_path_factory.mktemp("folds") / "prepared")
    y = np.concatenate([read_split(folder, name).y for name in ("train", "validation")])

    folds = assign(folder, count, repeats, seed)

    assert folds.shape == (repeats, len(y))
    for row in folds:
        for code in np.unique(y):
            held_out = np.bincount(row[y == code], minlength=count)
            assert held_out.max() - held_out.min() <= 1
            assert len(held_out) == count
    np.testing.assert_array_equal(folds, assign(folder, count, repeats, seed))
    assert digest(folds) != digest(assign(folder, count, repeats, seed + 1))


def test_repeats_are_dealt_out_anew(tmp_path: Path) -> None:
    """Two repeats do not hold out the same rows together."""
    folds = assign(prepared(tmp_path / "prepared"), 5, 2, 0)

    assert (folds[0] != folds[1]).any()


def test_the_test_split_is_in_no_fold(tmp_path: Path) -> None:
    """Folds are made of training and validation rows, every one of them and no other."""
    folder = prepared(tmp_path / "prepared")
    folds = assign(folder, 4, 1, 0)

    train, held_out = pair(read_both(folder), folds[0] == 1)
    numbers = np.concatenate([train.x, held_out.x])[:, 0]
    test = read_split(folder, "test").x[:, 0]

    assert len(np.unique(numbers)) == len(numbers) == folds.shape[1]
    assert not np.isin(test, numbers).any()


def test_a_group_lies_in_one_fold(tmp_path: Path) -> None:
    """Where the splits keep groups whole, folds do too."""
    folder = prepared(tmp_path / "prepared", groups=20, group="who")
    folds = assign(folder, 4, 1, 0)[0]
    numbers = np.concatenate([read_split(folder, n).x[:, 0] for n in ("train", "validation")])

    of_group = {g: set(folds[numbers % 20 == g]) for g in np.unique(numbers % 20)}

    assert {len(found) for found in of_group.values()} == {1}
    with pytest.raises(ValueError, match="16 folds need as many groups, and there are 15"):
        assign(folder, 16, 1, 0)


def test_too_few_rows_say_so(tmp_path: Path) -> None:
    """A class that is rarer than the folds are many is named."""
    folder = prepared(tmp_path / "prepared", rows=24)

    with pytest.raises(ValueError, match="class 'a' has 6 rows outside the test split, and 10"):
        assign(folder, 10, 1, 0)


def test_statistics_are_those_of_the_rows_trained_on(tmp_path: Path) -> None:
    """No held-out row is in the mean that the model normalises with."""
    split = Split(np.array([[1.0], [3.0]], np.float32), np.array([0, 1]))
    facts = dataset_json(statistics={"mean": [9.0], "variance": [9.0]})

    found = described(facts, split)

    assert found.statistics == Moments([2.0], [1.0])
    assert facts.statistics == Moments([9.0], [9.0])


@given(small=st.floats(0.01, 1), large=st.floats(0.01, 1), seed=st.integers(0, 9))
def test_more_rows_hold_those_of_fewer(small: float, large: float, seed: int) -> None:
    """A learning curve adds rows and takes none away."""
    split = Split(np.arange(50.0)[:, None], np.arange(50))
    first, second = (thinned(split, share, seed).y for share in sorted((small, large)))

    assert set(first) <= set(second)
    assert len(second) == max(1, round(50 * max(small, large)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Wine, with a search by folds, as the working directory."""
    folder = copy_project(tmp_path_factory.mktemp("folds") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        yield folder


def ended(trainer: Trainer, job: Job, pruned_at: int) -> Ending:
    """How a training ends that is told to end at a step."""
    asking = trainer.start(job)
    while True:
        for _, event in trainer.wait():
            if isinstance(event, Ending):
                return event
            asking.answer(event.number == pruned_at)


@pytest.mark.slow
def test_a_trial_is_the_mean_of_its_folds(project: Path) -> None:
    """Its value is the mean of the folds' losses, each told as a step; pruning ends it early."""
    config = resolve({"data": "iris", "set": {"training": {"epochs": 3}}})
    folder = prepared(project / "data" / "prepared")
    folds = assign(folder, 3, 2, 0)
    job = Job(config, folder, 5, folds=folds)

    with Trainer("tensorflow", "cpu") as trainer:
        ending, again = (trainer.run(job, lambda _: None) for _ in range(2))
        pruned, spared = (ended(trainer, replace(job, asks=True), at) for at in (2, 6))

    assert ending.state == "complete", ending.reason
    values = not_none(result_from(ending).folds)
    assert len(values) == len(ending.history) == job.trainings == 6
    assert result_from(ending).best_val_loss == pytest.approx(np.mean(values))
    assert [row["fold_val_loss"] for row in ending.history] == values
    assert ending.history[2]["val_loss"] == pytest.approx(np.mean(values[:3]))
    assert result_from(again).weights_sha256 == result_from(ending).weights_sha256
    assert (pruned.state, result_from(pruned).folds) == ("pruned", values[:2])
    assert (spared.state, result_from(spared).folds) == ("complete", values)


@pytest.mark.slow
def test_a_fold_that_its_time_limit_ended_counts(project: Path) -> None:
    """The limit is each fold's own, and each counts with what it had reached."""
    small = {"training": {"epochs": 3, "time_limit": 1e-3}}
    config = resolve({"data": "iris", "set": small})
    folder = prepared(project / "data" / "limited")
    job = Job(config, folder, 5, folds=assign(folder, 3, 1, 0))

    with Trainer("tensorflow", "cpu") as trainer:
        ending = trainer.run(job, lambda _: None)

    assert (ending.state, len(ending.history)) == ("timed_out", 3)
    assert ending.counts
    result = result_from(ending)
    assert result.best_val_loss == pytest.approx(np.mean(not_none(result.folds)))
    assert ending.reason == (
        "training.time_limit of 0.001 s ended 3 of 3 folds; another machine may reach others"
    )


@pytest.mark.slow
def test_folds_decide_a_search(project: Path) -> None:
    """One worker's search by folds has their hash in its identity, and prunes whole folds."""
    from truefit.stages.compose import compose  # noqa: PLC0415 - reads the working directory
    from truefit.stages.preprocess import preprocess  # noqa: PLC0415

    (project / "params.yaml").write_text(
        "data: wine\nsearch: {n_trials: 5, window: 1}\ntraining: {epochs: 4}\n"
        "set: {search: folds, model: {units: 8}, pruner: {n_startup_trials: 1}}\n"
    )
    compose()
    preprocess()
    search()
    import json  # noqa: PLC0415

    import pandas as pd  # noqa: PLC0415

    study = json.loads(Path("outputs/search/study.json").read_text())
    trials = pd.read_csv("outputs/search/trials.csv")

    assert study["identity"]["folds"] == digest(assign(Path("data/prepared"), 10, 1, 0))
    assert len(trials) == 5
    assert study["counts"]["complete"] >= 1
    assert study["folds"]["saved"] > 0
    assert study["folds"]["trained"] + study["folds"]["saved"] == 10 * 5
    assert {c["slot"] for c in study["against_winner"]} == {
        f["slot"] for f in study["finalists"]
    } - {study["winner"]["slot"]}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"set": {"search": {"folds": {"n_splits": 1}}}}, "greater than or equal to 2"),
        (
            {"set": {"search": {"folds": {"n_splits": 5}}, "pruner": "hyperband"}},
            "Hyperband gives out epochs",
        ),
        (
            {"pruner": "none", "set": {"search": {"folds": {"n_splits": 5}}, "pruner": PATIENT}},
            "PatientPruner looks at one step after the other",
        ),
        (
            {"set": {"search": "folds", "data": {"split": {"time": True, "stratify": False}}}},
            "rows are split by time",
        ),
    ],
)
def test_folds_that_make_no_sense_are_refused(params: dict[str, Any], expected: str) -> None:
    """At compose, with the way out."""
    with pytest.raises(UserError) as caught:
        resolve(params)

    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "chosen", "said"),
    [
        (30, {}, True),
        (60, {}, False),
        (30, {"n_trials": 0}, False),
        (30, {"folds": {"n_splits": 5}}, False),
    ],
)
def test_few_validation_rows_are_said_where_they_choose(
    rows: int, chosen: dict[str, Any], said: bool
) -> None:
    """A search by few rows names the one by folds, unless it is that or chooses nothing."""
    splits = {name: {"rows": rows, "classes": {"a": rows}} for name in ("train", "validation")}
    note = luck_note(resolve({"set": {"search": chosen}}), dataset_json(splits=splits))

    assert (note is not None) is said
    if note:
        assert f"{rows} validation rows" in note
        assert f"all {2 * rows} rows" in note
