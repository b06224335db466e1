from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import dataset_json
from hypothesis import given
from hypothesis import strategies as st

from truefit.core.prepared.facts import FactsJSON
from truefit.core.resolved import read_yaml
from truefit.core.targets import make
from truefit.training.augmentation.audio import audio
from truefit.training.augmentation.images import images
from truefit.training.augmentation.table import table
from truefit.training.augmentation.text import text

CLASSES = {"name": "y", "kind": "classes", "classes": ["a", "b", "c"]}
IMAGES = dataset_json(input_shape=[12, 12, 1], target=CLASSES).to_json()
WAVES = dataset_json(input_shape=[400], target=CLASSES).to_json()
COLUMNS = [
    {"name": "age", "kind": "number", "indicator": True},
    {"name": "colour", "kind": "category", "levels": ["red", "blue"]},
    {"name": "id", "kind": "drop", "why": "an id"},
    {"name": "size", "kind": "number", "indicator": False},
]
ROWS = dataset_json(
    input_shape=[6], target=CLASSES, columns=COLUMNS,
    statistics={"mean": [0.0] * 6, "variance": [4.0, 1, 1, 1, 1, 100.0]},
).to_json()  # fmt: skip
TEXTS = dataset_json(
    input_shape=[8], target=CLASSES, sizes=[50],
    columns=[{"name": "text", "kind": "text", "levels": ["x"] * 48, "length": 8}],
).to_json()  # fmt: skip


def rows_of(facts: FactsJSON, count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    shape = (count, *facts["input_shape"])
    if facts["sizes"]:
        return random.integers(0, 50, shape).astype(np.int32), random.integers(0, 3, count)
    return random.uniform(1, 2, shape).astype(np.float32), random.integers(0, 3, count)


EVERY = [
    (images, IMAGES, {"flip": "horizontal", "shift": 0.1, "rotation": 0.1, "crop": 0.2}),
    (images, IMAGES, {"mixup": 0.4}),
    (images, IMAGES, {"cutmix": 1.0}),
    (audio, WAVES, {"noise": 0.1, "time_mask": 0.3, "frequency_mask": 0.3}),
    (table, ROWS, {"noise": 0.1}),
    (text, TEXTS, {"token_dropout": 0.3}),
]


@pytest.mark.parametrize(("make_one", "facts", "options"), EVERY)
def test_rows_change_and_keep_their_form(make_one: Any, facts: Any, options: Any) -> None:
    """Other rows come of the same shape, another time others, and from the same seed the same."""
    x, y = rows_of(facts)
    augment, again = (make_one(facts=facts, seed=3, **options) for _ in range(2))

    first, second = augment(x, y)[0], augment(x, y)[0]

    assert first.shape == x.shape
    assert not np.array_equal(first, x)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again(x, y)[0])


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_targets_are_mixed_as_the_images_are(options: dict[str, Any]) -> None:
    """Where each class has a colour of its own, an image's mean is that of its shares."""
    augment = images(facts=IMAGES, seed=0, **options)
    y = np.repeat([0, 1, 2], 40)
    x = np.broadcast_to(y[:, None, None, None], (120, 12, 12, 1)).astype(np.float32)

    mixed, shares = augment(x, y)

    assert shares.sum(axis=1) == pytest.approx(1)
    # Keras takes the share of a rectangle before its sides are cut to whole pixels.
    allowed = 1e-4 if "mixup" in options else 2 * (12 + 12) / 144
    assert mixed.mean(axis=(1, 2, 3)) == pytest.approx(shares @ [0, 1, 2], abs=allowed)
    assert (shares.max(axis=1) < 1).any()


def test_only_numbers_get_noise() -> None:
    """Marks of missing values and categories stay; noise is in units of each number's spread."""
    x, y = rows_of(ROWS, 4000)

    change = table(facts=ROWS, seed=0, noise=0.1)(x, y)[0] - x

    assert (change[:, 1:5] == 0).all()
    assert change[:, 0].std() == pytest.approx(0.2, rel=0.1)
    assert change[:, 5].std() == pytest.approx(1.0, rel=0.1)


@given(share=st.floats(0.05, 0.9))
def test_padding_stays_padding(share: float) -> None:
    """Words become unknown in about the share that was asked for, padding never."""
    x, y = rows_of(TEXTS, 500)

    changed = text(facts=TEXTS, seed=1, token_dropout=share)(x, y)[0]

    assert ((changed == 0) == (x == 0)).all()
    assert set(np.unique(changed[changed != x])) <= {1}
    assert (changed != x)[x > 1].mean() == pytest.approx(share, abs=0.06)


@given(share=st.floats(0.0, 0.95))
def test_masks_are_not_longer_than_allowed(share: float) -> None:
    """Silence is one stretch of at most the share of a sound."""
    x, y = rows_of(WAVES, 50)

    silent = audio(facts=WAVES, seed=2, time_mask=share)(x, y)[0] == 0

    assert silent.sum(axis=1).max() <= share * x.shape[1] + 1
    assert (np.abs(np.diff(silent.astype(int), axis=1)).sum(axis=1) <= 2).all()


@pytest.mark.parametrize(
    ("make_one", "facts", "options", "expected"),
    [
        (images, ROWS, {"shift": 0.1}, "augmentation images needs rows of"),
        (audio, IMAGES, {}, "augmentation audio needs rows of samples"),
        (audio, ROWS, {}, "augmentation audio needs rows of samples"),
        (table, TEXTS, {}, "augmentation table needs rows of features"),
        (text, ROWS, {}, "augmentation text needs rows of words"),
        (images, {**IMAGES, "target": {"kind": "next"}}, {"mixup": 0.2}, "cannot be mixed"),
    ],
)
def test_other_data_are_refused(make_one: Any, facts: Any, options: Any, expected: str) -> None:
    """Augmentation that does not fit the rows says what it needs."""
    with pytest.raises(ValueError, match=expected):
        make_one(facts=facts, seed=0, **options)


def test_what_is_off_does_nothing() -> None:
    """With every strength at 0 the rows come back as they were."""
    x, y = rows_of(IMAGES)

    changed, same = images(facts=IMAGES, seed=0)(x, y)

    np.testing.assert_array_equal(changed, x)
    assert same is y


def test_no_augmentation_is_none() -> None:
    """The default leaves rows and the graph of a training alone."""
    block = read_yaml(Path("conf/augmentation/none.yaml"))

    assert make(block, "augmentation", facts=IMAGES, seed=0) is None
