from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from truefit.datasets import generated
from truefit.datasets.generated import (
    bayes_accuracy,
    boundary,
    grammars,
    line,
    low_rank_ratings,
    python_docs,
    shapes,
    tones,
)

SEEDED = ["line", "boundary", "low_rank_ratings", "tones", "grammars", "shapes"]


def values(source: dict[str, Any]) -> list[list[Any]]:
    parts = [source["x"], source["y"], *source.get("tables", {}).values()]
    return [np.asarray(part).tolist() for part in parts]


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_decides_what_is_made(name: str) -> None:
    """The same seed gives the same data, another one others."""
    make = getattr(generated, name)
    small = {"users": 20, "items": 15} if name == "low_rank_ratings" else {"rows": 40}

    first, again, other = (values(make(seed=seed, **small)) for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_the_line_has_its_noise() -> None:
    """What the rule leaves unexplained has the standard deviation that was asked for."""
    source = line(seed=0, rows=20_000, noise=0.3)

    rest = source["y"] - (2 * source["x"][:, 0] + 1)
    assert rest.std() == pytest.approx(0.3, rel=0.02)
    assert source["x"].min() >= -3
    assert source["x"].max() <= 3


@pytest.mark.parametrize("noise", [0.0, 0.3, 0.75, 3.0])
def test_the_bayes_rate_is_what_the_best_rule_reaches(noise: float) -> None:
    """The formula agrees with the accuracy of the rule s > 0 on many rows."""
    source = boundary(seed=0, rows=200_000, noise=noise)
    x = source["x"]

    reached = ((x[:, 0] + 2 * x[:, 1] - 0.5 > 0) == source["y"]).mean()

    assert bayes_accuracy(x, noise) == pytest.approx(reached, abs=0.003)


def test_the_default_boundary_allows_nine_in_ten() -> None:
    """As it comes, the best rule is right in about 90 % of the rows."""
    assert bayes_accuracy(boundary(seed=1)["x"], 0.75) == pytest.approx(0.9, abs=0.005)


def test_made_ratings_have_the_rank_that_they_say() -> None:
    """Without noise and biases taken out, ratings of all pairs have as few factors as asked for."""
    source = low_rank_ratings(seed=0, users=30, items=20, rank=2, noise=0, density=1.0)
    table = source["x"].assign(y=source["y"]).pivot_table("y", "user_id", "item_id")

    middle = table.to_numpy() - table.mean(axis=1).to_numpy()[:, np.newaxis]
    strengths = np.linalg.svd(middle - middle.mean(axis=0), compute_uv=False)

    assert strengths[1] > 1
    assert strengths[2] < 1e-9


def test_what_is_known_of_users_explains_their_ratings() -> None:
    """The features of a pair, multiplied, go along with the rating."""
    source = low_rank_ratings(seed=0)
    tables = [source["tables"][name].loc[source["x"][name]].to_numpy() for name in source["x"]]

    match = (tables[0] * tables[1]).sum(axis=1)

    assert not source["x"].duplicated().any()
    assert np.corrcoef(match, source["y"])[0, 1] > 0.5


def test_words_alone_do_not_tell_the_grammars_apart() -> None:
    """Counts of words or of pairs of words leave a classifier near chance."""
    source = grammars(seed=0)
    labels = source["y"].to_numpy()
    scores = []
    for size in (1, 2):
        counts = CountVectorizer(ngram_range=(size, size), token_pattern=r"\S+")  # noqa: S106 - of words
        x = counts.fit_transform(source["x"]["text"])
        model = LogisticRegression(C=0.1, max_iter=2000).fit(x[:800], labels[:800])
        scores.append(model.score(x[800:], labels[800:]))

    assert max(scores) < 0.65
    assert source["x"]["text"].is_unique
    assert (source["y"] == "object").mean() == 0.5


def test_the_order_of_words_tells_the_grammars_apart() -> None:
    """Whether a verb stands before "that" is the grammar."""
    source = grammars(seed=1)
    verbs = set(generated.WORDS["V"])

    before = source["x"]["text"].map(lambda text: bool(verbs & set(text.split("that")[0].split())))

    assert (before == (source["y"] == "object")).all()


def test_tones_are_balanced_and_are_where_they_say() -> None:
    """Each speaker makes each sound equally often; low is lower than high whoever speaks."""
    source = tones(seed=0, rows=144)
    spectra = np.abs(np.fft.rfft(source["x"]))[:, :600]  # up to 1,200 Hz in steps of 2
    pitch = pd.Series(spectra.argmax(axis=1) * 2.0).groupby([source["y"]]).median()

    counts = pd.crosstab(source["y"], source["keys"]["speaker"])
    assert (counts == 4).all(axis=None)
    assert source["keys"]["take"].tolist() == [row // 36 for row in range(144)]
    assert source["x"].shape == (144, 4000)
    assert pitch["low"] < 300 < pitch["middle"] < 500 < pitch["high"]


def test_shapes_may_be_any_subset() -> None:
    """All eight subsets come up; an image without a shape is dark, one with three is not."""
    source = shapes(seed=0, noise=0.02)
    count = source["y"].sum(axis=1).to_numpy()
    light = source["x"].mean(axis=(1, 2, 3))

    assert len(source["y"].drop_duplicates()) == 8
    assert source["x"].shape == (600, 16, 16, 1)
    assert light[count == 0].max() < light[count == 3].min()


def test_pythons_help_is_running_text() -> None:
    """Windows of what comes with Python, a character apart at their seams."""
    windows = python_docs(length=50)["x"]["text"]

    assert len(windows) > 5000
    assert set(windows.str.len()) == {51}
    assert (windows.str[-1][:-1].to_numpy() == windows.str[0][1:].to_numpy()).all()
