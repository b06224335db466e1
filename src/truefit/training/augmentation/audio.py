"""Sounds with noise, and without some of their time and of their frequencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Lt

if TYPE_CHECKING:
    from truefit.core.prepared.facts import FactsJSON


def audio(
    *,
    facts: FactsJSON,
    seed: int,
    noise: Annotated[float, Ge(0)] = 0.0,
    time_mask: Annotated[float, Ge(0), Lt(1)] = 0.0,
    frequency_mask: Annotated[float, Ge(0), Lt(1)] = 0.0,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function of waves (rows, samples) and targets that gives other waves.

    The masks are those of SpecAugment (Park et al. 2019), put on the wave itself, so that any
    model can have them.

    Args:
        facts: what dataset.json says.
        seed: of the random numbers.
        noise: normal noise, in units of each wave's root mean square.
        time_mask: most of the samples in a row that become silent.
        frequency_mask: most of the band, up to half the sampling rate, that is filtered out.

    Raises:
        ValueError: rows are no waves.
    """
    shape = facts["input_shape"]
    if len(shape) != 1 or facts["sizes"] or facts["columns"] or facts["features"]:
        raise ValueError(
            f"augmentation audio needs rows of samples, received {' x '.join(map(str, shape))}; "
            "`augmentation: none` or another file of it"
        )
    random = np.random.default_rng([seed, 0xA0D])

    def augment(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        waves = x.astype(np.float32)
        if noise:
            loudness = np.sqrt(np.mean(waves**2, axis=1, keepdims=True))
            waves += noise * loudness * random.standard_normal(waves.shape, dtype=np.float32)
        if frequency_mask:
            bands = np.fft.rfft(waves)
            bands[_masks(random, bands.shape, frequency_mask)] = 0
            waves = np.fft.irfft(bands, n=waves.shape[1]).astype(np.float32)
        if time_mask:
            waves[_masks(random, waves.shape, time_mask)] = 0
        return waves, y

    return augment


def _masks(random: np.random.Generator, shape: tuple[int, ...], share: float) -> np.ndarray:
    """In each row one stretch of at most `share` of it, anywhere."""
    width = random.uniform(0, share * shape[1], (shape[0], 1))
    start = random.uniform(0, shape[1] - width)
    places = np.arange(shape[1])
    return np.asarray((places >= start) & (places < start + width))
