from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, dataset_json
from dvc.utils.hydra import apply_overrides
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from truefit.core.prepared.caps import Cap
from truefit.core.resolved import read_yaml
from truefit.core.trees import flatten
from truefit.core.words import YardstickKind
from truefit.evaluation.advice import Advice, advise
from truefit.evaluation.curves import raggedness
from truefit.evaluation.evidence import Beside, Curve, Evidence, Lead, Leaks, Losses, Missed, Sure
from truefit.evaluation.finding import Verdict
from truefit.evaluation.overfitting import judge
from truefit.stages.compose import resolve

SMOOTH = Curve([1.0, 0.4, 0.2, 0.11, 0.1, 0.1], [1.0, 0.5, 0.2, 0.14, 0.12, 0.12], 40, 5, 2.3)
GOOD = Losses(0.10, 0.12, 2.3, gap_low=0.01, gap_high=0.05, rows=300, surely_better=True)
FINE = Evidence(GOOD, SMOOTH, Leaks({"validation": 300}, {"validation": 2}, {"validation": 0}))


def with_losses(train: float, validation: float, base: float, **more: Any) -> Evidence:
    known = {"rows": 300, "gap_low": 0.0, "gap_high": 0.1, "surely_better": True, **more}
    return replace(FINE, losses=Losses(train, validation, base, **known))


def gap(low: float, high: float) -> dict[str, float]:
    return {"gap_low": low, "gap_high": high}


def beside(kind: YardstickKind, loss: float, lead: float, p: float) -> tuple[Beside, ...]:
    return (Beside(kind, kind, loss, (Lead("loss", lead, lead - 0.1, lead + 0.1, p),)),)


