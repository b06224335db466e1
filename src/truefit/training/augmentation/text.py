"""Texts with words missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Lt

if TYPE_CHECKING:
    from truefit.core.prepared.facts import FactsJSON

PADDING, UNKNOWN = 0, 1


def text(
    *, facts: FactsJSON, seed: int, token_dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function of codes (rows, length) and targets that makes some of the codes unknown.

    Args:
        facts: what dataset.json says.
        seed: of the random numbers.
        token_dropout: share of the words or characters that become unknown (Bowman et al. 2016).

    Raises:
        ValueError: rows are no texts.
    """
    if not any(c["kind"] in ("text", "characters") for c in facts["columns"] or []):
        raise ValueError(
            "augmentation text needs rows of words or characters; `augmentation: none` or another "
            "file of it"
        )
    random = np.random.default_rng([seed, 0x7E8])

    def augment(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        is_out = (random.random(x.shape) < token_dropout) & (x != PADDING)
        return np.where(is_out, UNKNOWN, x).astype(x.dtype), y

    return augment
