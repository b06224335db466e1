"""Rows as features for simple models: numbers, pixels, spectra, words, codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import prod

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from truefit.core.prepared.mapped import read
from truefit.evaluation.report.plots import is_picture
from truefit.evaluation.scoring.case import Case

MOST = 4_096  # features of a row; larger images are averaged over squares until they fit
STRETCHES, BANDS, FRAME = 8, 32, 256  # of a sound's spectrum; FRAME is in samples
POWER_FLOOR = 1.0  # of a 16-bit sound: silence has a finite logarithm
PAIRS = 20_000  # pairs of words that count: the commonest of PAIRED_ROWS rows
PAIRED_ROWS = 50_000


@dataclass(frozen=True)
class Features:
    """How rows become a matrix.

    `of` takes rows as prepared and returns (rows, count), a sparse matrix if `sparse`; `values` is
    how many numbers of a row are stored, `words` what a yardstick's name says of them, and
    `penalties` the weights of squared coefficients that suit their size.
    """

    of: Callable[[np.ndarray], np.ndarray | sparse.csr_array]
    count: int
    values: int
    words: str = ""
    sparse: bool = False
    penalties: tuple[float, ...] = (1.0, 100.0, 10_000.0)


def features_of(train: Case, seed: int) -> Features | None:
    """The features of the kind of rows that `train` has; `None` where there are too many."""
    columns = train.facts.columns or []
    if train.facts.sizes:
        is_text = columns[0]["kind"] in ("text", "characters")
        return _words(train, seed) if is_text else _codes(train.facts.sizes)
    if is_sound(train):
        width = STRETCHES * BANDS
        return Features(spectra, width, width, " on a coarse spectrum")
    width = prod(train.x.shape[1:])
    if width <= MOST:
        return Features(_flat, width, width)
    return _coarse_pixels(train.x.shape[1:]) if is_picture(train.x) else None


def is_sound(case: Case) -> bool:
    """Whether rows are waves of 16 bits, as prepared from recordings."""
    return case.x.ndim == 2 and case.x.dtype == np.int16 and not case.facts.normalize


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(len(rows), -1).astype(np.float32)


def _coarse_pixels(shape: tuple[int, ...]) -> Features | None:
    """Means over squares, the smallest that leave MOST values."""
    height, width, channels = shape
    side = next(k for k in count(2) if (height // k) * (width // k) * channels <= MOST)
    if side > min(height, width):
        return None
    down, right = height // side, width // side

    def pooled(rows: np.ndarray) -> np.ndarray:
        whole = rows[:, : down * side, : right * side].astype(np.float32)
        squares = whole.reshape(len(rows), down, side, right, side, channels)
        means: np.ndarray = squares.mean(axis=(2, 4)).reshape(len(rows), -1)
        return means

    kept = down * right * channels
    return Features(pooled, kept, kept, f" on means of {side} x {side} pixels")


def spectra(rows: np.ndarray) -> np.ndarray:
    """Log power in STRETCHES of time and BANDS of frequency, less each row's mean: its loudness."""
    samples = rows.shape[1]
    length = -(-max(samples, STRETCHES * FRAME) // (STRETCHES * FRAME)) * STRETCHES * FRAME
    padded = np.zeros((len(rows), length), np.float32)
    padded[:, :samples] = rows
    frames = padded.reshape(len(rows), STRETCHES, -1, FRAME) * np.hanning(FRAME)
    power = (np.abs(np.fft.rfft(frames)[..., 1:]) ** 2).mean(axis=2)
    bands = power.reshape(len(rows), STRETCHES, BANDS, -1).mean(axis=-1)
    logs = np.log(bands + POWER_FLOOR).reshape(len(rows), -1)
    found: np.ndarray = (logs - logs.mean(axis=1, keepdims=True)).astype(np.float32)
    return found


def _codes(sizes: list[int]) -> Features:
    """One feature for each code of each column; 0, which training has not seen, has none."""
    starts, total = np.cumsum([0, *sizes[:-1]]), sum(sizes)

    def one_hot(rows: np.ndarray) -> sparse.csr_array:
        return _counted(rows + starts, rows > 0, total)

    return Features(one_hot, total, len(sizes), "", sparse=True, penalties=(3.0, 10.0))


def _words(train: Case, seed: int) -> Features:
    """How often a row has each word and each of the commonest pairs, as tf-idf of length 1."""
    size = train.facts.sizes[0]
    some = np.random.default_rng([seed, 0x7E7]).permutation(len(train.x))[:PAIRED_ROWS]
    rows = read(train.x, np.sort(some))
    keys, often = np.unique(_pairs(rows, size), return_counts=True)
    often[keys < 0] = 0
    common = np.sort(keys[np.argsort(-often, kind="stable")[:PAIRS]][: int((often > 1).sum())])

    def counts(rows: np.ndarray) -> sparse.csr_array:
        words = _counted(rows, rows > 0, size)
        if not len(common):
            return words
        pairs = _pairs(rows, size)
        place = np.minimum(np.searchsorted(common, pairs), len(common) - 1)
        return sparse.hstack([words, _counted(place, common[place] == pairs, len(common))], "csr")

    weigh = TfidfTransformer(sublinear_tf=True).fit(counts(rows))
    width, stored = size + len(common), 2 * rows.shape[1]
    words = " on words and pairs of words"
    return Features(
        lambda rows: weigh.transform(counts(rows)), width, stored, words,
        sparse=True, penalties=(0.01, 1.0),
    )  # fmt: skip


def _pairs(rows: np.ndarray, size: int) -> np.ndarray:
    """A number for each two codes that follow each other; -1 where one of them pads."""
    first, second = rows[:, :-1].astype(np.int64), rows[:, 1:]
    return np.where((first > 0) & (second > 0), first * size + second, -1)


def _counted(columns: np.ndarray, counts: np.ndarray, width: int) -> sparse.csr_array:
    """(rows, width) sparse: how often each row names each column where `counts`."""
    rows, places = np.nonzero(counts)
    ones = np.ones(len(rows))
    return sparse.csr_array((ones, (rows, columns[rows, places])), shape=(len(columns), width))