RISING = Curve([1.0, 0.5, 0.2, 0.1, 0.05, 0.01], [1.0, 0.6, 0.5, 0.6, 0.8, 1.0], 6, 6, 2.3)
LARGE_GAP = with_losses(0.01, 0.90, 2.3, **gap(0.5, 1.2))
CASES = {
    "small gap": (FINE, "good", "none"),
    "validation a little better": (with_losses(0.12, 0.10, 2.3, **gap(-0.1, 0.06)), "good", "none"),
    "a large gap at the best epoch": (LARGE_GAP, "good", "none"),
    "kept long after the best epoch": (replace(FINE, curve=RISING), "overfit", "past the minimum"),
    "a rise that is noise": (
        replace(FINE, curve=Curve([2, 1.5, 1.2, 1.0], [2, 1.4, 1.55, 1.5], 40, 4, 2.3)),
        "good", "none",
    ),
    "worse than naive by learning": (
        with_losses(0.01, 2.50, 2.3, **gap(1.0, 3.0), surely_better=False),
        "overfit", "worse than naive",
    ),
    "a simpler model is better, with a gap": (
        replace(LARGE_GAP, beside=beside("linear", 0.5, 0.4, 1e-6)),
        "overfit", "simpler is better",
    ),
    "another model is better, with a gap": (
        replace(LARGE_GAP, beside=beside("boosting", 0.5, 0.4, 1e-6)), "beaten", "beaten",
    ),
    "better than the model on its own rows": (
        replace(with_losses(0.8, 0.9, 2.3), beside=beside("boosting", 0.5, 0.4, 1e-6)),
        "underfit", "beaten",
    ),
    "as good as chance has it": (
        replace(LARGE_GAP, beside=beside("linear", 0.5, 0.4, 0.2)), "good", "none",
    ),
    "better by a trifle": (
        replace(FINE, beside=beside("boosting", 0.119, 0.001, 1e-6)), "good", "none",
    ),
    "may be no better than naive": (
        with_losses(0.5, 2.1, 2.3, **gap(0.5, 2.5), surely_better=False),
        "validation too small", "few rows",
    ),
    "few rows": (replace(FINE, losses=replace(GOOD, rows=29)), "validation too small", "few rows"),
    "nothing learned": (
        with_losses(2.29, 2.31, 2.3, surely_better=False), "underfit", "no better than naive",
    ),
    "nothing learned within the time limit": (
        replace(
            with_losses(2.29, 2.31, 2.3, surely_better=False),
            curve=Curve([2.3, 2.29], [2.31, 2.31], 40, 1, 2.3, limit=20.0),
        ),
        "underfit", "time limit",
    ),
    "nothing to learn": (
        replace(
            with_losses(2.29, 2.31, 2.3, surely_better=False),
            beside=beside("boosting", 2.32, -0.01, 0.9),
        ),
        "underfit", "nothing to learn",
    ),
    "still falling": (
        replace(FINE, curve=Curve([2, 1.5, 1.0], [2, 1.5, 1.0], 3, 3, 2.3)),
        "underfit", "unfinished",
    ),
    "ended by its time limit while falling": (
        replace(FINE, curve=Curve([2, 1.5, 1.0], [2, 1.5, 1.0], 40, 3, 2.3, limit=20.0)),
        "underfit", "time limit",
    ),
    "stopped early while falling": (
        replace(FINE, curve=Curve([2, 1.5, 1.0], [2, 1.5, 1.0], 40, 3, 2.3)), "good", "none",
    ),
    "ragged": (
        replace(FINE, curve=Curve([1.0, 0.3, 0.9, 0.2, 1.1], [1.0] * 5, 40, 4, 2.3)),
        "learning rate too high", "ragged",
    ),
    "up and down without learning": (
        replace(FINE, curve=Curve([2.4, 9.0, 2.5, 7.0], [2.4] * 4, 40, 1, 2.3)),
        "learning rate too high", "ragged",
    ),
    "worse than naive after an epoch": (
        replace(FINE, curve=Curve([90.0, 9.0, 3.0], [80.0, 9.0, 3.0], 40, 3, 2.3)),
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
        with_losses(0.9, 0.4, 2.3, **gap(-0.6, -0.4)), "suspicious", "better than training",
    ),
    "a class that is never named": (
        replace(FINE, missed=Missed("yes", 12)), "imbalanced", "rare class",
    ),
    "sure mistakes": (
        replace(FINE, sure=Sure(100, 12, 0.06, 0.15, 0.5)), "label noise", "label noise",
    ),
    "sure mistakes of a weak signal": (
        replace(FINE, sure=Sure(100, 22, 0.15, 0.36, 0.5)), "good", "none",
    ),
    "few sure mistakes": (replace(FINE, sure=Sure(100, 3, 0.01, 0.15, 0.5)), "good", "none"),
    "a target cut off": (
        replace(FINE, cap=Cap(500_001.0, 90, 2000, 1.0)), "capped target", "capped target",
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
    sure = validation + spread < 1
    losses = Losses(train, validation, 1.0, gap - spread, gap + spread, rows, sure)
    leaks = Leaks({"validation": 50}, {"validation": shared}, {"validation": 0})

    found = judge(Evidence(losses, Curve(curve, curve, 12, len(curve), 1.0), leaks))

    assert found.evidence
    assert (found.name == "suspicious") == (found.cause in ("shared rows", "better than training"))
    if shared > 2:
        assert found.name == "suspicious"


@given(st.lists(st.floats(0.001, 2.0), min_size=2, max_size=30))
def test_a_falling_curve_is_not_ragged(losses: list[float]) -> None:
    """Raggedness is 0 where the loss never rises, and grows with what it rises by."""
    falling = sorted(losses, reverse=True)
    spoilt = [falling[0], falling[0] + 1.0, *falling[1:]]

    assert raggedness(Curve(falling, falling, 30, 1, 2.5)) == 0
    assert raggedness(Curve(spoilt, spoilt, 30, 1, 2.5)) > 0


SPLITS: Any = {"train": {"rows": 160}, "validation": {"rows": 40}}
PIXELS: Any = {
    "input_shape": [8, 8, 1], "target": {"kind": "classes"}, "splits": SPLITS, "sizes": None,
}  # fmt: skip
IMAGES = dataset_json(**PIXELS)
NUMBERS = dataset_json(input_shape=[10], splits=SPLITS)
RARE = dataset_json(
    **{
        **PIXELS,
        "splits": {
            "train": {"rows": 96, "classes": {"a": 90, "b": 6}},
            "validation": {"rows": 11, "classes": {"a": 9, "b": 2}},
        },
    }
)
DECAYED = {"regularization": {"l2": 0.01}}
SGD = {"set": {"optimizer": "sgd"}}
GAP = "simpler is better"
UNTUNED = {"search": {"n_trials": 0}}
ADVICE: list[tuple[str, Any, Any, str]] = [
    ("worse than naive", {"augmentation": "images", "experiment": "quick"}, IMAGES,
     "regularization=searched"),
    (GAP, {}, IMAGES, "model=linear"),
    (GAP, {"experiment": "regularized"}, IMAGES, "augmentation=images"),
    (GAP, {"set": {"model": {"units": 9}}}, IMAGES, "augmentation=images"),
    (GAP, {"model": "linear", "data": "diabetes"}, NUMBERS, "regularization=searched"),
    ("past the minimum", {"experiment": "unregularized"}, IMAGES, "++set.training.patience=15"),
    ("ragged", {}, IMAGES, "++set.optimizer.learning_rate=0.0001"),
    ("ragged", {**UNTUNED, "set": {"optimizer": {"learning_rate": 3.0}}}, IMAGES,
     "++set.optimizer.learning_rate=0.001"),
    ("diverged", SGD, IMAGES, "++set.optimizer.learning_rate=0.005"),
    ("no better than naive", UNTUNED, IMAGES, "search.n_trials=20"),
    ("no better than naive", {}, IMAGES, "training.epochs=160"),
    ("no better than naive", {**UNTUNED, "set": {"optimizer": {"learning_rate": 1e-6}}}, IMAGES,
     "++set.optimizer.learning_rate=0.0001"),
    ("beaten", {"model": "linear"}, IMAGES, "model=mlp"),
    ("no better than naive", {"set": {"model": "linear", **UNTUNED}}, IMAGES, "++set.model=mlp"),
    ("beaten", {"set": {"model": {"units": 8}}}, IMAGES, "++set.model.units=32"),
    ("unfinished", {}, IMAGES, "training.epochs=160"),
    ("time limit", {"set": {"training": {"time_limit": 20}}}, IMAGES,
     "++set.training.time_limit=80"),
    ("few rows", {}, IMAGES, "++set.search=folds"),
    # What is chosen at the top, in a block, or below `set:` stays as it is.
    ("unfinished", {"training": "searched"}, IMAGES, "++set.training.epochs=160"),
    ("unfinished", {"set": {"training": {"epochs": 10}}}, IMAGES, "++set.training.epochs=40"),
    ("unfinished", {"set": {"training": "cosine"}}, IMAGES, "training.epochs=160"),
    (
        "worse than naive", {"search": "folds", "augmentation": "images", **DECAYED}, IMAGES,
        "++set.search.n_trials=40",
    ),
    (
        "worse than naive", {"augmentation": "images", "set": {"search": "folds", **DECAYED}},
        IMAGES, "search.n_trials=40",
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
        "few rows",
        {"search": {"n_trials": 7}, "set": {"search": {"finalists": {"n_finalists": 0}}}}, IMAGES,
        "search=folds",
    ),
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
    subject = {GAP: "linear", "worse than naive": "constant"}.get(cause, "")
    name: Any = "underfit" if cause in ("beaten", "no better than naive") else "overfit"
    verdict = Verdict(name, "x alone says it", cause, subject)

    line = advise(verdict, before, {"model.depth": 2, "training.seed": 7}, facts).command
    apply_overrides("params.yaml", [part.strip("' ") for part in line.split(" -S ")[1:]])
    after = resolve(read_yaml(Path("params.yaml")))

    assert f"'{expected}'" in line
    assert "training.seed" not in line  # it is of the winner's training alone
    assert (changed := differing(before, after))
    named = set(re.findall(r"'\+*(?:set\.)?([\w.]+)=", line))
    choice = expected.lstrip("+").removeprefix("set.").partition("=")[0]  # or one value's key
    brought = ("search.space", "pruner", choice)
    assert {k for k in changed - named if not k.startswith(brought)} == set()
    if "regularization=searched" in line:
        assert "regularization.l2" in after["search"]["space"]


IN_TIME: Any = {"set": {"data": {"split": {"time": True, "stratify": False}}}}
LARGER = "++set.data.split.validation=0.4"
LEAKS_AND_MORE = [
    ("few rows", {"set": {"search": "folds"}}, LARGER),
    ("few rows", {"set": {"pruner": "hyperband"}}, LARGER),
    ("few rows", UNTUNED, LARGER),
    ("few rows", {"set": {**UNTUNED, "data": {"split": {"validation": 0.5}}}}, ""),
    ("shared rows", {}, "data.split.duplicates=together"),
    ("better than training", {}, "seed=1"),
    ("shared rows", IN_TIME, ""),
    ("better than training", IN_TIME, ""),
    ("revealing feature", {}, ""),
    ("label noise", {}, ""),
    ("capped target", {}, ""),
    ("rare class", {}, ""),
    ("nothing to learn", {}, ""),
]


@pytest.mark.parametrize(("cause", "chosen", "measured"), LEAKS_AND_MORE)
def test_where_no_setting_makes_a_better_model_this_is_said(
    cause: str, chosen: Any, measured: str
) -> None:
    """No command is promised to help; what takes a leak out is named as what it is."""
    name: Any = "validation too small" if cause == "few rows" else "suspicious"
    verdict = Verdict(name, "mean radius alone explains it", cause, "mean radius")

    advice = advise(verdict, resolve(chosen), {}, IMAGES)

    assert advice.command == ""
    assert advice.remark
    assert ("dvc exp run" in advice.remark) == bool(measured)
    assert measured in advice.remark


def test_folds_are_not_proposed_where_a_class_has_too_few_rows() -> None:
    """A class of fewer rows than folds is in none of some of them."""
    advice = advise(Verdict("validation too small", "", "few rows"), resolve({}), {}, RARE)

    assert LARGER in advice.remark


def test_no_advice_is_better_than_a_wrong_one() -> None:
    """Remedies against overfitting are not proposed to two players."""
    verdict = Verdict("overfit", "", "worse than naive", "constant")

    assert advise(verdict, resolve({"experiment": "gan"}), {}, IMAGES).command == ""


def test_a_good_training_needs_no_advice() -> None:
    """Nothing is proposed where nothing is wrong."""
    assert advise(Verdict("good", "", "none"), resolve({}), {}, IMAGES) == Advice("")
