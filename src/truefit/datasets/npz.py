"""Arrays of the user's own from one `.npz` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def npz(*, path: str) -> dict[str, Any]:
    """`x` and `y` as stored; with `x_train y_train x_test y_test` the given test split is kept.

    Images of three axes (rows, height, width) get a channel axis. Pickled arrays are refused.

    Raises:
        ValueError: it is no such file, lacks an array, or the lengths differ.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(
            f"data.path: {path} is a folder; name the .npz with `path:` in params.yaml"
        )
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{file} cannot be read as .npz without pickle: {error}") from error
    if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        x = _joined(file, arrays["x_train"], arrays["x_test"])
        y = _joined(file, arrays["y_train"], arrays["y_test"])
        is_test = np.arange(len(x)) >= len(arrays["x_train"])
        return {"x": _image_like(x), "y": _flat(y), "is_test": is_test}
    if {"x", "y"} <= set(arrays):
        return {"x": _image_like(arrays["x"]), "y": _flat(arrays["y"])}
    raise ValueError(
        f"{file}: expected the arrays x and y, or x_train, y_train, x_test and y_test; "
        f"received {', '.join(sorted(arrays)) or 'none'}"
    )


def _joined(file: object, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(f"{file}: train and test differ in shape: {first.shape}, {second.shape}")
    return np.concatenate([first, second])


def _flat(y: np.ndarray) -> np.ndarray:
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _image_like(x: np.ndarray) -> np.ndarray:
    return x[..., np.newaxis] if x.ndim == 3 else x
