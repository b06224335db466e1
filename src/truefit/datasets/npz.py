"""Arrays of the user's own from one `.npz` file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

GIVEN = ("x_train", "y_train", "x_test", "y_test")


def npz(*, path: str) -> dict[str, Any]:
    """`x` and `y` as stored; with `x_train y_train x_test y_test` the given test split is kept.

    Images of three axes (rows, height, width) get a channel axis. Pickled arrays are refused.

    Raises:
        ValueError: it is no such file, lacks an array, or the lengths differ.
    """
    arrays = _read(Path(path))
    if set(GIVEN) <= set(arrays):
        x_train, y_train, x_test, y_test = (arrays[name] for name in GIVEN)
        _check_pair(path, "x_train", x_train, "y_train", y_train)
        _check_pair(path, "x_test", x_test, "y_test", y_test)
        if x_train.shape[1:] != x_test.shape[1:]:
            raise ValueError(f"{path}: x_train {x_train.shape} and x_test {x_test.shape} differ")
        x = np.concatenate([x_train, x_test])
        y = np.concatenate([_flat(y_train), _flat(y_test)])
        return {"x": _image_like(x), "y": y, "is_test": np.arange(len(x)) >= len(x_train)}
    if {"x", "y"} <= set(arrays):
        _check_pair(path, "x", arrays["x"], "y", arrays["y"])
        return {"x": _image_like(arrays["x"]), "y": _flat(arrays["y"])}
    raise ValueError(
        f"{path}: expected the arrays x and y, or {', '.join(GIVEN)}; "
        f"received {', '.join(sorted(arrays)) or 'none'}"
    )


def _read(file: Path) -> dict[str, np.ndarray]:
    if file.is_dir():
        raise ValueError(
            f"data.path: {file} is a folder; name the .npz with `path:` in params.yaml"
        )
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{file} is no .npz file (`np.savez` writes one)")
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{file} cannot be read as .npz without pickle: {error}") from error


def _check_pair(path: str, x_name: str, x: np.ndarray, y_name: str, y: np.ndarray) -> None:
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ValueError(
            f"{path}: {x_name} and {y_name} must have a row per example, "
            f"received shapes {x.shape} and {y.shape}"
        )
    if len(x) == 0:
        raise ValueError(f"{path}: {x_name} has no rows")
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        raise ValueError(
            f"{path}: {y_name} must hold one target per row, received shape {y.shape}; "
            "for one-hot classes store `y.argmax(axis=1)`"
        )


def _flat(y: np.ndarray) -> np.ndarray:
    column = y.reshape(len(y))
    return np.char.decode(column, "utf-8") if column.dtype.kind == "S" else column


def _image_like(x: np.ndarray) -> np.ndarray:
    return x[..., np.newaxis] if x.ndim == 3 else x
