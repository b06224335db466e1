from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truefit.advice import next_try
from truefit.compose import resolve
from truefit.overfitting import (
    Curve,
    Evidence,
    Forest,
    Leaks,
    Losses,
    Verdict,
    judge,
    raggedness,
)

SMOOTH = Curve([1.0, 0.4, 0.2, 0.11, 0.1, 0.1], [1.0, 0.5, 0.2, 0.14, 0.12, 0.12], 40, 5)
GOOD = Losses(0.10, 0.12, 0.2, 2.3, gap_low=0.01, gap_high=0.05, rows=300)
FINE = Evidence(GOOD, SMOOTH, Leaks({"validation": 300}, {"validation": 2}, {"validation": 0}))


def with_losses(train: float, validation: float, high: float, base: float, **more: Any) -> Evidence:
    return replace(FINE, losses=Losses(train, validation, high, base, **{"rows": 300, **more}))


def gap(low: float, high: float) -> dict[str, float]:
    return {"gap_low": low, "gap_high": high}


CASES = {
    "small gap": (FINE, "good", "none"),
    "validation a little better": (
        with_losses(0.12, 0.10, 0.2, 2.3, **gap(-0.1, 0.06)), "good", "none",
    ),
    "large gap": (with_losses(0.01, 0.90, 1.2, 2.3, **gap(0.5, 1.2)), "overfit", "gap"),
    "worse than naive by learning": (
        with_losses(0.01, 2.50, 2.9, 2.3, **gap(1.0, 3.0)), "overfit", "gap",
    ),
    "a gap that may be none": (
        with_losses(0.01, 0.90, 1.2, 2.3, **gap(-0.1, 1.7)), "validation too small",
        "wide interval",
    ),
    "few rows": (
        replace(FINE, losses=replace(GOOD, rows=29)), "validation too small", "wide interval",
    ),
    "nothing learned": (
        with_losses(2.29, 2.31, 2.4, 2.3, **gap(0.0, 0.1)), "underfit", "no better than naive",
    ),
    "little to learn": (
        with_losses(0.193, 0.192, 0.3, 0.199, **gap(-0.1, 0.1)), "underfit", "no better than naive",
    ),
    "still falling": (
        replace(FINE, curve=Curve([2, 1.5, 1.0], [2, 1.5, 1.0], 3, 3)), "underfit", "unfinished",
    ),
    "stopped early while falling": (
        replace(FINE, curve=Curve([2, 1.5, 1.0], [2, 1.5, 1.0], 40, 3)), "good", "none",
    ),
    "a forest does better": (
        replace(FINE, forest=Forest(40, 3, 1e-6)), "underfit", "beaten by a forest",
    ),
    "a gap, and little learned that a forest learns": (
        Evidence(
            Losses(0.8, 0.9, 1.0, 1.1, gap_low=0.05, gap_high=0.15, rows=300), SMOOTH, Leaks(),
            Forest(200, 50, 1e-9),
        ),
        "underfit", "beaten by a forest",
    ),
    "a forest does as well": (replace(FINE, forest=Forest(9, 8, 0.5)), "good", "none"),
    "ragged": (
        replace(FINE, curve=Curve([1.0, 0.3, 0.9, 0.2, 1.1], [1.0] * 5, 40, 4)),
        "learning rate too high", "ragged",
    ),
    "up and down without learning": (
        replace(FINE, curve=Curve([2.4, 9.0, 2.5, 7.0], [2.4] * 4, 40, 1)),
        "learning rate too high", "ragged",
    ),
    "rows in both splits": (
        replace(FINE, leaks=Leaks({"test": 100}, {"test": 30}, {"test": 1})),
        "suspicious", "shared rows",
    ),
    "rows that chance puts in both": (
        replace(FINE, leaks=Leaks({"test": 100}, {"test": 30}, {"test": 20})), "good", "none",
    ),
    "the answer among the features": (
        replace(FINE, leaks=Leaks({}, {}, {}, "paid", 0.995, 0.4)), "suspicious",
        "revealing feature",
    ),
    "two features that say alike": (
        replace(FINE, leaks=Leaks({}, {}, {}, "petal", 0.98, 0.95)), "good", "none",
    ),
    "validation far better": (
        with_losses(0.9, 0.4, 0.5, 2.3, **gap(-0.6, -0.4)), "suspicious", "better than training",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("evidence", "name", "cause"), CASES.values(), ids=CASES)
def test_the_verdict_follows_the_evidence(evidence: Evidence, name: str, cause: str) -> None:
    """Each rule finds what it is for, names it in a sentence, and leaves its neighbours alone."""
    found = judge(evidence)

    assert (found.name, found.cause) == (name, cause)
    assert len(found.evidence.split()) > 5


@given(
    train=st.floats(0, 5),
    gap=st.floats(-3, 3),
    spread=st.floats(0, 2),
    rows=st.integers(1, 9999),
    curve=st.lists(st.floats(0, 1e6), max_size=12),
    shared=st.integers(0, 50),
)
def test_every_training_has_a_verdict(
    train: float, gap: float, spread: float, rows: int, curve: list[float], shared: int
) -> None:
    """No finite evidence is beyond the rules, and shared rows are never called good."""
    validation = train + gap
    losses = Losses(train, validation, validation + spread, 1.0, gap - spread, gap + spread, rows)
    leaks = Leaks({"validation": 50}, {"validation": shared}, {"validation": 0})

    found = judge(Evidence(losses, Curve(curve, curve, 12, len(curve)), leaks))

    assert found.evidence
    assert (found.name == "suspicious") == (found.cause in ("shared rows", "better than training"))
    if shared > 2:
        assert found.name == "suspicious"


@given(st.lists(st.floats(0.001, 2.0), min_size=2, max_size=30))
def test_a_falling_curve_is_not_ragged(losses: list[float]) -> None:
    """Raggedness is 0 where the loss never rises, and grows with what it rises by."""
    falling = sorted(losses, reverse=True)
    spoilt = [falling[0], falling[0] + 1.0, *falling[1:]]

    assert raggedness(Curve(falling, falling, 30, 1), 2.5) == 0
    assert raggedness(Curve(spoilt, spoilt, 30, 1), 2.5) > 0


ADVICE = {
    "gap": "++set.regularization=searched",
    "ragged": "++set.optimizer.learning_rate=0.0001",
    "diverged": "++set.optimizer.learning_rate=0.0001",
    "no better than naive": "++set.model.units=256",
    "beaten by a forest": "++set.model.units=256",
    "unfinished": "training.epochs=80",
    "wide interval": "++set.search=folds",
    "shared rows": "++set.data.split.duplicates=together",
    "better than training": "seed=1",
}


@pytest.mark.parametrize("cause", ADVICE)
def test_advice_can_be_pasted(cause: str) -> None:
    """The command names a key that there is, and composes to another configuration."""
    config = resolve({})
    line = next_try(Verdict("overfit", "x alone says it", cause), config, {"model.depth": 2})

    assert f"-S '{ADVICE[cause]}'" in line
    overrides = [part.strip("' ") for part in line.split(" -S ")[1:]]
    changed: dict[str, Any] = {"set": {}}
    for override in overrides:
        key, _, value = override.partition("=")
        block = changed
        *path, last = key.removeprefix("++").split(".")
        for part in path:
            block = block.setdefault(part, {})
        block[last] = _plain(value)
    assert resolve(changed) != config


def _plain(value: str) -> Any:
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        return value


def test_a_good_training_needs_no_advice() -> None:
    """Nothing is proposed where nothing is wrong."""
    assert next_try(Verdict("good", "", "none"), resolve({}), {}) == ""
    assert np.isfinite(GOOD.gap)
