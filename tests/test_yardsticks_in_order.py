"""Yardsticks of rows in order: the last value, that of a season ago, and what follows a code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from yardstick_cases import cases_of, score

from truefit.datasets.text import windows
from truefit.evaluation.yardsticks.measure import measure_yardsticks


def series(rows: int, period: int) -> np.ndarray:
    random = np.random.default_rng(0)
    season = random.normal(0, 3, period)
    time = np.arange(rows)
    return np.asarray(0.05 * time + season[time % period] + random.normal(0, 0.3, rows))


def test_the_past_of_rows_in_time(tmp_path: Path) -> None:
    """The last value and that of a season ago are exactly the targets of those rows before."""
    y = series(200, 7)
    x = np.random.default_rng(1).normal(size=(200, 3))
    cases = cases_of(tmp_path / "p", {"x": x, "y": y}, time=True)

    last, season = measure_yardsticks(cases, ["persistence", "seasonal"], 0)

    assert season.name == "same as 7 rows before"
    for split, start in (("validation", 120), ("test", 160)):
        rows = np.arange(start, start + 40)
        assert np.array_equal(last.predictions[split][:, 0], y[rows - 1])
        assert np.array_equal(season.predictions[split][:, 0], y[rows - 7])
    assert score(cases, season) < 0.5 * score(cases, last)


@pytest.mark.parametrize("channels", [0, 2])
def test_the_past_in_windows(tmp_path: Path, channels: int) -> None:
    """Windows of one series hold their past, however the rows are split."""
    y = series(200, 7)
    steps = np.stack([y[start : start + 10] for start in range(190)])
    x = np.stack([-steps, steps], axis=-1) if channels else steps
    cases = cases_of(tmp_path / "p", {"x": x, "y": y[10:]})

    last, season = measure_yardsticks(cases, ["persistence", "seasonal"], 0)

    held = cases["test"].x[..., 1] if channels else cases["test"].x
    assert np.array_equal(last.predictions["test"][:, 0], held[:, -1])
    assert np.array_equal(season.predictions["test"][:, 0], held[:, -7])


def test_no_past_where_the_order_is_not_known(tmp_path: Path) -> None:
    """Rows at random, and rows in the file's order but not in that of time, have no past."""
    x, y = np.random.default_rng(1).normal(size=(200, 3)), series(200, 7)
    days = np.random.default_rng(2).permutation(200)
    at_random = cases_of(tmp_path / "a", {"x": x, "y": y})
    mixed = cases_of(tmp_path / "b", {"x": x, "y": y, "keys": {"day": days}}, time="day")
    twice = cases_of(tmp_path / "c", {"x": x, "y": y, "keys": {"day": np.arange(200) // 2}},
                     time="day")  # fmt: skip
    sorted_ = cases_of(tmp_path / "d", {"x": x, "y": y, "keys": {"day": np.arange(200)}},
                       time="day")  # fmt: skip

    for cases in (at_random, mixed, twice):
        assert measure_yardsticks(cases, ["persistence", "seasonal"], 0) == []
    assert len(measure_yardsticks(sorted_, ["persistence", "seasonal"], 0)) == 2


@pytest.mark.parametrize("walk", [False, True])
def test_noise_has_no_season(tmp_path: Path, walk: bool) -> None:
    """No season is seen in white noise, nor in a random walk."""
    random = np.random.default_rng(3)
    y = random.normal(size=300)
    y = np.cumsum(y) if walk else y
    cases = cases_of(tmp_path / "p", {"x": random.normal(size=(300, 2)), "y": y}, time=True)

    assert measure_yardsticks(cases, ["seasonal"], 0) == []


def test_bigrams_by_hand(tmp_path: Path) -> None:
    """The loss of a bigram is what Witten and Bell's formula gives for counts made by hand."""
    content = "abracadabra abracadabra cad bar"
    cases = cases_of(tmp_path / "p", windows(content, 5, "here"), "next_token", stratify=False)
    x, y, size = cases["train"].x, cases["train"].y, cases["train"].facts["sizes"][0]
    pairs = list(zip(x.ravel().tolist(), y.ravel().tolist(), strict=True))

    def p(after: int | None, code: int) -> float:
        follow = [second for first, second in pairs if after in (None, first)]
        lower = 1 / size if after is None else p(None, code)
        kinds = len(set(follow))
        return (follow.count(code) + kinds * lower) / (len(follow) + kinds) if follow else lower

    found = measure_yardsticks(cases, ["ngrams"], 0)

    test = cases["test"]
    wanted = [
        -np.log(p(int(a), int(b))) for a, b in zip(test.x.ravel(), test.y.ravel(), strict=True)
    ]
    assert [one.name for one in found] == ["bigrams", "trigrams", "5-grams"]
    assert np.allclose(found[0].predictions["test"][..., 0].ravel(), wanted)
