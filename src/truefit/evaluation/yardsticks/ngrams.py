"""What follows a code, by how often each code followed the one, two or four before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from truefit.core.prepared.mapped import read
from truefit.evaluation.scores import SMALLEST
from truefit.evaluation.yardsticks.yardstick import HELD_OUT, Cases, Yardstick, choose_rows

ORDERS = (2, 3, 5)
NAMES = {2: "bigrams", 3: "trigrams"}
PLACES = 1e7  # of the training rows
PIECE = 2**22  # probabilities that are held at a time


@dataclass(frozen=True)
class Level:
    """The histories of one length that training has, and how often each code followed them.

    `counts` is sparse (histories + 1, codes); its last row, for any other history, is empty.
    """

    histories: np.ndarray
    counts: sparse.csr_array
    total: np.ndarray
    kinds: np.ndarray


def ngrams(cases: Cases, seed: int) -> list[Yardstick]:
    """Bigrams, trigrams and 5-grams, each mixed with all shorter ones."""
    train = cases["train"]
    size = train.facts.sizes[0]
    chosen = choose_rows(len(train.x), PLACES / train.x.shape[1], [seed, 0x96A])
    if chosen is None:
        return []
    x, y = read(train.x, chosen), read(train.y, chosen)
    orders = [order for order in ORDERS if size ** (order - 1) < 2**62]
    levels = [_count(x, y, length, size) for length in range(max(orders))]
    return [
        Yardstick(
            NAMES.get(order, f"{order}-grams"),
            "ngrams",
            len(chosen),
            {name: _score(cases[name].x, cases[name].y, levels[:order], size) for name in HELD_OUT},
        )
        for order in orders
    ]


def _count(x: np.ndarray, y: np.ndarray, length: int, size: int) -> Level:
    found = _histories(x, length, size)
    known = found >= 0
    histories, rows = np.unique(found[known], return_inverse=True)
    shape = len(histories) + 1, size
    counts = sparse.coo_array((np.ones(len(rows)), (rows, y[known])), shape=shape).tocsr()
    counts.sum_duplicates()
    return Level(histories, counts, counts.sum(axis=1), np.diff(counts.indptr))


def _histories(x: np.ndarray, length: int, size: int) -> np.ndarray:
    """A number for the `length` codes up to each place; -1 where the row has fewer before it."""
    found = np.full(x.shape, -1, np.int64)
    places = x.shape[1] - length + 1
    if places > 0:
        found[:, max(0, length - 1) :] = 0
    for step in range(length if places > 0 else 0):
        found[:, length - 1 :] = found[:, length - 1 :] * size + x[:, step : step + places]
    return found


def _score(x: np.ndarray, y: np.ndarray, levels: list[Level], size: int) -> np.ndarray:
    """(rows, length, 2): the loss in nats at each place, and whether the likeliest code was it."""
    return np.concatenate(list(_pieces(x, y, levels, size)))


def _pieces(x: np.ndarray, y: np.ndarray, levels: list[Level], size: int) -> Iterator[np.ndarray]:
    step = max(1, PIECE // (x.shape[1] * size))
    for start in range(0, len(x), step):
        codes, wanted = (np.asarray(part[start : start + step]) for part in (x, y))
        p = _probabilities(codes, levels, size)
        chosen = np.take_along_axis(p, wanted[..., np.newaxis], axis=-1)[..., 0]
        loss = -np.log(np.clip(chosen, SMALLEST, 1.0))
        yield np.stack([loss, p.argmax(axis=-1) == wanted], axis=-1)


def _probabilities(x: np.ndarray, levels: list[Level], size: int) -> np.ndarray:
    """(rows, length, codes), by the interpolation of Witten & Bell (1991), method C.

    p(code | history) = (count + kinds * p(code | shorter history)) / (total + kinds), where `kinds`
    is how many different codes followed the history (Chen & Goodman 1999, section 2.4). Below the
    shortest all codes are alike.
    """
    p = np.full((x.size, size), 1 / size)
    for length, level in enumerate(levels):
        rows = _rows(level, _histories(x, length, size).ravel())
        kinds = np.maximum(level.kinds[rows], level.total[rows] == 0)[:, np.newaxis]
        total = level.total[rows][:, np.newaxis]
        p = (level.counts[rows].toarray() + kinds * p) / (total + kinds)
    return p.reshape(*x.shape, size)


def _rows(level: Level, wanted: np.ndarray) -> np.ndarray:
    """The row of `counts` of each history; the empty one of those that training does not have."""
    last = len(level.histories)
    place = np.minimum(np.searchsorted(level.histories, wanted), last - 1)
    known = level.histories[place] == wanted if last else np.zeros(len(wanted), bool)
    return np.where(known, place, last)
