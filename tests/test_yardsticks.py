"""Yardsticks: the form of their predictions, what they learn from, and what they say."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import not_none
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_info, threadpool_limits
from yardstick_cases import Cases, cases_of, score

from truefit.datasets import generated
from truefit.datasets.checks import Source
from truefit.datasets.text import windows
from truefit.evaluation.scoring.reconstruction import Context
from truefit.evaluation.yardsticks import learned, measure
from truefit.evaluation.yardsticks.features import spectra
from truefit.evaluation.yardsticks.linear import fit_linear
from truefit.evaluation.yardsticks.measure import measure_yardsticks
from truefit.evaluation.yardsticks.nearest import fit_means
from truefit.evaluation.yardsticks.trees import fit_boosting, fit_forest
from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Yardstick, choose_rows


def rings(rows: int = 600) -> Source:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 2)).astype(np.float32)
    return {"x": x, "y": np.array(["in", "out"])[((x**2).sum(axis=1) > 1.4).astype(int)]}


def tilted(rows: int = 300) -> Source:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 8)).astype(np.float32)
    return {"x": x, "y": x @ np.arange(8) + random.normal(0, 0.5, rows)}


def digits() -> Source:
    x, y = load_digits(n_class=3, return_X_y=True)
    return {"x": x[:300].reshape(-1, 8, 8, 1).astype(np.uint8), "y": y[:300]}


def beeps() -> Source:
    made = generated.tones(seed=0, rows=300)
    chosen = np.isin(made["y"], ["low", "high"])
    return {"x": made["x"][chosen], "y": made["y"][chosen]}


def sentences() -> Source:
    """Texts whose class is in the order of two words."""
    random = np.random.default_rng(0)
    swapped = random.integers(0, 2, 200)
    tails = random.choice(["one", "two", "three"], 200)
    texts = [f"{'b a' if s else 'a b'} {t}" for s, t in zip(swapped, tails, strict=True)]
    coding = {"types": {"text": "text"}, "words": 20, "length": 6}
    y = np.array(["first", "second"])[swapped]
    return {"x": pd.DataFrame({"text": texts}), "y": y, "coding": coding}


def running() -> Source:
    random = np.random.default_rng(0)
    words = random.choice(["ab", "cd", "abc"], 2000)
    return windows(" ".join(words), 20, "here")


# By name: the source, the task, the columns of a prediction, and the kinds that fit.
FLAT = ["constant", "linear", "boosting", "forest"]
KINDS: dict[str, tuple[Callable[[], Source], str, tuple[int, ...], list[str]]] = {
    "two classes": (rings, "auto", (1,), FLAT),
    "images": (digits, "auto", (3,), [*FLAT, "nearest_mean"]),
    "a number": (tilted, "auto", (1,), FLAT),
    "labels": (
        lambda: generated.shapes(seed=0, rows=120), "auto", (3,), ["constant", "linear", "forest"],
    ),
    "sounds": (beeps, "auto", (1,), [*FLAT, "nearest_mean"]),
    "texts": (sentences, "auto", (1,), ["constant", "linear"]),
    "ratings": (
        lambda: generated.low_rank_ratings(seed=0, users=60, items=40, density=0.6),
        "ratings", (5,), ["constant", "linear", "popular"],
    ),
    "running text": (
        running, "next_token", (20, 2), ["constant", "ngrams", "ngrams", "ngrams"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Cases, list[Yardstick]]]:
    found = {}
    for name, (source, task, _, _) in KINDS.items():
        cases = cases_of(tmp_path_factory.mktemp("data") / "p", source(), task)
        if name == "sounds":
            facts = replace(cases["train"].facts, normalize=False)
            cases = {split: replace(case, facts=facts) for split, case in cases.items()}
        found[name] = cases, measure_yardsticks(cases, "auto", 0)
    return found


def kind_of(found: list[Yardstick], kind: str) -> Yardstick:
    return next(one for one in found if one.kind == kind)


@pytest.mark.parametrize("name", KINDS)
def test_predictions_have_the_form_that_the_scoring_reads(name: str, every: Any) -> None:
    """Every yardstick that fits is there, has the model's form on both splits and a finite loss."""
    (cases, found), (_, _, shape, kinds) = every[name], KINDS[name]

    assert [one.kind for one in found] == kinds
    for one in found:
        for split in HELD_OUT:
            assert one.predictions[split].shape == (len(cases[split].x), *shape)
            assert np.isfinite(score(cases, one, split=split)) == (one.kind != "popular")


@pytest.mark.parametrize("name", KINDS)
def test_the_constant_is_the_baseline(name: str, every: Any) -> None:
    """The constant's validation loss is what the scoring calls the baseline."""
    cases, found = every[name]
    scoring = importlib.import_module(cases["train"].task.scoring)

    assert score(cases, kind_of(found, "constant")) == pytest.approx(scoring.baseline(cases))


