"""No augmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from truefit.core.prepared.facts import FactsJSON


def none(*, facts: FactsJSON, seed: int) -> None:
    """Every epoch sees the rows as they are."""
