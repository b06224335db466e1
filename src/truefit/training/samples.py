"""What a model makes of nothing, drawn while it learns: pictures, or text that goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from truefit.core.prepared.facts import Facts
from truefit.training.tasks import Task

if TYPE_CHECKING:
    import keras

PICTURES = 25
Sample = Callable[["keras.Model"], "np.ndarray | str"]
TEXTS, LENGTH = 3, 160  # so many continuations, of so many characters


def draw_sample(task: Task, facts: Facts, seed: int, rows: np.ndarray) -> Sample | None:
    """A function of the model that gives the same sample for the same weights, or `None`.

    Args:
        task: has pictures, text or no samples.
        facts: what dataset.json says.
        seed: of the random numbers.
        rows: where texts begin.
    """
    if task.samples == "images":
        return lambda model: generate(model.generator, PICTURES, seed)
    if task.samples == "text":
        return lambda model: write_on(
            model.predict_on_batch, facts.text["levels"] if facts.text else [], rows[:TEXTS], seed
        )
    return None


def generate(generator: keras.Model, count: int, seed: int) -> np.ndarray:
    """Rows (count, ...) in the data's own unit, from standard normal numbers."""
    random = np.random.default_rng([seed, 0x6A4])
    numbers = random.standard_normal((count, *generator.input_shape[1:])).astype(np.float32)
    made: np.ndarray = generator.predict(numbers, batch_size=256, verbose=0)
    return made


def write_on(
    logits_of: Callable[[np.ndarray], ArrayLike], levels: list[str], rows: np.ndarray, seed: int
) -> str:
    """How a model goes on after `rows`, one character at a time, each drawn by its probability.

    Args:
        logits_of: from codes (rows, length) to logits (rows, length, codes).
        levels: the characters; code 2 is the first of them.
        rows: (texts, length) codes.
        seed: of the draws.
    """
    codes = go_on(logits_of, rows, rows.shape[1], LENGTH, seed)
    texts = ["".join(levels[code - 2] if code > 1 else "?" for code in row) for row in codes]
    begun = rows.shape[1]
    return "\n\n".join(f"[{text[:begun][-40:]}]{text[begun:]}" for text in texts) + "\n"


def go_on(
    logits_of: Callable[[np.ndarray], ArrayLike],
    begun: np.ndarray,
    places: int,
    count: int,
    seed: int,
    temperature: float = 1.0,
) -> np.ndarray:
    """Codes (texts, begun + count): each further one is drawn by the model's probability for it.

    Args:
        logits_of: from codes (texts, places) to logits (texts, places, codes), each of which
            depends on the codes up to its own place alone.
        begun: (texts, length) codes, one at least.
        places: how many codes the model sees at a time, the last ones of each text.
        count: codes to draw.
        seed: of the draws; the same one gives the same text.
        temperature: divides the logits; 0 takes the likeliest code each time.
    """
    random, codes = np.random.default_rng([seed, 0x7E7]), np.array(begun)
    for _ in range(count):
        window = codes[:, -places:]
        known = window.shape[1]
        padded = np.pad(window, ((0, 0), (0, places - known)))  # what follows is not looked at
        logits = np.asarray(logits_of(padded))[:, known - 1].astype(np.float64)
        logits[:, :2] = -np.inf  # padding and the unknown are no text
        if temperature:
            logits = logits / temperature + random.gumbel(size=logits.shape)
        codes = np.column_stack([codes, logits.argmax(axis=1)])
    return codes
