"""How far recorded numbers and new ones are apart."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import h5py
import numpy as np

WEIGHTS, LAYERS = "model.weights.h5", "config.json"  # members of a .keras file
DATED = "metadata.json"
MOST = 2**20  # bytes that a member may have beyond the size of the new one


@dataclass(frozen=True)
class Apart:
    """The first difference in words, and the largest; `None` where it is not one of numbers."""

    first: str
    largest: float | None


def between(key: str, old: object, new: object) -> Apart | None:
    """What differs between two values, numbers by how much."""
    if old == new or (_is_nan(old) and _is_nan(new)):
        return None
    said = f"{key}: recorded {shown(old)}, now {shown(new)}"
    if not (_is_number(old) and _is_number(new)):
        return Apart(said, None)
    apart = abs(new - old) / max(1.0, abs(old))
    return Apart(said, apart if math.isfinite(apart) else None)


def arrays_between(key: str, old: np.ndarray, new: np.ndarray) -> Apart | None:
    """As `between`, of the first number that differs and of all."""
    if old.shape != new.shape or old.dtype != new.dtype:
        return Apart(f"{key}: recorded {old.dtype}{old.shape}, now {new.dtype}{new.shape}", None)
    if old.tobytes() == new.tobytes():
        return None
    if old.dtype.kind not in "fiub":
        return Apart(f"{key}: other values than recorded", None)
    wide = old.astype(np.float64), new.astype(np.float64)
    same = (wide[0] == wide[1]) | (np.isnan(wide[0]) & np.isnan(wide[1]))
    if same.all():
        return None  # zeros of two signs
    place = tuple(int(n) for n in np.argwhere(~same)[0])
    where = f"{key}[{', '.join(map(str, place))}]"
    with np.errstate(invalid="ignore"):
        apart = np.abs(wide[1] - wide[0]) / np.maximum(1.0, np.abs(wide[0]))
    largest = float(np.where(same, 0.0, apart).max())
    said = f"{where}: recorded {shown(old[place].item())}, now {shown(new[place].item())}"
    return Apart(said, largest if np.isfinite(largest) else None)


def together(found: Iterator[Apart | None]) -> Apart | None:
    """The first of several differences, with the largest of all."""
    several = [one for one in found if one]
    if not several:
        return None
    sizes = [one.largest for one in several]
    numbers = [size for size in sizes if size is not None]
    return Apart(several[0].first, max(numbers) if len(numbers) == len(sizes) else None)


def models_between(label: str, old: Path, new: Path) -> Apart | None:
    """What differs between two .keras files, read as an archive and arrays: no layer is made."""
    try:
        with zipfile.ZipFile(old) as one, zipfile.ZipFile(new) as other:
            return _members_between(label, one, other)
    except Exception as error:  # noqa: BLE001 - the recorded file may be anything
        return Apart(f"{label}: is no Keras model: {type(error).__name__}: {error}", None)


def _members_between(label: str, old: zipfile.ZipFile, new: zipfile.ZipFile) -> Apart | None:
    """The layers first, then vocabularies and the like, then the weights.

    Nothing much larger than the new model is unpacked.
    """
    sizes = [{i.filename: i.file_size for i in one.infolist()} for one in (old, new)]
    if {LAYERS, WEIGHTS} <= {*sizes[0]} and sizes[0][LAYERS] < MOST:
        layers = [_numbered(json.loads(_read(one, LAYERS)), {}) for one in (old, new)]
        if layers[0] != layers[1]:
            return Apart(f"{label}: is of other layers than the training makes", None)
    if names := sorted({*sizes[0]} ^ {*sizes[1]}):
        return Apart(f"{label}: {names[0]} is in one of the two alone", None)
    for name, size in sizes[1].items():
        if sizes[0][name] > 2 * size + MOST:
            return Apart(f"{label}: {name} has {sizes[0][name]} bytes, now {size}", None)
    for name in sorted({*sizes[1]} - {LAYERS, WEIGHTS, DATED}):
        if _read(old, name) != _read(new, name):
            return Apart(f"{label}: {name} holds something else", None)
    files = [h5py.File(io.BytesIO(_read(one, WEIGHTS)), "r") for one in (old, new)]
    return together(_weights_between(label, *files))


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member, unpacked no further than to the size that the archive names.

    `ZipFile.read` unpacks all of it first, and looks at the size and the checksum afterwards.
    """
    with archive.open(name) as member:
        return member.read(archive.getinfo(name).file_size)


def _weights_between(label: str, old: h5py.File, new: h5py.File) -> Iterator[Apart | None]:
    names = [_datasets(file) for file in (old, new)]
    for name in sorted({*names[0]} | {*names[1]}):
        if name not in names[0] or name not in names[1]:
            yield Apart(f"{label}: {name} is in one of the two alone", None)
        elif old[name].external or old[name].is_virtual:
            yield Apart(f"{label}: {name} lies in another file", None)
        elif (old[name].shape, old[name].dtype) != (new[name].shape, new[name].dtype):
            yield Apart(f"{label} {name}: recorded {old[name].shape}, now {new[name].shape}", None)
        else:
            pair = np.asarray(old[name][()]), np.asarray(new[name][()])
            yield arrays_between(f"{label} {name}", *pair)


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda n, one: found.append(n) if isinstance(one, h5py.Dataset) else None)
    return found


def _numbered(layers: object, seen: dict[int, int]) -> object:
    """Objects that layers share carry an address of their process: the first is 0, and so on."""
    if isinstance(layers, list):
        return [_numbered(inner, seen) for inner in layers]
    if not isinstance(layers, dict):
        return layers
    return {
        key: seen.setdefault(inner, len(seen))
        if key == "shared_object_id"
        else _numbered(inner, seen)
        for key, inner in layers.items()
    }


def shown(value: object) -> str:
    """A value as a message shows it: numbers in full, long texts cut."""
    text = "nothing" if value is None else repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
