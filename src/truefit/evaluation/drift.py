"""How far the held-out rows are from the training rows, feature by feature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split
from truefit.core.prepared.mapped import read

ROWS = 5_000  # of each split
PIECE = 16 * 2**20  # bytes of rows that are read at a time
FEATURES = 2_000  # of more none is looked at
SHOWN = 3  # of each split, the farthest


@dataclass(frozen=True)
class Drift:
    """A feature whose values in a split are not those of training, by Kolmogorov and Smirnov.

    `distance` is the largest between both distribution functions, `p` how probable as large a one
    is in any feature of the split if there is no drift (Bonferroni).
    """

    split: str
    feature: str
    distance: float
    p: float


def find_drift(splits: dict[str, Split], facts: Facts, seed: int) -> list[Drift]:
    """The features of each held-out split that are farthest from training, farthest first.

    Of a table each feature is looked at; of images brightness and contrast, of sounds loudness, of
    texts their length.
    """
    train, names = _features(splits["train"], facts, seed)
    found = []
    for split in ("validation", "test"):
        rows, _ = _features(splits[split], facts, seed)
        tests = [ks_2samp(train[:, n], rows[:, n], method="asymp") for n in range(len(names))]
        several = [
            Drift(split, name, float(one.statistic), min(1.0, float(one.pvalue) * len(names)))
            for name, one in zip(names, tests, strict=True)
        ]
        found += sorted(several, key=lambda one: one.p)[:SHOWN]
    return found


def _features(split: Split, facts: Facts, seed: int) -> tuple[np.ndarray, list[str]]:
    chosen = np.sort(np.random.default_rng([seed, 0xD1F]).permutation(len(split.x))[:ROWS])
    size = max(1, PIECE // max(1, split.x[:1].nbytes))
    pieces = [read(split.x, chosen[n : n + size]) for n in range(0, len(chosen), size)]
    if facts.sizes:
        if any(column["kind"] == "code" for column in facts.columns or []):
            names = [column["name"] for column in facts.columns or [] if column["kind"] == "code"]
            return np.concatenate(pieces), names
        return np.concatenate([_lengths(piece) for piece in pieces]), ["length"]
    if split.x.dtype == np.int16 and not facts.normalize:
        return np.concatenate([_levels(piece)[:, 1:] for piece in pieces]), ["loudness"]
    if split.x.ndim > 2:
        return np.concatenate([_levels(piece) for piece in pieces]), ["brightness", "contrast"]
    if split.x.shape[1] > FEATURES:
        return np.zeros((len(chosen), 0)), []
    names = facts.features or [f"feature {n}" for n in range(split.x.shape[1])]
    return np.concatenate(pieces), names


def _lengths(codes: np.ndarray) -> np.ndarray:
    """How long texts are; every word of training is in the vocabulary, so that tells no drift."""
    lengths: np.ndarray = (codes != 0).sum(axis=1, keepdims=True)
    return lengths


def _levels(piece: np.ndarray) -> np.ndarray:
    """Mean and deviation of all that a row holds."""
    rows = piece.reshape(len(piece), -1).astype(np.float32)
    return np.column_stack([rows.mean(axis=1), rows.std(axis=1)])