@pytest.mark.parametrize("name", ["two classes", "images", "sounds"])
def test_probabilities_are_probabilities(name: str, every: Any) -> None:
    """They lie from 0 to 1, those of several classes sum to 1, and a forest is never certain."""
    _, found = every[name]

    for one in found:
        p = one.predictions["validation"]
        assert ((p >= 0) & (p <= 1)).all()
        assert p.shape[1] == 1 or np.allclose(p.sum(axis=1), 1)
    assert (kind_of(found, "forest").predictions["validation"] > 0).all()


@pytest.mark.parametrize(
    ("name", "best"), [("a number", "linear"), ("two classes", "boosting"), ("texts", "linear")]
)
def test_each_kind_wins_where_it_should(name: str, best: str, every: Any) -> None:
    """Ridge regression wins on a slope, trees on a ring; pairs of words tell the order of two."""
    cases, found = every[name]
    losses = {one.kind: score(cases, one) for one in found if one.kind != "forest"}

    assert min(losses, key=losses.__getitem__) == best
    assert losses[best] < 0.6 * losses["constant"]


def test_every_learned_one_learns_sounds_and_labels(every: Any) -> None:
    """A coarse spectrum tells tones apart, and pixels say something of the shapes in them."""
    for name, share in (("sounds", 0.6), ("labels", 0.95)):
        cases, found = every[name]
        for one in found[1:]:
            assert score(cases, one) < share * score(cases, found[0])


def test_user_and_item_means_beat_the_mean(every: Any) -> None:
    """Biases explain part of made-up ratings; a user that training has not seen gets no bias."""
    cases, found = every["ratings"]
    means = kind_of(found, "linear")
    unseen = {name: replace(case, x=np.zeros_like(case.x)) for name, case in cases.items()}
    alone = kind_of(measure_yardsticks({**unseen, "train": cases["train"]}, "auto", 0), "linear")

    assert means.name == "user and item means"
    assert score(cases, means) < 0.9 * score(cases, found[0])
    assert np.ptp(alone.predictions["test"][:, 0]) == 0


def test_the_most_rated_items_have_the_model_case_figures(every: Any) -> None:
    """Their lists are those in the last two columns of the case; they predict no rating."""
    cases, found = every["ratings"]
    popular = kind_of(found, "popular")

    assert score(cases, popular, "recall_at_10") == 0.5
    assert np.isnan(score(cases, popular, "rmse"))


