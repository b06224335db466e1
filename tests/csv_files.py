"""CSV files as a test writes them, and how they are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> str:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def table(rows: int = 40, **columns: list[Any]) -> str:
    """A CSV with a column of numbers, those given (repeated), and a target of two classes."""
    given = {
        name: [values[n % len(values)] for n in range(rows)] for name, values in columns.items()
    }
    frame = {"a": [n * 0.5 for n in range(rows)], **given, "y": [n % 2 for n in range(rows)]}
    lines = [
        ",".join(frame),
        *(",".join(map(str, row)) for row in zip(*frame.values(), strict=True)),
    ]
    return "\n".join(lines) + "\n"


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        call(**arguments)
    return str(refused.value)
