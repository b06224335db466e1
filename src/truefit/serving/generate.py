"""`truefit generate`: how a language model continues a text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.errors import UserError
from truefit.core.prepared.coding import Coding, Words, is_words
from truefit.core.prepared.facts import Target
from truefit.core.prepared.table import UNKNOWN, text_of
from truefit.core.resolved import load
from truefit.evaluation.scores import SMALLEST
from truefit.serving.predict import load_trained
from truefit.training.samples import go_on

if TYPE_CHECKING:
    import keras


def generate(prompt: str, model: str, tokens: int, seed: int, temperature: float) -> str:
    """Return `prompt` and the `tokens` characters that the model continues it with.

    Args:
        prompt: how the text begins, one character at least.
        model: as of `prediction.predict`.
        tokens: characters to add.
        seed: of the draws; the same one gives the same text.
        temperature: below 1 likelier characters are taken more often, 0 takes the likeliest alone.

    Raises:
        UserError: there is no such model, or it does not predict what comes next in a text.
    """
    if not prompt:
        raise UserError("expected how the text begins, one character at least, received nothing")
    loaded, target = load_trained(load(), model)
    column = _characters(loaded, target)
    codes = {character: code for code, character in enumerate(column["levels"], UNKNOWN + 1)}
    if strange := sorted({*prompt} - codes.keys()):
        print(f"note: no training text has {' '.join(map(repr, strange))}", file=sys.stderr)
    begun = np.array([[codes.get(character, UNKNOWN) for character in prompt]], np.int32)

    def logits_of(rows: np.ndarray) -> np.ndarray:
        likely: np.ndarray = np.log(np.clip(loaded.core.predict_on_batch(rows), SMALLEST, 1.0))
        return likely

    places = int(loaded.core.input_shape[1])
    written = go_on(logits_of, begun, places, tokens, seed, temperature)
    return prompt + text_of(written[0, len(prompt) :], column)


def _characters(loaded: keras.Model, target: Target) -> Words:
    """What dataset.json says of the text's one column."""
    columns: list[Coding] = getattr(loaded, "columns", [])
    texts = [column for column in columns if is_words(column)]
    if target.kind != "next" or len(texts) != 1:
        raise UserError(
            "the model predicts no text: `truefit generate` needs one that predicts what comes "
            "next, such as of `dvc exp run -S experiment=language_model`; `truefit predict FILE` "
            f"takes rows (target: {target.name})"
        )
    return texts[0]
