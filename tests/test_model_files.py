"""How verify reads a model file of a record, which anybody may have written."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from truefit.verify.numbers import MOST, models_between

SIZE = 64 * 2**20  # bytes that a member unpacks to, of some 64 KiB in the archive
MEMBERS = {"config.json": b'{"layers": []}', "metadata.json": b"{}", "assets/words.txt": b"a\nb\n"}


def keras_file(file: Path, **changed: bytes) -> Path:
    """A .keras file with one kernel, but for members that are another's."""
    with h5py.File(file.with_suffix(".h5"), "w") as weights:
        weights["layers/dense/vars/0"] = np.ones((4, 4), np.float32)
    members = {**MEMBERS, "model.weights.h5": file.with_suffix(".h5").read_bytes(), **changed}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file


def test_the_same_model_is_the_same(tmp_path: Path) -> None:
    """Whatever its metadata say, which hold a date."""
    old = keras_file(tmp_path / "old.keras", **{"metadata.json": b'{"date": 1}'})

    assert models_between("model", old, keras_file(tmp_path / "new.keras")) is None


@pytest.mark.parametrize("name", [*MEMBERS, "model.weights.h5"])
def test_a_member_that_is_much_larger_than_the_new_one_is_not_unpacked(
    tmp_path: Path, name: str
) -> None:
    """Its size is named, and a record of some kilobytes does not fill the memory."""
    old = keras_file(tmp_path / "old.keras", **{name: bytes(SIZE)})
    new = keras_file(tmp_path / "new.keras")
    tracemalloc.start()

    apart = models_between("MLflow's model", old, new)

    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert apart is not None
    assert apart.first.startswith(f"MLflow's model: {name} has {SIZE} bytes, now ")
    assert used < SIZE / 16


def test_a_member_may_be_somewhat_larger(tmp_path: Path) -> None:
    """Below the limit its content is compared."""
    old = keras_file(tmp_path / "old.keras", **{"assets/words.txt": bytes(MOST)})

    apart = models_between("model", old, keras_file(tmp_path / "new.keras"))

    assert apart is not None
    assert apart.first == "model: assets/words.txt holds something else"


def test_a_size_that_the_archive_understates_is_all_that_is_read(tmp_path: Path) -> None:
    """An archive that says 4 bytes and holds millions is not unpacked beyond those."""
    old = keras_file(tmp_path / "old.keras", **{"assets/words.txt": bytes(SIZE)})
    told = SIZE.to_bytes(4, "little")
    old.write_bytes(old.read_bytes().replace(told, (4).to_bytes(4, "little")))
    tracemalloc.start()

    apart = models_between("model", old, keras_file(tmp_path / "new.keras"))

    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert apart is not None
    assert used < SIZE / 16
