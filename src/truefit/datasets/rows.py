"""Rows to be predicted, read as the configured source reads those to be learned from."""

from __future__ import annotations

import zipfile
from csv import QUOTE_NONE
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import MAGIC_PREFIX

from truefit.datasets.frames import find_separator, read_table
from truefit.datasets.images import ENDINGS, Images
from truefit.datasets.npz import FAULTS

Rows = pd.DataFrame | np.ndarray


def read_rows(file: Path, data: dict[str, Any]) -> Rows:
    """The rows of a table, of arrays, or of one image or a folder of images.

    Args:
        file: .csv, .tsv, .txt, .parquet, .npy, .npz (its `x`, or its only array), an image, a
            folder of images in the order of their names.
        data: the `data` block of the configuration, for separators, sizes and the like.

    Raises:
        ValueError: the file is not there, of another kind, or cannot be read.
    """
    if not file.exists():
        raise ValueError(f"there is no file or folder {str(file)!r}")
    ending = file.suffix.lower()
    if file.is_dir() or ending in ENDINGS:
        return _images(file, data)
    if ending in (".csv", ".tsv", ".txt"):
        return _table(file, data)
    if ending == ".parquet":
        try:
            return pd.read_parquet(file)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError(f"{file} cannot be read as Parquet: {error}") from error
    if ending in (".npy", ".npz"):
        return _array(file)
    raise ValueError(
        f"{file}: expected a .csv, .tsv, .txt, .parquet, .npy or .npz file, an image or a "
        f"folder of images, received {ending or 'no ending'}"
    )


def _table(file: Path, data: dict[str, Any]) -> pd.DataFrame:
    options: dict[str, Any] = {
        "header": 0 if data.get("header", True) else None,
        "sep": data.get("separator") or find_separator(file),
        "encoding": data.get("encoding", "utf-8"),
    }
    if "text" in data:
        quote = data.get("quote", '"')
        options |= {"quotechar": quote} if quote else {"quoting": QUOTE_NONE}
        return read_table(file, **options, dtype=str, keep_default_na=False)
    options |= {"decimal": data.get("decimal", "."), "thousands": data.get("thousands")}
    return read_table(file, **options, na_values=data.get("na_values") or [])


def _array(file: Path) -> np.ndarray:
    with file.open("rb") as opened:
        is_array = opened.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX
    if not (is_array or zipfile.is_zipfile(file)):
        raise ValueError(
            f"{file} cannot be read: expected what `np.save` or `np.savez` wrote, received another "
            "file, or a part of one"
        )
    try:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            names = list(found.files)
            name = "x" if "x" in names else names[0] if len(names) == 1 else None
            if name is not None:
                array: np.ndarray = found[name]
                return array
    except FAULTS as error:
        raise ValueError(f"{file} cannot be read without pickle: {error}") from error
    raise ValueError(f"{file}: expected an array `x`, found {', '.join(names) or 'none'}")


def _images(place: Path, data: dict[str, Any]) -> np.ndarray:
    if "size" not in data:
        raise ValueError(
            f"{place}: expected rows as the configured data have them "
            f"({data['_target_']}), received images"
        )
    inside = sorted(place.rglob("*")) if place.is_dir() else [place]
    files = [file for file in inside if file.suffix.lower() in ENDINGS]
    if not files:
        raise ValueError(f"{place}: no images in it; expected {', '.join(sorted(ENDINGS))}")
    height, width = data["size"]
    return Images(files, (height, width), data["channels"])[:]
