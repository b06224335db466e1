"""Data made up by a rule, so that what can be learned and what is noise is known: no download."""

from __future__ import annotations

from pydoc_data import topics
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt, Le
from scipy.special import ndtr

from truefit.datasets.checks import Source
from truefit.datasets.text import windows

SOUNDS = ("low", "middle", "high", "rising", "falling", "warble")
SHAPES = ("circle", "square", "cross")
SIDE = 16  # pixels
# Words that both grammars share, by the part of speech that the rules below name.
WORDS = {
    "D": ["the", "a", "this", "every"],
    "A": ["old", "small", "quiet", "brave", "clever", "hungry"],
    "N": ["dog", "cat", "farmer", "child", "bird", "teacher", "sailor", "baker"],
    "V": ["saw", "followed", "heard", "liked", "found", "helped"],
    "P": ["near", "behind", "with", "without"],
    "T": ["that"],
}
SHARED = {
    "NP": [["D", "N"], ["D", "A", "N"], ["D", "N", "P", "D", "N"]],
    "REL": [["T", "V", "NP"], ["T", "V", "NP"], ["T", "NP", "V"]],
}
GRAMMARS: dict[str, dict[str, list[list[str]]]] = {
    "subject": {"S": [["NP", "REL", "V", "NP"]], **SHARED},
    "object": {"S": [["NP", "V", "NP", "REL"]], **SHARED},
}


def line(
    *, seed: int, rows: Annotated[int, Ge(10)] = 100, noise: Annotated[float, Ge(0)] = 0.1
) -> Source:
    """A straight line: `x` float32 (rows, 1) uniform from -3 to 3, `y` = 2 x + 1 + N(0, noise).

    No model has a mean squared error below noise squared on new rows.
    """
    random = np.random.default_rng(seed)
    x = random.uniform(-3, 3, (rows, 1)).astype(np.float32)
    y = 2.0 * x[:, 0] + 1.0 + random.normal(0, noise, rows)
    return {"x": x, "y": y.astype(np.float64), "features": ["x"], "target": "y"}


def boundary(
    *, seed: int, rows: Annotated[int, Ge(10)] = 10_000, noise: Annotated[float, Ge(0)] = 0.75
) -> Source:
    """Two normal inputs, `x` float32 (rows, 2), and `y` 1 on one side of a blurred line, else 0.

    `y` is 1 where s + noise * N(0, 1) > 0 with s = x0 + 2 x1 - 0.5. The best rule answers s > 0 and
    is right with probability Phi(|s| / noise): about 0.90 over all rows at a noise of 0.75.
    """
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 2)).astype(np.float32)
    y = (_signal(x) + noise * random.normal(size=rows) > 0).astype(np.int64)
    return {"x": x, "y": y, "features": ["x0", "x1"], "target": "side"}


def bayes_accuracy(x: np.ndarray, noise: float) -> float:
    """The accuracy to expect of the best rule on rows of `boundary`: the mean of Phi(|s|/noise)."""
    return float(ndtr(np.abs(_signal(x)) / noise).mean()) if noise else 1.0


def _signal(x: np.ndarray) -> np.ndarray:
    signal: np.ndarray = x[:, 0] + 2.0 * x[:, 1] - 0.5
    return signal


