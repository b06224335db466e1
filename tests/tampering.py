"""Edits of a recorded run's files, as somebody with access would make them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml


def change_json(file: Path, change: Callable[[Any], object]) -> None:
    held = json.loads(file.read_text())
    change(held)
    file.write_text(json.dumps(held))


def edit_weights(file: Path, change: Callable[[h5py.File, str], object]) -> None:
    """Change the weights of a .keras file, given the name of its first kernel."""
    with zipfile.ZipFile(file) as stored:
        members = {name: stored.read(name) for name in stored.namelist()}
    held = BytesIO(members["model.weights.h5"])
    with h5py.File(held, "r+") as weights:
        names: list[str] = []
        weights.visititems(lambda n, x: names.append(n) if isinstance(x, h5py.Dataset) else None)
        change(weights, next(name for name in names if weights[name].ndim == 2))
    members["model.weights.h5"] = held.getvalue()
    with zipfile.ZipFile(file, "w") as stored:
        for name, content in members.items():
            stored.writestr(name, content)


def change_weight(file: Path) -> None:
    """One weight by a millionth."""

    def change(weights: h5py.File, kernel: str) -> None:
        weights[kernel][0, 0] += 1e-6

    edit_weights(file, change)


def move_weight(file: Path) -> None:
    """One kernel into a file that the archive only names."""
    secret = file.with_name("secret")
    secret.write_bytes(bytes(10**5))

    def move(weights: h5py.File, kernel: str) -> None:
        shape, dtype = weights[kernel].shape, weights[kernel].dtype
        size = int(np.prod(shape)) * dtype.itemsize
        del weights[kernel]
        weights.create_dataset(kernel, shape, dtype, external=[(str(secret), 0, size)])

    edit_weights(file, move)


def swap_model(file: Path) -> None:
    """Another model under the same name."""
    import keras  # noqa: PLC0415 - the other tests read files alone

    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(file)


def change_array(file: Path) -> None:
    array = np.load(file)
    array.flat[0] += 1
    np.save(file, array)


def change_lock(file: Path, stage: str, kind: str, path: str) -> None:
    locked = yaml.safe_load(file.read_text())
    entry = next(e for e in locked["stages"][stage][kind] if e["path"] == path)
    entry["md5"] = "0" * 32
    file.write_text(yaml.safe_dump(locked))


def change_line(file: Path) -> None:
    file.write_text(file.read_text() + "\n# changed\n")


def change_row(file: Path) -> None:
    lines = file.read_text().splitlines()
    lines[2] = lines[2].replace("0.", "0.0", 1)
    file.write_text("\n".join(lines) + "\n")
