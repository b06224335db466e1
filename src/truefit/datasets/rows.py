"""Rows to be predicted, read as the configured source reads those to be learned from."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import MAGIC_PREFIX

from truefit.core.errors import plain
from truefit.core.prepared.findings import Finding, few_of
from truefit.datasets import audio
from truefit.datasets.checks import plain_name
from truefit.datasets.delimited import read_table
from truefit.datasets.folders import by_ending, left_out, visible_files
from truefit.datasets.images import ENDINGS, WAY_OUT, Images, masks, noticed
from truefit.datasets.layouts import OPENERS, Layout
from truefit.datasets.lines import short_lines
from truefit.datasets.npz import FAULTS
from truefit.datasets.numerals import as_written
from truefit.datasets.parquets import read_parquet
from truefit.datasets.ratings import read_texts as read_ratings

Rows = pd.DataFrame | np.ndarray


def read_rows(file: Path, data: Mapping[str, Any]) -> Rows:
    """The rows of a table, of arrays, or of an image or a recording, or a folder of either.

    Args:
        file: .csv, .tsv, .txt (also packed as .gz, .bz2, .xz), .inter (and others, of ratings),
            .parquet, .npy, .npz (its `x`, or its only array), an image or a WAV file, a folder
            of either in the order of their names.
        data: the `data` block of the configuration, for separators, sizes and the like.

    Raises:
        ValueError: the file is not there, of another kind, or cannot be read.
    """
    if not file.exists():
        raise ValueError(f"there is no file or folder {str(file)!r}")
    packed = file.suffix.lower() in OPENERS
    ending = (Path(file.stem) if packed else file).suffix.lower()
    if ending in audio.ENDINGS or (file.is_dir() and "rate" in data):
        return _sounds(file, data)
    if file.is_dir() and "size" not in data:
        held = by_ending(visible_files(file)) or "no files"
        raise ValueError(
            f"{file}: expected one file of rows as the configured data have them "
            f"({data['_target_']}), received a folder, which holds {held}: name the file"
        )
    if file.is_dir() or ending in ENDINGS:
        return _images(file, data)
    if "user" in data or ending in (".inter", ".data", ".dat"):
        return _ratings(file, data)
    if ending in (".csv", ".tsv", ".txt"):
        return _table(file, data)
    if ending == ".parquet":
        return read_parquet(file, data.get("na_values") or [])
    if ending in (".npy", ".npz"):
        return _array(file)
    raise ValueError(
        f"{file}: expected a .csv, .tsv, .txt, .inter, .parquet, .npy, .npz or .wav file, an "
        f"image, or a folder of images or recordings, received {ending or 'no ending'}"
    )


def _ratings(file: Path, data: Mapping[str, Any]) -> pd.DataFrame:
    """Users and items as texts; the ratings, if there are any, are not looked at."""
    given = {"user": "user_id", "item": "item_id", "rating": "rating", "time": "timestamp"}
    names = [plain_name(data.get(key) or name) for key, name in given.items()]
    headed = data.get("header", file.suffix.lower() != ".data")  # MovieLens' u.data has none
    layout = replace(Layout.of(data), header=headed)
    frame, notes = read_ratings(file, layout, None if headed else names)
    _say([*notes, *short_lines(file, layout, frame)])
    return frame


def _table(file: Path, data: Mapping[str, Any]) -> pd.DataFrame:
    layout = Layout.of(data)
    frame, notes = read_table(file, layout, [plain_name(data["text"])] if "text" in data else [])
    _say([*notes, *short_lines(file, layout, frame)])
    return frame if "text" in data else as_written(frame, layout)


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


def _images(place: Path, data: Mapping[str, Any]) -> np.ndarray:
    _require(place, "size" in data, data, "images")
    files, notes = _files(place, ENDINGS, WAY_OUT)
    if not files:
        raise ValueError(f"{place}: no images in it; expected {', '.join(sorted(ENDINGS))}")
    _say([*notes, *masks(files), *noticed(files)])
    height, width = data["size"]
    return Images(files, (height, width), data["channels"])[:]


def _sounds(place: Path, data: Mapping[str, Any]) -> np.ndarray:
    _require(place, "rate" in data, data, "recordings")
    files, notes = _files(place, audio.ENDINGS, audio.WAY_OUT)
    if not files:
        raise ValueError(f"{place}: no recordings in it; expected .wav files; {audio.WAY_OUT}")
    x, findings = audio.recordings(files, data["rate"], data["seconds"])
    _say([*notes, *findings])
    return x


def _require(place: Path, fits: bool, data: Mapping[str, object], what: str) -> None:
    if not fits:
        raise ValueError(
            f"{place}: expected rows as the configured data have them "
            f"({data['_target_']}), received {what}"
        )


def _files(place: Path, endings: Collection[str], way_out: str) -> tuple[list[Path], list[Finding]]:
    inside = visible_files(place) if place.is_dir() else [place]
    files = [file for file in inside if file.suffix.lower() in endings]
    return files, left_out(inside, endings, way_out)


def _say(findings: Sequence[Finding | str]) -> None:
    for one in few_of([str(finding) for finding in findings], "more such notes are left out"):
        print(f"note: {plain(one)}", file=sys.stderr)