def test_the_same_bytes_again_and_on_one_core(
    tmp_path: Path, every: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing depends on the number of cores, and a second time gives the same bytes."""
    cases, found = every["two classes"]
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    with threadpool_limits(2):
        again = measure_yardsticks(cases, "auto", 0)

    for one, other in zip(found, again, strict=True):
        assert (one.name, one.rows) == (other.name, other.rows)
        assert one.predictions["test"].tobytes() == other.predictions["test"].tobytes()


def test_libraries_work_with_one_thread(every: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of several threads would differ in their last digits."""
    seen: list[int] = []

    def look(cases: Cases, seed: int) -> list[Yardstick]:
        seen.extend(one["num_threads"] for one in threadpool_info())
        return []

    monkeypatch.setitem(measure.MAKERS["classification"], "linear", look)
    with threadpool_limits(2):
        measure_yardsticks(every["two classes"][0], ["linear"], 0)

    assert set(seen) == {1}


@pytest.mark.parametrize("name", KINDS)
def test_held_out_targets_change_nothing(name: str, every: Any) -> None:
    """With the targets of the held-out rows reversed every prediction is the same."""
    cases, found = every[name]
    if name == "running text":  # a prediction is the loss of a target: likeliest codes stay
        return
    turned = {
        split: case if split == "train" else replace(case, y=np.array(case.y[::-1]))
        for split, case in cases.items()
    }

    for one, other in zip(found, measure_yardsticks(turned, "auto", 0), strict=True):
        assert np.array_equal(
            one.predictions["validation"], other.predictions["validation"], equal_nan=True
        )


def test_only_so_many_rows_are_learned_from(every: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows if they are affordable, else as many as are; none if these say too little."""
    chosen = choose_rows(10_000, 3000.7, [0])
    assert chosen is not None
    assert len(np.unique(chosen)) == 3000
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(not_none(choose_rows(100, 1e9, [0])), np.arange(100))
    assert choose_rows(10_000, 1999, [0]) is None

    cases, found = every["two classes"]
    assert {one.rows for one in found} == {len(cases["train"].y)}
    monkeypatch.setattr("truefit.evaluation.yardsticks.yardstick.FEWEST", 50)
    monkeypatch.setattr(learned, "LINEAR", 2 * 2 * 60)
    monkeypatch.setattr(learned, "BOOSTING", 0)
    few = measure_yardsticks(cases, ["linear", "boosting"], 0)
    assert [(one.kind, one.rows) for one in few] == [("linear", 60)]


def test_rows_are_predicted_in_parts(every: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of any size give what all rows at once give."""
    cases, found = every["two classes"]
    monkeypatch.setattr(learned, "BLOCK", 7)

    for one, other in zip(found, measure_yardsticks(cases, "auto", 0), strict=True):
        assert np.allclose(one.predictions["test"], other.predictions["test"])


def test_what_is_wanted_is_measured(every: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A list names kinds, and those that do not fit are said; null asks for none."""
    cases, _ = every["a number"]

    assert [one.kind for one in measure_yardsticks(cases, ["linear", "seasonal"], 0)] == ["linear"]
    assert "no yardstick of kind seasonal" in capsys.readouterr().out
    assert measure_yardsticks(cases, None, 0) == []
    assert capsys.readouterr().out == ""


def test_a_class_of_one_training_row_keeps_its_column(tmp_path: Path) -> None:
    """A class that the rows of a fit may lack still has a probability, and losses are finite."""
    random = np.random.default_rng(1)
    y = np.repeat([0, 1, 2], [60, 60, 3])
    cases = cases_of(tmp_path / "p", {"x": random.normal(size=(123, 6, 6, 1)), "y": y})

    found = measure_yardsticks(cases, "auto", 0)

    assert len(found) == 5
    for one in found:
        assert one.predictions["test"].shape[1] == 3
        assert np.isfinite(score(cases, one))


@pytest.mark.parametrize("name", ["linear", "boosting", "forest", "nearest mean"])
@pytest.mark.parametrize("seen", [[0, 2], [2]])
def test_a_class_without_rows_keeps_its_column(name: str, seen: list[int]) -> None:
    """Classes that none of the rows has get the probability 0, and the others keep their place."""
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    y = np.array(seen)[(x[:, 0] > 0).astype(int) % len(seen)]
    fits: dict[str, Callable[[], Any]] = {
        "linear": lambda: fit_linear(x, y, "classes", 3, (1.0, 100.0), 0),
        "boosting": lambda: fit_boosting(x, y, "classes", 3, 0),
        "forest": lambda: fit_forest(x, y, "classes", 3, 0),
        "nearest mean": lambda: fit_means(x, y, 3, 0),
    }

    p = fits[name]()(x)

    assert p.shape == (60, 3)
    assert np.allclose(p.sum(axis=1), 1)
    assert (np.delete(p, seen, axis=1) == 0).all()
    assert (p.argmax(axis=1) == y).mean() > 0.9


def test_large_images_are_averaged_over_squares(tmp_path: Path) -> None:
    """80 x 80 pixels become 40 x 40 means; what tells the classes apart is still seen."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 100)
    x = random.integers(0, 100, (100, 80, 80, 1)).astype(np.uint8)
    x[y == 1, :20] += 60
    cases = cases_of(tmp_path / "p", {"x": x, "y": y})

    one = measure_yardsticks(cases, ["linear"], 0)[0]

    assert one.name == "logistic regression on means of 2 x 2 pixels"
    assert score(cases, one, "accuracy") == 1.0


def test_a_spectrum_knows_pitch_and_no_loudness() -> None:
    """A louder tone has the same features, and a higher one has others."""
    time = np.arange(4000) / 8000
    noise = np.random.default_rng(0).normal(0, 100, 4000)
    tones = (3000 * np.sin(2 * np.pi * hertz * time) + noise for hertz in (300, 1500))
    low, high = (np.rint(tone) for tone in tones)

    quiet, loud, other = spectra(np.stack([low, 4 * low, high]).astype(np.int16))

    assert np.abs(quiet - loud).mean() < 0.1
    assert np.abs(quiet - other).mean() > 1


def test_longer_histories_know_more(every: Any) -> None:
    """On words of three letters trigrams are better than bigrams, and those than frequencies."""
    cases, found = every["running text"]

    losses = [score(cases, one) for one in found]

    assert losses[0] > losses[1] > losses[2]
    assert score(cases, found[2], "accuracy") > score(cases, found[0], "accuracy")


def test_the_mean_row_and_principal_components(tmp_path: Path) -> None:
    """The mean row is the baseline; components have the errors that the scoring knows already."""
    x = (np.random.default_rng(0).normal(size=(100, 6, 6, 1)) * 3 + 5).astype(np.float32)
    cases = cases_of(tmp_path / "p", {"x": x}, "reconstruction")
    mean, variance = (
        np.array(cases["train"].facts["statistics"][n], np.float32) for n in ("mean", "variance")
    )
    pca = PCA(2, random_state=0).fit(np.array(cases["train"].x).reshape(-1, 36))
    context = Context(None, pca, mean, np.sqrt(variance))
    cases = {name: replace(case, context=context) for name, case in cases.items()}

    constant, components = measure_yardsticks(cases, "auto", 0)

    middle = np.array(cases["train"].x).mean(axis=0)
    error = np.sqrt(np.mean((np.array(cases["test"].x) - middle) ** 2))
    scoring = importlib.import_module("truefit.evaluation.scoring.reconstruction")
    assert score(cases, constant) == pytest.approx(scoring.baseline(cases))
    assert score(cases, constant, "rmse", "test") == pytest.approx(error, rel=1e-5)
    assert score(cases, components) == 0.5
    assert components.name == "PCA of 2 components"


def test_generated_rows_have_no_yardstick(every: Any) -> None:
    """Where nothing is predicted there is none."""
    cases, _ = every["images"]
    task = replace(cases["train"].task, scoring="truefit.evaluation.scoring.generation")

    found = {name: replace(case, task=task) for name, case in cases.items()}

    assert measure_yardsticks(found, "auto", 0) == []
