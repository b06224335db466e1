"""Running text of the user's own, cut into windows for a model that predicts what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from annotated_types import Ge

FEWEST = 3  # one window for each split


def text(
    *, path: str, length: Annotated[int, Ge(1)] = 100, encoding: str = "utf-8"
) -> dict[str, Any]:
    """`x` a frame of one column `text`: consecutive windows of `length` + 1 characters.

    Window k starts at k * length, so that what follows each of its first `length` characters is in
    it and every character but the first is predicted once; a shorter rest is dropped.

    Args:
        path: a .txt file, or a folder of them (sorted by path, joined by a newline).
        length: characters that a model sees of a window.
        encoding: of the files.

    Raises:
        ValueError: no files, another encoding (file, byte, line), or too little text.
    """
    place = Path(path)
    files = sorted(f for f in place.rglob("*.txt") if f.is_file()) if place.is_dir() else [place]
    if not files or not files[0].is_file():
        raise ValueError(f"data.path: expected a .txt file or a folder of them, found none: {path}")
    return windows("\n".join(_decode(file, encoding) for file in files), length, str(path))


def windows(content: str, length: int, where: str) -> dict[str, Any]:
    """What `text` returns, for a text that is already there; `where` names it in messages.

    Raises:
        ValueError: it is shorter than three windows.
    """
    rows = (len(content) - 1) // length
    if rows < FEWEST:
        raise ValueError(
            f"{where}: {len(content)} characters are fewer than {FEWEST} windows of {length} + 1; "
            "add text or lower `data.length`"
        )
    parts = [content[start : start + length + 1] for start in range(0, rows * length, length)]
    return {"x": pd.DataFrame({"text": parts}), "coding": {"types": {"text": "characters"}}}


def _decode(file: Path, encoding: str) -> str:
    content = file.read_bytes()
    try:
        decoded = content.decode(encoding)
    except LookupError:
        raise ValueError(f"data.encoding: Python knows no encoding {encoding!r}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{file} is not {encoding}: byte 0x{content[error.start]:02x} at {error.start} (line "
            f"{line}); save it as UTF-8 or set `data.encoding` (latin-1, cp1252, utf-16, ...)"
        ) from error
    return decoded.removeprefix("\ufeff").replace("\r\n", "\n")
