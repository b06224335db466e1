from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sections
from hypothesis import given
from hypothesis import strategies as st

from truefit.core.prepared.duplicates import row_digests
from truefit.core.prepared.folder import SPLITS, Split, read_facts, read_split
from truefit.datasets.prepare import prepare
from truefit.evaluation.drift import find_drift
from truefit.evaluation.leaks import find_leaks
from truefit.tracking.looks import count_looks


def rows(count: int = 400, features: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, features)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


def splits_of(
    folder: Path, x: Any, y: np.ndarray, kind: str = "classes", **split: Any
) -> tuple[dict[str, Split], Any]:
    data = sections.data(**{"validation": 0.25, "test": 0.25, **split})
    prepare({"x": x, "y": y}, data, kind, 0, folder)
    return {name: read_split(folder, name) for name in SPLITS}, read_facts(folder)


@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=2), min_size=1, max_size=30))
def test_digests_tell_rows_apart(values: list[list[int]]) -> None:
    """Equal rows have equal digests, others others, as arrays and as tables."""
    x = np.array(values, np.float32)

    for digests in (row_digests(x), row_digests(pd.DataFrame(x))):
        assert len(np.unique(digests)) == len({tuple(row) for row in values})


def test_rows_in_two_splits_are_counted(tmp_path: Path) -> None:
    """Rows that were copied before the splits were made are found, exactly as many as there are."""
    x, y = rows()
    splits, facts = splits_of(tmp_path / "p", np.concatenate([x, x[:200]]), np.r_[y, y[:200]])
    train = {row.tobytes() for row in splits["train"].x}

    leaks = find_leaks(splits, facts, 0)

    for name in ("validation", "test"):
        assert leaks.shared[name] == sum(row.tobytes() in train for row in splits[name].x) > 20
        assert leaks.by_chance[name] == 0


def test_equal_rows_stay_together_if_asked(tmp_path: Path) -> None:
    """`duplicates: together` puts equal rows into one split; none is left out."""
    x, y = rows()
    twice, labels = np.concatenate([x, x]), np.r_[y, y]
    splits, facts = splits_of(tmp_path / "p", twice, labels, duplicates="together")

    leaks = find_leaks(splits, facts, 0)

    assert leaks.shared == {"validation": 0, "test": 0}
    assert sum(len(split.y) for split in splits.values()) == 800
    assert facts["grouped"]


def test_an_id_does_not_tell_copies_apart(tmp_path: Path) -> None:
    """Copies that differ by a column that is left out stay together too."""
    x, y = rows(200)
    frame = pd.DataFrame(np.concatenate([x, x]), columns=list("abcd")).assign(id=range(400))
    splits, facts = splits_of(tmp_path / "p", frame, np.r_[y, y], duplicates="together")

    assert find_leaks(splits, facts, 0).shared == {"validation": 0, "test": 0}


def test_rows_of_few_values_meet_by_chance(tmp_path: Path) -> None:
    """Where columns have few values equal rows are to be expected, and are no leak."""
    random = np.random.default_rng(0)
    x = random.integers(0, 3, (400, 2)).astype(np.float32)

    leaks = find_leaks(*splits_of(tmp_path / "p", x, random.integers(0, 2, 400)), 0)

    assert leaks.shared["test"] == leaks.by_chance["test"] == 100


@pytest.mark.parametrize("kind", ["classes", "number"])
def test_the_answer_among_the_features_is_found(tmp_path: Path, kind: str) -> None:
    """A column that copies the target explains all of it; without it none explains much."""
    x, y = rows()
    target = y if kind == "classes" else (x @ [1.0, 1.0, 0.5, 0.2]).astype(np.float64)
    told = np.column_stack([x, 2.0 * target + 1])

    honest = find_leaks(*splits_of(tmp_path / "a", x, target, kind), 0)
    leaking = find_leaks(*splits_of(tmp_path / "b", told, target, kind), 0)

    assert honest.explained < 0.8
    assert (leaking.revealing, leaking.explained > 0.98) == ("feature 4", True)
    assert leaking.next_best < 0.8


