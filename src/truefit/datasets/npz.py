"""Arrays of the user's own: a `.npz` file, or a folder of `.npy` files, never read whole."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tokenize import TokenError

import numpy as np

from truefit.core.prepared.findings import Finding
from truefit.datasets.checks import Source
from truefit.datasets.folders import files_beside

# What NumPy and zipfile raise for files that are broken in one way or another.
FAULTS = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    MemoryError,
    OverflowError,
    TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
TARGETS = "fiubSUmM"  # NumPy's kinds of numbers, texts, spans and moments
NAMES = ("x", "y", "x_train", "y_train", "x_test", "y_test")


class Joined:
    """Two arrays as one along the rows, without a copy of either."""

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        """Rows of the same shape; `first` comes first."""
        self.parts = (first, second)
        self.shape = (len(first) + len(second), *first.shape[1:])
        self.dtype = np.result_type(first, second)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """The rows of a number, a slice or an array of numbers, read from where they lie."""
        first, second = self.parts
        chosen = np.arange(len(self))[rows]
        late = chosen >= len(first)
        if chosen.ndim == 0:
            return np.asarray(second[chosen - len(first)] if late else first[chosen])
        result = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        result[~late] = first[chosen[~late]]
        result[late] = second[chosen[late] - len(first)]
        return result


def npz(*, path: str) -> Source:
    """`x` and `y` as stored; with `x_train y_train x_test y_test` the given test split is kept.

    Args:
        path: a .npz file, a folder with exactly one, or a folder with `x.npy` and `y.npy` (or
            `x_train.npy` ...), which are mapped, not read. Without `y` there is no target.
            `y` (rows, labels) of 0 and 1 is several labels a row. uint8 images of three axes
            (rows, height, width) get a channel axis. Pickled arrays are refused.

    Raises:
        ValueError: it is no such file, lacks an array, or the lengths differ.
    """
    arrays = _read(Path(path))
    if {"x_train", "x_test"} <= set(arrays):
        return _given_split(path, arrays) | _left_out(arrays, NAMES[2:])
    if "x" in arrays:
        _check_pair(path, "x", "y", arrays)
        source: Source = {"x": _image_like(arrays["x"]), **_left_out(arrays, NAMES[:2])}
        if "y" in arrays:
            source["y"] = _flat(arrays["y"])
        return source
    raise ValueError(
        f"{path}: expected the arrays x and y, or {', '.join(NAMES[2:])}; "
        f"received {', '.join(sorted(arrays)) or 'none'}"
    )


def _left_out(arrays: Mapping[str, np.ndarray], used: Sequence[str]) -> Source:
    """The finding that names the arrays that nothing reads; none if there are none."""
    if not (others := sorted(set(arrays) - set(used))):
        return {}
    what = f"arrays are left out: {', '.join(others)}; those that are read are {', '.join(used)}"
    return {"findings": [Finding("skipped", len(others), len(arrays), what)]}


def _given_split(path: str, arrays: dict[str, np.ndarray]) -> Source:
    if ("y_train" in arrays) != ("y_test" in arrays):
        raise ValueError(f"{path}: expected both y_train and y_test, or neither; received one")
    for part in ("train", "test"):
        _check_pair(path, f"x_{part}", f"y_{part}", arrays)
    train, test = arrays["x_train"], arrays["x_test"]
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(f"{path}: x_train {train.shape} and x_test {test.shape} differ")
    if (train.dtype.kind == "f") != (test.dtype.kind == "f"):
        raise ValueError(
            f"{path}: expected x_train and x_test in one unit, received {train.dtype} and "
            f"{test.dtype}: where one was divided by 255, divide the other too, and store one type"
        )
    x = Joined(_image_like(train), _image_like(test))
    source: Source = {"x": x, "is_test": np.arange(len(x)) >= len(train)}
    if "y_train" in arrays:
        y_train, y_test = _flat(arrays["y_train"]), _flat(arrays["y_test"])
        if y_train.shape[1:] != y_test.shape[1:]:
            raise ValueError(f"{path}: y_train {y_train.shape} and y_test {y_test.shape} differ")
        source["y"] = np.concatenate([y_train, y_test])
    return source


def _read(place: Path) -> dict[str, np.ndarray]:
    if not place.is_dir():
        return _read_npz(place)
    files = {name: place / f"{name}.npy" for name in NAMES}
    if any(file.is_file() for file in files.values()):
        read = {name: _map(file) for name, file in files.items() if file.is_file()}
        return read | dict.fromkeys(_others(place) - {*read}, np.empty(0))  # named, not opened
    found = [file for file in files_beside(place) if file.suffix.lower() == ".npz"]
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:10]) or "none"
        raise ValueError(
            f"data.path: expected x.npy and y.npy (or x_train.npy ...) or one .npz file in {place}"
            f", found {len(found)} .npz ({names}); name the file with `path:` in params.yaml"
        )
    return _read_npz(found[0])


def _others(place: Path) -> set[str]:
    """The arrays of a folder, also those in folders in it, by their names without the ending."""
    files = [file for file in files_beside(place) if file.suffix.lower() == ".npy"]
    return {str(file.relative_to(place).with_suffix("")) for file in files}


def _map(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except FAULTS as error:
        raise ValueError(f"{file} cannot be mapped as .npy without pickle: {error}") from error


def _read_npz(file: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(file):
        raise ValueError(f"{file} is no .npz file (`np.savez` writes one)")
    try:
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FAULTS as error:
        raise ValueError(f"{file} cannot be read as .npz without pickle: {error}") from error


def _check_pair(path: str, x_name: str, y_name: str, arrays: dict[str, np.ndarray]) -> None:
    x, y = arrays[x_name], arrays.get(y_name)
    if x.ndim == 0 or (y is not None and (y.ndim == 0 or len(x) != len(y))):
        raise ValueError(
            f"{path}: {x_name} and {y_name} must have a row per example, "
            f"received shapes {x.shape} and {None if y is None else y.shape}"
        )
    if len(x) == 0:
        raise ValueError(f"{path}: {x_name} has no rows")
    if y is not None and y.dtype.kind not in TARGETS:
        raise ValueError(
            f"{path}: {y_name} must hold numbers, texts or moments, received {y.dtype}"
        )
    if y is None or y.ndim == 1 or y.shape[1:] == (1,):
        return
    if y.ndim > 2 or not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"{path}: {y_name} must hold one target per row, or columns of 0 and 1 for several "
            f"labels, received shape {y.shape}; for scores of classes store `y.argmax(axis=1)`"
        )
    if (y.sum(axis=1) == 1).all():
        raise ValueError(
            f"{path}: {y_name} of shape {y.shape} has exactly one 1 in each row: for one-hot "
            "classes store `y.argmax(axis=1)`"
        )


def _flat(y: np.ndarray) -> np.ndarray:
    """One column as a vector; several stay, as whole numbers."""
    if y.ndim == 2 and y.shape[1] != 1:
        return np.asarray(y).astype(np.int8)
    column = np.asarray(y).reshape(len(y))
    if column.dtype.kind != "S":
        return column
    try:
        return np.char.decode(column, "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"y holds bytes that are not UTF-8 ({error.object!r}): store texts, such as "
            "`np.char.decode(y, 'latin-1')`"
        ) from error


def _image_like(x: np.ndarray) -> np.ndarray:
    return x[..., np.newaxis] if x.ndim == 3 and x.dtype == np.uint8 else x
