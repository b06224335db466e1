"""Whether a model survives that it is saved and loaded, found out before it is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.prepared.folder import read_facts, read_tables
from truefit.core.resolved import Params, override
from truefit.training.building import build, make_task, predictor
from truefit.training.runtime import set_up
from truefit.training.saved import core_of, example, load_saved, save, sentence

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config


@dataclass(frozen=True)
class Lost:
    """A model that saving loses: why, in one sentence, and the parameters of the trial with it."""

    why: str
    params: Params


def try_saving(config: Config, folder: Path, choices: Sequence[Params]) -> Lost | None:
    """Build each model untrained, save it and load it again; nothing is kept.

    Args:
        config: the resolved configuration.
        folder: the prepared folder.
        choices: parameters of a trial; one model is built with each of them in place.

    Returns:
        The first of them that would be lost; `None` if all survive.
    """
    set_up(config["runtime"])
    facts = read_facts(folder)
    tables = read_tables(folder, facts)
    for params in choices:
        chosen = override(config, params)
        task = make_task(chosen, facts)
        model = predictor(build(chosen, facts, task, tables), facts, task)
        if why := lost_by_saving(model, example(model, facts, folder)):
            return Lost(why, params)
    return None


def lost_by_saving(model: keras.Model, rows: np.ndarray) -> str:
    """Why a model would be lost, in one sentence; empty if it loads again and predicts alike.

    A model whose answer to a row hangs on chance, or on the rows beside it, is lost as well: no
    score of it can be had twice.

    Args:
        model: as it would be saved.
        rows: prepared rows that it takes.
    """
    if unsteady := _unsteady(core_of(model), rows):
        return unsteady
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.keras")
        try:
            save(model, file)
        except OSError:  # of the disk, and not of the model
            raise
        except Exception as error:  # noqa: BLE001 - Keras', or of a layer's own get_config
            return sentence(error)
        try:
            again = load_saved(file)
        except ValueError as error:
            return str(error)
    before, after = (_answer(core_of(one), rows) for one in (model, again))
    if before.shape == after.shape and np.allclose(before, after, equal_nan=True):
        return ""
    return (
        "it predicts otherwise once it is loaded: the get_config() of each layer of your own must "
        "name every argument of its __init__"
    )


def _unsteady(core: keras.Model, rows: np.ndarray) -> str:
    first, second, alone = (_answer(core, part) for part in (rows, rows, rows[:1]))
    near = 0.01 * float(np.abs(first).max(initial=0))  # a batch of another size rounds otherwise
    if not np.allclose(first, second, atol=near, equal_nan=True):
        return (
            "it answers the same rows otherwise the second time: a layer of your own draws random "
            "numbers or keeps a state where call() gets training=False"
        )
    if not np.allclose(first[:1], alone, atol=near, equal_nan=True):
        return (
            "it answers a row otherwise without the rows beside it: a layer of your own takes a "
            "mean over the batch where call() gets training=False"
        )
    return ""


def _answer(core: keras.Model, rows: np.ndarray) -> np.ndarray:
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    return np.asarray(keras.ops.convert_to_numpy(core(rows)))
