from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from dvc.utils.hydra import apply_overrides
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from truefit.advice import next_try
from truefit.compose import resolve
from truefit.config import read_yaml
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
from truefit.trees import flatten

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


SPLITS: Any = {"train": {}, "validation": {}}
IMAGES: Any = {"input_shape": [8, 8, 1], "target": {"kind": "classes"}, "splits": SPLITS}
NUMBERS: Any = {"input_shape": [10], "target": {"kind": "number"}, "splits": SPLITS}
RARE = {
    **IMAGES,
    "splits": {
        "train": {"classes": {"a": 90, "b": 6}},
        "validation": {"classes": {"a": 9, "b": 2}},
    },
}
DECAYED = {"regularization": {"l2": 0.01}}
SGD = {"set": {"optimizer": "sgd"}}
ADVICE: list[tuple[str, Any, Any, str]] = [
    ("gap", {}, IMAGES, "augmentation=images"),
    ("gap", {"augmentation": "images"}, IMAGES, "regularization=searched"),
    ("gap", {"data": "diabetes"}, NUMBERS, "regularization=searched"),
    ("gap", {"experiment": "unregularized"}, IMAGES, "augmentation=images"),
    ("gap", {"experiment": "regularized"}, IMAGES, "augmentation=images"),
    ("ragged", {}, IMAGES, "++set.optimizer.learning_rate=0.0001"),
    ("diverged", SGD, IMAGES, "optimizer=sgd"),
    ("no better than naive", {}, IMAGES, "++set.model.units=256"),
    ("beaten by a forest", {}, IMAGES, "++set.model.units=256"),
    ("unfinished", {}, IMAGES, "training.epochs=80"),
    ("wide interval", {}, IMAGES, "++set.search=folds"),
    ("wide interval", {"set": {"search": "folds"}}, IMAGES, "++set.data.split.validation=0.4"),
    ("shared rows", {}, IMAGES, "++set.data.split.duplicates=together"),
    ("better than training", {}, IMAGES, "seed=1"),
    # What is chosen at the top, in a block, or below `set:` stays as it is.
    ("unfinished", {"training": "searched"}, IMAGES, "++set.training.epochs=80"),
    ("unfinished", {"set": {"training": {"epochs": 10}}}, IMAGES, "++set.training.epochs=20"),
    ("unfinished", {"set": {"training": "cosine"}}, IMAGES, "training.epochs=80"),
    (
        "gap", {"search": "folds", "augmentation": "images", **DECAYED}, IMAGES,
        "++set.search.n_trials=40",
    ),
    (
        "gap", {"augmentation": "images", "set": {"search": "folds", **DECAYED}}, IMAGES,
        "search.n_trials=40",
    ),
    (
        "ragged", {"search": "folds", "optimizer": "sgd"}, IMAGES,
        "++set.model.depth=2",
    ),
    (
        "diverged", {"training": {"epochs": 7}, "set": {"search": "folds"}}, IMAGES,
        "search.n_trials=0",
    ),
    (
        "wide interval",
        {"search": {"n_trials": 7}, "set": {"search": {"finalists": {"count": 0}}}}, IMAGES,
        "search=folds",
    ),
    ("wide interval", {"set": {"pruner": "hyperband"}}, IMAGES, "++set.data.split.validation=0.4"),
    ("wide interval", {}, RARE, "++set.data.split.validation=0.4"),
]  # fmt: skip


def differing(before: Any, after: Any) -> set[str]:
    """The dotted keys whose values are not the same."""
    old, new = flatten(before), flatten(after)
    return {key for key in {*old, *new} if old.get(key) != new.get(key)}


@pytest.mark.parametrize(("cause", "chosen", "facts", "expected"), ADVICE)
def test_advice_can_be_pasted(
    project: Path, cause: str, chosen: Any, facts: Any, expected: str
) -> None:
    """As DVC applies it to params.yaml it composes, keeps what was chosen, changes something."""
    params = OmegaConf.load(ROOT / "params.yaml")
    Path("params.yaml").write_text(OmegaConf.to_yaml(OmegaConf.merge(params, {"set": {}}, chosen)))
    before = resolve(read_yaml(Path("params.yaml")))
    verdict = Verdict("overfit", "x alone says it", cause)

    line = next_try(verdict, before, {"model.depth": 2}, facts)
    apply_overrides("params.yaml", [part.strip("' ") for part in line.split(" -S ")[1:]])
    after = resolve(read_yaml(Path("params.yaml")))

    assert f"'{expected}'" in line
    assert (changed := differing(before, after))
    named = set(re.findall(r"'\+*(?:set\.)?([\w.]+)=", line))
    choice = expected.lstrip("+").removeprefix("set.").partition("=")[0]  # or one value's key
    brought = ("search.space", "pruner", choice)
    assert {k for k in changed - named if not k.startswith(brought)} == set()
    if "regularization=searched" in line:
        assert "regularization.l2" in after["search"]["space"]


@pytest.mark.parametrize(
    ("cause", "chosen"),
    [
        ("shared rows", {"set": {"data": {"split": {"time": True, "stratify": False}}}}),
        ("better than training", {"set": {"data": {"split": {"time": True, "stratify": False}}}}),
        ("revealing feature", {}),
        ("gap", {"experiment": "gan"}),
    ],
)
def test_no_advice_is_better_than_a_wrong_one(cause: str, chosen: Any) -> None:
    """Where no override helps, none is named."""
    verdict = Verdict("suspicious", "mean radius alone explains it", cause)

    assert next_try(verdict, resolve(chosen), {}, IMAGES) == ""


def test_more_time_comes_before_a_larger_model() -> None:
    """A training that its time limit ended, and that has learned too little, gets more of it."""
    config = resolve({"set": {"training": {"time_limit": 200}}})
    verdict = Verdict("underfit", "", "no better than naive")

    line = next_try(verdict, config, {}, IMAGES, timed_out=True)

    assert "training.time_limit=400" in line
    assert "units" not in line


def test_a_good_training_needs_no_advice() -> None:
    """Nothing is proposed where nothing is wrong."""
    assert next_try(Verdict("good", "", "none"), resolve({}), {}, IMAGES) == ""
