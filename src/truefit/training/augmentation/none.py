"""No augmentation."""

from __future__ import annotations

from typing import Any


def none(*, facts: dict[str, Any], seed: int) -> None:
    """Every epoch sees the rows as they are."""
