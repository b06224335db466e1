"""Running text of the user's own, cut into windows for a model that predicts what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge

from truefit.datasets.checks import Source
from truefit.datasets.folders import (
    by_ending,
    given_by_names,
    given_split,
    left_out,
    some,
    visible_files,
)
from truefit.datasets.layouts import OPENERS

FEWEST = 3  # one window for each split
WAY_OUT = "save those that are texts as .txt"


def text(*, path: str, length: Annotated[int, Ge(1)] = 100, encoding: str = "utf-8") -> Source:
    """`x` a frame of one column `text`: consecutive windows of `length` + 1 characters.

    Window k starts at k * length, so that what follows each of its first `length` characters is in
    it and every character but the first is predicted once; a shorter rest is dropped.

    Args:
        path: a .txt file, or a folder of them (sorted by path, joined by a newline); folders or
            files in it that are named train, val and test are the given splits.
        length: characters that a model sees of a window.
        encoding: of the files.

    Raises:
        ValueError: no files, another encoding (files, bytes, lines), or too little text.
    """
    place = Path(path)
    if place.is_file() and place.suffix.lower() in OPENERS:
        raise ValueError(
            f"data.path: expected a .txt file or a folder of them, received a packed one: {path}; "
            "unpack it"
        )
    found = visible_files(place) if place.is_dir() else [place]
    files = [file for file in found if file.suffix.lower() == ".txt" or file == place]
    if not files or not files[0].is_file():
        held = f"; it holds {by_ending(found)}" if files != found else ""
        raise ValueError(
            f"data.path: expected a .txt file or a folder of them, found none: {path}{held}"
        )
    texts = _decoded(files, encoding)
    given = given_split(place, files) or given_by_names(place, files) if place.is_dir() else {}
    if given:
        source = _given_windows(texts, given, length, str(path))
    else:
        source = windows("\n".join(texts), length, str(path))
    return source | {"findings": left_out(found, {file.suffix.lower() for file in files}, WAY_OUT)}


def _given_windows(texts: list[str], given: Source, length: int, where: str) -> Source:
    """The windows of each given split by itself; training first, as time goes."""
    nowhere = np.zeros(len(texts), bool)
    masks = {
        "is_validation": given.get("is_validation", nowhere),
        "is_test": given.get("is_test", nowhere),
    }
    train = ~(masks["is_validation"] | masks["is_test"])
    parts = {
        name: windows(
            "\n".join(text for text, taken in zip(texts, mask, strict=True) if taken),
            length,
            f"{where}, {name}",
            fewest=1,
        )
        for name, mask in {"train": train, **masks}.items()
        if mask.any()
    }
    names = np.repeat(list(parts), [len(part["x"]) for part in parts.values()])
    x = pd.concat([part["x"] for part in parts.values()], ignore_index=True)
    source: Source = {**parts["train"], "x": x}
    if "is_validation" in given:
        source["is_validation"] = names == "is_validation"
    if "is_test" in given:
        source["is_test"] = names == "is_test"
    return source


def windows(content: str, length: int, where: str, fewest: int = FEWEST) -> Source:
    """What `text` returns, for a text that is already there; `where` names it in messages.

    Raises:
        ValueError: it is shorter than `fewest` windows.
    """
    rows = (len(content) - 1) // length
    if rows < fewest:
        raise ValueError(
            f"{where}: {len(content)} characters are fewer than {fewest} windows of {length} + 1; "
            "add text or lower `data.length`"
        )
    parts = [content[start : start + length + 1] for start in range(0, rows * length, length)]
    return {"x": pd.DataFrame({"text": parts}), "coding": {"types": {"text": "characters"}}}


def _decoded(files: list[Path], encoding: str) -> list[str]:
    """The files' texts; one message has all that cannot be read."""
    texts, broken = [], []
    for file in files:
        try:
            texts.append(_decode(file, encoding))
        except LookupError:
            raise ValueError(f"data.encoding: Python knows no encoding {encoding!r}") from None
        except ValueError as error:
            broken.append(str(error))
    if broken:
        several = f"{len(broken)} of {len(files)} files:\n  " if len(broken) > 1 else ""
        raise ValueError(
            f"{several}{some(broken)}; save it as UTF-8, or set `data.encoding` (latin-1, cp1252, "
            "utf-16, ...)"
        )
    return texts


def _decode(file: Path, encoding: str) -> str:
    content = file.read_bytes()
    try:
        decoded = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{file} is not {encoding}: byte 0x{content[error.start]:02x} at {error.start} (line "
            f"{line})"
        ) from error
    if "\0" in decoded:
        raise ValueError(f"{file} holds NUL characters, so it is no {encoding} text")
    return decoded.removeprefix("\ufeff").replace("\r\n", "\n")
