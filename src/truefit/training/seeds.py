"""Seeds of trainings and of their parts, the same on every machine."""

from __future__ import annotations

import hashlib

import numpy as np


def training_seed(seed: int, slot: int, repeat: int = 0) -> int:
    """The seed of one training: the same for the same (seed, slot, repeat) on every machine."""
    text = f"{seed}/{slot}/{repeat}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def finalist_seed(seed: int, repeat: int) -> int:
    """The seed of a finalist's repeat (from 1): the same for all, so that they compare in pairs."""
    return training_seed(seed, 0, repeat)


def part_seed(seed: int, number: int) -> int:
    """The seed of one part of a training: an epoch, or a fold."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
