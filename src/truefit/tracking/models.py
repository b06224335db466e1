"""The trained model in MLflow: signature, pinned requirements, and proof that it loads."""

from __future__ import annotations

import logging
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from truefit.datasets.prepared import Facts
from truefit.preload import quiet


def save_model(model: Any, facts: Facts, folder: Path) -> None:
    """`folder` holds `model` as MLflow loads it, so that pyfunc predicts raw rows."""
    with quiet():  # it imports TensorFlow whatever the backend
        from mlflow import keras as mlflow_keras  # noqa: PLC0415 - only the train stage needs it
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import Schema, TensorSpec  # noqa: PLC0415

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    shape = (-1, *facts["input_shape"])
    outputs = (-1, *model.output_shape[1:])
    float32 = np.dtype("float32")
    # The signature is given: MLflow's inference starts a process of 10 to 20 seconds for nothing.
    signature = ModelSignature(
        inputs=Schema([TensorSpec(float32, shape)]), outputs=Schema([TensorSpec(float32, outputs)])
    )
    mlflow_keras.save_model(
        model,
        path=str(folder),
        signature=signature,
        pip_requirements=[
            f"{package}=={version(package)}"
            for package in ("mlflow", "keras", os.environ["KERAS_BACKEND"], "numpy")
        ],
    )


def load_logged_model(uri: str) -> Any:
    """The Keras model at an MLflow address or in a folder, in Keras' safe mode."""
    from mlflow import keras as mlflow_keras  # noqa: PLC0415 - see `save_model`

    return mlflow_keras.load_model(uri)


def send_model(store: Any, experiment: str, run_id: str, run: str, folder: Path) -> str:
    """The run's model in MLflow, made of what `save_model` wrote; returns its id.

    It carries the journal's name of the run, so that sending again finds it.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus  # noqa: PLC0415
    from mlflow.models import Model  # noqa: PLC0415

    condition = f"tags.`truefit.run` = '{run}'"
    found = store.client.search_logged_models([experiment], filter_string=condition)
    made = found[0] if found else None
    if made is None:
        tags = {"truefit.run": run}
        made = store.client.create_logged_model(experiment, "model", run_id, tags)
    if made.status != LoggedModelStatus.READY:
        outputs = store.client.get_run(run_id).outputs
        if not outputs or not outputs.model_outputs:  # MLflow takes a link only once
            store.client.log_outputs(run_id, models=[LoggedModelOutput(made.model_id, step=0)])
        description = Model.load(str(folder))
        description.run_id = run_id
        description.model_id = description.model_uuid = made.model_id
        description.artifact_path = made.artifact_location
        description.save(str(folder / "MLmodel"))
        store.client.log_model_artifacts(made.model_id, str(folder))
        store.client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    return str(made.model_id)
