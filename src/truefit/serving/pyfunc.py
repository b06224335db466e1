"""How MLflow loads a model that holds layers of ours: this module stands in its MLmodel file."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

if TYPE_CHECKING:
    import keras


class Served:
    """A model as `mlflow.pyfunc` calls it."""

    def __init__(self, model: keras.Model) -> None:
        """`model` is a Keras model."""
        self._model = model

    def predict(self, rows: Any, params: dict[str, object] | None = None) -> np.ndarray:
        """Predictions for raw rows: a DataFrame for a table or texts, else an array."""
        del params
        taken = rows if hasattr(self._model, "core") else np.asarray(rows)
        predicted: np.ndarray = self._model.predict(taken, verbose=0)
        return predicted


def _load_pyfunc(path: str) -> Served:
    """The model in an MLflow folder; its modules are imported first, and then Keras' safe mode."""
    flavors = yaml.safe_load(Path(path, "MLmodel").read_text())["flavors"]
    os.environ.setdefault("KERAS_BACKEND", flavors["keras"]["keras_backend"])
    from truefit.training.saved import load_saved  # noqa: PLC0415 - Keras reads the backend when imported

    for module in flavors["python_function"]["modules"]:
        importlib.import_module(module)
    file = Path(path, flavors["keras"]["data"], "model.keras")
    return Served(load_saved(file))
