"""Images and arrays of the user's own, prepared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_prepare import DATA, PREPARED, choose

from truefit.core.errors import UserError
from truefit.core.prepared.folder import read_facts, read_split
from truefit.datasets.prepare import prepare
from truefit.stages.preprocess import preprocess


def images(folder: Path, per_class: int = 5) -> None:
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = random.integers(0, 255, (9, 11, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def test_image_folders_become_arrays(project: Path) -> None:
    """Each folder is a class; images of any size come out in the configured one."""
    images(Path("data/raw/pets"))
    choose(data="image_folder", path="data/raw/pets", set={"data": {"size": [8, 6], "channels": 1}})

    preprocess()

    facts = read_facts(PREPARED)
    assert (facts["input_shape"], facts["dtype"]) == ([8, 6, 1], "uint8")
    assert facts["target"]["classes"] == ["cats", "dogs"]


def test_a_broken_image_is_named(project: Path) -> None:
    """One image that cannot be decoded stops preparation with its path."""
    images(Path("data/raw/pets"))
    Path("data/raw/pets/cats/3.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    choose(data="image_folder", path="data/raw/pets")

    with pytest.raises(UserError, match=re.escape("pets/cats/3.png")):
        preprocess()


def test_files_that_editors_leave_are_no_images(project: Path) -> None:
    """Names that start with a dot are neither classes nor broken images."""
    images(Path("data/raw/pets"))
    Path("data/raw/pets/.thumbs").mkdir()
    Path("data/raw/pets/.thumbs/a.png").write_bytes(b"x")
    Path("data/raw/pets/cats/._0.png").write_bytes(b"x")
    choose(data="image_folder", path="data/raw/pets")

    preprocess()

    assert read_facts(PREPARED)["target"]["classes"] == ["cats", "dogs"]


def test_a_class_folder_without_images_is_named(project: Path) -> None:
    """A class folder whose files are no images is named: it would vanish without a word."""
    images(Path("data/raw/pets"))
    Path("data/raw/pets/birds").mkdir()
    Path("data/raw/pets/birds/a.heic").write_bytes(b"x")
    choose(data="image_folder", path="data/raw/pets")

    with pytest.raises(UserError, match=r"birds/a.heic: its class folder has no image in it"):
        preprocess()


def test_a_given_test_split_of_an_npz_is_kept(project: Path) -> None:
    """`x_test` of the file is the test split, row by row."""
    random = np.random.default_rng(0)
    x, y = random.integers(0, 255, (40, 4, 4), dtype=np.uint8), np.arange(40) % 2
    np.savez("data/raw/a.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    choose(data="npz", path="data/raw/a.npz")

    preprocess()

    assert (read_split(PREPARED, "test").x[..., 0] == x[30:]).all()


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"a": np.zeros(3)}, "expected the arrays x and y"),
        ({"x": np.array([{}] * 9, dtype=object), "y": np.arange(9) % 2}, "without pickle"),
        ({"x": np.zeros((9, 2)), "y": np.arange(8) % 2}, r"x and y must have a row per example"),
        ({"x": np.full((9, 2), np.nan), "y": np.arange(9) % 2}, "NaN or infinity"),
        ({"x": np.array([["a"]] * 9), "y": np.arange(9) % 2}, "must hold numbers"),
        ({"x": np.zeros(9), "y": np.arange(9) % 2}, "at least one feature"),
        ({"x": np.zeros((9, 2)), "y": np.eye(3)[np.arange(9) % 3]}, "argmax"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "no rows"),
        (
            {
                "x_train": np.zeros((9, 2)),
                "y_train": np.arange(8) % 2,
                "x_test": np.zeros((3, 2)),
                "y_test": np.arange(4) % 2,
            },
            "x_train and y_train must have a row per example",
        ),
    ],
)
def test_faulty_arrays_are_refused(project: Path, arrays: dict[str, Any], expected: str) -> None:
    """An .npz that lacks arrays or holds objects, NaN or text is refused; no pickle is loaded."""
    np.savez("data/raw/a.npz", **arrays)
    choose(data="npz", path="data/raw/a.npz")

    with pytest.raises(UserError, match=expected):
        preprocess()


def test_whole_numbers_are_normalised_where_that_is_asked(tmp_path: Path) -> None:
    """An int16 array stays as small as it is and has its statistics."""
    x = np.random.default_rng(0).integers(-900, 900, (60, 4)).astype(np.int16)

    facts = prepare({"x": x, "y": np.arange(60) % 2}, DATA, "classes", 0, tmp_path / "p")

    train = read_split(tmp_path / "p", "train").x
    assert train.dtype == np.int16
    assert facts["statistics"]["mean"] == pytest.approx(train.mean(axis=0))


def test_a_row_that_is_reconstructed_needs_no_classes(tmp_path: Path) -> None:
    """A target that is a number stands in the way of no autoencoder."""
    x, y = np.random.default_rng(0).normal(size=(60, 4)), np.linspace(0, 1, 60)

    facts = prepare({"x": x, "y": y}, DATA, "input", 0, tmp_path / "p")

    assert facts["target"] == {"name": "the input", "kind": "input"}


def test_a_large_target_keeps_its_differences(tmp_path: Path) -> None:
    """Targets around a billion differ after preparation as they did before."""
    x, y = np.arange(50.0)[:, np.newaxis], 1e9 + np.arange(50) * 0.5

    facts = prepare({"x": x, "y": y}, DATA, "number", 0, tmp_path / "prepared")
    train = read_split(tmp_path / "prepared", "train").y

    assert facts["target"]["scale"] == pytest.approx(np.std(train))
    assert len(np.unique(train)) == 30