def test_many_small_classes_in_order_hide_no_leak(tmp_path: Path) -> None:
    """Rows sorted by their target, and classes rarer than the folds, are looked at all the same."""
    x, _ = rows(400)
    y = np.repeat(np.arange(80), 5)
    told = np.column_stack([x, y])

    numbers = find_leaks(*splits_of(tmp_path / "a", told, y.astype(float), "number"), 0)
    classes = find_leaks(*splits_of(tmp_path / "b", told, y), 0)

    assert numbers.revealing == "feature 4"
    assert numbers.explained > 0.97
    assert classes.revealing == "feature 4"


@pytest.mark.parametrize("levels", [2, 3])
def test_a_category_that_tells_the_answer_is_found(tmp_path: Path, levels: int) -> None:
    """A column of texts counts as one, however many features it becomes."""
    random = np.random.default_rng(0)
    y = random.integers(0, levels, 400)
    told = np.where(random.random(400) < 0.01, random.integers(0, levels, 400), y)
    frame = pd.DataFrame(random.normal(size=(400, 4)), columns=list("abcd"))
    frame["told"] = [f"is {code}" for code in told]

    leaks = find_leaks(*splits_of(tmp_path / "p", frame, y), 0)

    assert leaks.revealing == "told"
    assert leaks.explained > 0.95
    assert leaks.next_best < 0.5


def test_many_columns_of_sorted_rows_hide_no_leak(tmp_path: Path) -> None:
    """Where few rows are looked at for each of many columns, they are not the first ones."""
    y = np.repeat([0, 1], 1000)
    x = np.random.default_rng(0).normal(size=(2000, 1200)).astype(np.float32)
    x[:, 0] = y

    leaks = find_leaks(*splits_of(tmp_path / "p", x, y), 0)

    assert (leaks.revealing, leaks.explained) == ("feature 0", 1.0)


def test_a_strong_number_hides_no_category(tmp_path: Path) -> None:
    """Beside a number that tells most, a text that tells all is named."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 400)
    words = np.array(["early", "late"])[random.integers(0, 2, 400)]
    frame = pd.DataFrame(random.normal(size=(400, 5)), columns=list("abcde"))
    frame["strong"] = y + random.normal(0, 0.35, 400)
    frame["group"] = [f"{word} {c}" for word, c in zip(words, y, strict=True)]

    leaks = find_leaks(*splits_of(tmp_path / "p", frame, y), 0)

    assert leaks.revealing == "group"
    assert leaks.explained > 0.99
    assert 0.5 < leaks.next_best < 0.95


def test_categories_meet_by_chance(tmp_path: Path) -> None:
    """Rows of a few categories are equal without any leak, as dealing the columns anew shows."""
    random = np.random.default_rng(0)
    columns = {name: random.choice(list("wxyz")[:n], 1200) for name, n in (("a", 4), ("b", 3))}

    leaks = find_leaks(*splits_of(tmp_path / "p", pd.DataFrame(columns), columns["b"] == "w"), 0)

    assert leaks.shared["test"] == leaks.by_chance["test"] == 300


def test_drift_is_found_where_it_is(tmp_path: Path) -> None:
    """A feature that moves with time drifts; one that does not is no farther than chance."""
    x, y = rows(900)
    x[:, 2] += np.linspace(0, 3, 900)
    splits, facts = splits_of(tmp_path / "p", x, y, time=True, stratify=False)

    found = find_drift(splits, facts, 0)

    assert {one.feature for one in found if one.p < 0.001} == {"feature 2"}
    assert {one.split for one in found} == {"validation", "test"}


def test_each_model_is_one_look(project: Path) -> None:
    """The same weights on the same rows count once, however often they are scored."""
    assert [count_looks("rows", w) for w in ("a", "a", "b", "a", "c")] == [1, 1, 2, 2, 3]
    assert count_looks("other rows", "a") == 1
    assert (project / ".truefit").is_dir()