def low_rank_ratings(
    *,
    seed: int,
    users: Annotated[int, Ge(10)] = 300,
    items: Annotated[int, Ge(10)] = 200,
    rank: Annotated[int, Ge(1)] = 3,
    noise: Annotated[float, Ge(0)] = 0.5,
    density: Annotated[float, Gt(0), Le(1)] = 0.2,
) -> Source:
    """Ratings as `truefit.datasets.ratings.ratings` gives them, for users u0, u1, ... and items.

    A rating is 3.5 + bias of the user + bias of the item + the product of their `rank` factors +
    N(0, noise): biases have a standard deviation of 0.4, the product one of 0.8. `tables` hold the
    factors with N(0, 0.3) of noise at a scale of 1, so what is known of an item helps. No model has
    a root mean squared error below `noise` on new pairs.

    Args:
        seed: the same seed gives the same ratings.
        users: how many users.
        items: how many items.
        rank: factors of each.
        noise: standard deviation of what no model can know.
        density: share of all pairs that are rated.
    """
    random = np.random.default_rng(seed)
    names = {"user_id": _names("u", users), "item_id": _names("i", items)}
    factors = {name: random.normal(size=(len(ids), rank)) for name, ids in names.items()}
    biases = {name: random.normal(0, 0.4, len(ids)) for name, ids in names.items()}
    pairs = random.permutation(users * items)[: max(10, round(density * users * items))]
    rows = dict(zip(names, np.divmod(pairs, items), strict=True))
    match = np.prod([factors[name][chosen] for name, chosen in rows.items()], axis=0).sum(axis=1)
    y = 3.5 + 0.8 / np.sqrt(rank) * match + random.normal(0, noise, len(pairs))
    y += sum(biases[name][chosen] for name, chosen in rows.items())
    x = pd.DataFrame({name: names[name][chosen] for name, chosen in rows.items()})
    tables = {
        name: pd.DataFrame(
            known + random.normal(0, 0.3, known.shape), names[name], _names("trait", rank)
        )
        for name, known in factors.items()
    }
    return {
        "x": x,
        "y": y,
        "target": "rating",
        "keys": {name: x[name].to_numpy() for name in names},
        "coding": {"types": dict.fromkeys(names, "code")},
        "tables": tables,
    }


def _names(stem: str, count: int) -> np.ndarray:
    return np.array([f"{stem}{number}" for number in range(count)], dtype=object)


