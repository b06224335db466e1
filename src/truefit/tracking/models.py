"""The trained model in MLflow: signature, pinned requirements, and proof that it loads."""

from __future__ import annotations

import logging
import os
from importlib.metadata import version
from typing import Any

import numpy as np

from truefit.datasets.prepared import Facts
from truefit.preload import quiet
from truefit.tracking.store import tracking_uri


def log_model(run_id: str, model: Any, facts: Facts) -> None:
    """Attach `model` to the run, so that `mlflow.pyfunc.load_model` predicts raw rows."""
    import mlflow  # noqa: PLC0415 - only the stages that record need it

    # The signature is given: MLflow's inference starts a process of 10 to 20 seconds for nothing.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with quiet():  # it imports TensorFlow whatever the backend
        from mlflow import keras as mlflow_keras  # noqa: PLC0415
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import Schema, TensorSpec  # noqa: PLC0415

    shape = (-1, *facts["input_shape"])
    outputs = (-1, *model.output_shape[1:])
    float32 = np.dtype("float32")
    signature = ModelSignature(
        inputs=Schema([TensorSpec(float32, shape)]), outputs=Schema([TensorSpec(float32, outputs)])
    )
    backend = os.environ["KERAS_BACKEND"]
    mlflow.set_tracking_uri(tracking_uri())
    with mlflow.start_run(run_id=run_id):
        mlflow_keras.log_model(
            model,
            name="model",
            signature=signature,
            pip_requirements=[f"{p}=={version(p)}" for p in ("mlflow", "keras", backend, "numpy")],
        )