def tones(
    *,
    seed: int,
    rows: Annotated[int, Ge(36)] = 600,
    rate: Annotated[int, Ge(4000)] = 8000,
    seconds: Annotated[float, Gt(0)] = 0.5,
    noise: Annotated[float, Ge(0)] = 0.3,
) -> Source:
    """Six kinds of tone by six speakers: `x` int16 (rows, rate * seconds), `y` the kind.

    A tone is low, middle, high, rising, falling or warbles. Each speaker has a pitch, up to a
    third of an octave off, and overtones of their own; each take differs in pitch, loudness, start
    and phase. `noise` is white noise beside a tone of amplitude 1. `keys` are speaker and take:
    row k is take k // 36.
    """
    random = np.random.default_rng(seed)
    voices = np.random.default_rng([seed, 1])
    pitches = 2.0 ** (np.linspace(-1, 1, 6) / 3)
    overtones = voices.uniform(0.1, 0.7, (6, 3)) * [1, 1, 0.5]
    number = np.arange(rows)
    speakers = number // 6 % 6
    samples = round(rate * seconds)
    x = np.empty((rows, samples), np.int16)
    for row in number:
        speaker = speakers[row]
        pitch = pitches[speaker] * 2.0 ** random.normal(0, 1 / 24)
        sound = _tone(SOUNDS[row % 6], pitch, overtones[speaker], samples, rate, random)
        sound += noise * random.normal(size=samples)
        loudness = random.uniform(2000, 6000)
        x[row] = np.clip(np.rint(loudness * sound), -(2**15), 2**15 - 1)
    keys = {"speaker": _names("s", 6)[speakers], "take": number // 36}
    return {"x": x, "y": np.array(SOUNDS)[number % 6], "target": "sound", "keys": keys}


def _tone(
    kind: str,
    pitch: float,
    overtones: np.ndarray,
    samples: int,
    rate: int,
    random: np.random.Generator,
) -> np.ndarray:
    """A tone of amplitude about 1 that fades in after a short silence, and out."""
    time = np.linspace(0, 1, samples)
    hertz = {
        "low": np.full(samples, 220.0),
        "middle": np.full(samples, 400.0),
        "high": np.full(samples, 730.0),
        "rising": 290.0 * 1.9**time,
        "falling": 550.0 * 1.9**-time,
        "warble": 400.0 * 1.3 ** np.sin(2 * np.pi * 8 * time * samples / rate),
    }[kind] * pitch
    phase = 2 * np.pi * (np.cumsum(hertz) / rate + random.uniform())
    sound = np.sin(phase)
    for place, strength in enumerate(overtones, start=2):
        # Above half the sample rate a tone would come back as a lower one.
        sound += strength * np.sin(place * phase) * (place * hertz < rate / 2)
    start = random.uniform(0, 0.15)
    fade = np.clip(np.minimum((time - start) * 20, (1 - time) * 10), 0, 1)
    faded: np.ndarray = sound * fade
    return faded


def grammars(*, seed: int, rows: Annotated[int, Ge(10)] = 1200) -> Source:
    """Sentences of two grammars with the same words: `x` a frame of `text`, `y` the grammar.

    A clause with "that" says something of the subject ("the dog that saw a cat liked this bird") or
    of the object ("the dog saw a cat that liked this bird"). Both grammars hold each word as often
    on average, so that only the order tells them apart. No sentence comes twice.
    """
    random = np.random.default_rng(seed)
    sentences: dict[str, str] = {}
    while len(sentences) < rows:
        name = list(GRAMMARS)[len(sentences) % 2]
        sentences.setdefault(" ".join(_expand("S", GRAMMARS[name], random)), name)
    frame = pd.DataFrame({"text": list(sentences), "grammar": list(sentences.values())})
    return {
        "x": frame[["text"]],
        "y": frame["grammar"],
        "target": "grammar",
        "keys": {str(name): frame[name].to_numpy() for name in frame},
        "coding": {"types": {"text": "text"}, "words": 100, "length": 24},
    }


def _expand(
    symbol: str, grammar: dict[str, list[list[str]]], random: np.random.Generator
) -> list[str]:
    if symbol in WORDS:
        return [WORDS[symbol][int(random.integers(len(WORDS[symbol])))]]
    rules = grammar[symbol]
    parts = rules[int(random.integers(len(rules)))]
    return [word for part in parts for word in _expand(part, grammar, random)]


def python_docs(*, length: Annotated[int, Ge(1)] = 100) -> Source:
    """What `help()` says of Python's keywords and topics, as `truefit.datasets.text.text` has it.

    The text comes with Python (PSF licence), about 470,000 characters; it differs by version.
    """
    content = "\n".join(topics.topics[name] for name in sorted(topics.topics))
    return windows(content, length, "pydoc_data.topics")


def shapes(
    *, seed: int, rows: Annotated[int, Ge(10)] = 600, noise: Annotated[float, Ge(0)] = 0.1
) -> Source:
    """Grey images, `x` uint8 (rows, 16, 16, 1), each with any of a circle, a square and a cross.

    `y` is a frame of a 0/1 column for each; half of the images have each, apart from the others.
    Shapes differ in place, size and brightness and may overlap; `noise` is a share of white.
    """
    random = np.random.default_rng(seed)
    present = random.integers(0, 2, (rows, 3))
    pixels = random.normal(0, noise, (rows, SIDE, SIDE))
    for picture, wanted in zip(pixels, present, strict=True):
        for name, drawn in zip(SHAPES, wanted, strict=True):
            if drawn:
                picture[_outline(name, random)] += random.uniform(0.5, 0.9)
    x = np.clip(np.rint(255 * pixels), 0, 255).astype(np.uint8)[..., np.newaxis]
    return {"x": x, "y": pd.DataFrame(present, columns=list(SHAPES)), "target": "shapes"}


def _outline(name: str, random: np.random.Generator) -> np.ndarray:
    """Which pixels (16, 16) a shape of 7 or 9 pixels covers, anywhere in the image."""
    size = int(random.integers(3, 5))
    down, right = random.integers(size, SIDE - size, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE] - np.array([down, right])[:, np.newaxis, np.newaxis]
    furthest = np.maximum(np.abs(rows), np.abs(columns))
    inside: np.ndarray = {
        "circle": np.abs(np.hypot(rows, columns) - size) < 0.6,
        "square": furthest == size,
        "cross": (furthest <= size) & ((rows == 0) | (columns == 0)),
    }[name]
    return inside
