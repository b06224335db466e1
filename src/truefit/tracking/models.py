"""The trained model in MLflow: signature, pinned requirements, and proof that it loads."""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import warnings
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.backend import quiet
from truefit.core.errors import UserError
from truefit.core.prepared.facts import Facts, Target
from truefit.core.trees import fields_of
from truefit.tracking.artifacts import require_own
from truefit.tracking.store import Store, tracking_uri

if TYPE_CHECKING:
    import keras
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
NAMES = 4  # of one model: an alias's version, its source, a run's model, and one to spare
TOLD = "truefit"  # in the metadata of an MLmodel file
# Keras looks texts up in TensorFlow, and MLflow imports it, on every backend.
INSTALLED = {"keras", "sklearn"}  # of what a `_target_` may lie in
REQUIRED = ("mlflow", "keras", "tensorflow", "numpy", "pandas")


def save_model(model: keras.Model, facts: Facts, folder: Path, modules: list[str]) -> None:
    """`folder` holds `model` as MLflow loads it, so that pyfunc predicts raw rows.

    Where it has layers of ours or of the user's, that code lies beside it and `modules` are
    imported.
    """
    with quiet():  # it imports TensorFlow whatever the backend
        from mlflow import keras as mlflow_keras  # noqa: PLC0415 - only the train stage needs it

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow_keras.save_model(
        model,
        path=str(folder),
        # A table's is added below: this flavour takes tensors alone.
        signature=_signature(model, facts) if _takes_tensors(model) else None,
        pip_requirements=[
            f"{package}=={version(package)}"
            for package in sorted({*REQUIRED, os.environ["KERAS_BACKEND"]})
        ],
        metadata={TOLD: {"target": _told(facts), "modules": modules}},
    )
    if _has_own_layers(folder / "data" / "model.keras"):
        _bring_code(folder, modules, _signature(model, facts))


@dataclass(frozen=True)
class Fetched:
    """A model of MLflow's, on this machine."""

    file: Path  # `.keras`
    target: Target  # what it predicts, without the unit of a number
    modules: list[str]  # that are imported before it is loaded


def fetch_model(uri: str, place: Path) -> Fetched:
    """A model of MLflow's in `place`, with what `save_model` said about it.

    Raises:
        UserError: MLflow cannot be reached, has no such model, or keeps its files where it should
            not; or truefit has not saved it.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - see `save_model`
    from mlflow.models import Model  # noqa: PLC0415

    store, tracker = Store.open(), tracking_uri()
    try:
        address = _address(store.client, uri)
        require_own(address, tracker)
        folder = download_artifacts(address, dst_path=str(place), tracking_uri=tracker)
        told = (Model.load(folder).metadata or {}).get(TOLD)
    except store.away as error:
        if getattr(error, "error_code", "") in NOT_THERE:
            raise UserError(
                f"{uri}: there is no such model at {store.uri}; `truefit promote` makes a champion"
            ) from None
        raise UserError(f"{uri}: {store.explain(error)}") from None
    if not told:
        raise UserError(f"{uri} is no model that this version of truefit has saved")
    target = Target(**fields_of(Target, told["target"]))
    return Fetched(Path(folder, "data", "model.keras"), target, told["modules"])


def _address(client: MlflowClient, uri: str) -> str:
    """Where the files of a model lie, behind the names that MLflow has for it."""
    from mlflow.store.artifact.utils.models import (  # noqa: PLC0415 - see `save_model`
        get_model_name_and_version,
    )

    for _ in range(NAMES):
        if uri.startswith("runs:/"):
            return _address_in_run(client, *uri.removeprefix("runs:/").split("/", 1))
        if not uri.startswith("models:/"):
            return uri
        with warnings.catch_warnings():  # MLflow calls its own `latest` deprecated
            warnings.simplefilter("ignore", FutureWarning)
            # MLflow leaves it untyped.
            named = get_model_name_and_version(client, uri)  # type: ignore[no-untyped-call]
        if len(named) == 1:
            return str(client.get_logged_model(named[0]).artifact_location)
        uri = str(client.get_model_version_download_uri(*named))
    raise UserError(f"{uri}: expected a model, received one name for another {NAMES} times")


def _address_in_run(client: MlflowClient, run_id: str, path: str = "") -> str:
    run = client.get_run(run_id)
    for made in run.outputs.model_outputs if run.outputs else []:
        model = client.get_logged_model(made.model_id)
        if model.name == path:
            return str(model.artifact_location)
    return f"{run.info.artifact_uri}/{path}"


def _told(facts: Facts) -> dict[str, object]:
    """What a prediction means: of what target, and of which classes or labels."""
    described = facts.target.to_json()
    return {key: value for key, value in described.items() if key not in ("mean", "scale")}


def _takes_tensors(model: keras.Model) -> bool:
    return not hasattr(model, "core")


def _signature(model: keras.Model, facts: Facts) -> ModelSignature:
    """Given, because MLflow's inference starts a process of 10 to 20 seconds for nothing."""
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema, TensorSpec  # noqa: PLC0415
    from mlflow.types.schema import AnyType  # noqa: PLC0415

    float32, core = np.dtype("float32"), getattr(model, "core", model)
    outputs = Schema([TensorSpec(float32, (-1, *core.output_shape[1:]))])
    if _takes_tensors(model):
        inputs = Schema([TensorSpec(float32, (-1, *model.input_shape[1:]))])
    else:
        used = [column for column in facts.columns or [] if column["kind"] != "drop"]
        # In a frame, ages without a gap are integers, and MLflow converts nothing.
        any_type = AnyType()  # type: ignore[no-untyped-call] # MLflow leaves it untyped
        inputs = Schema(
            [
                ColSpec(any_type, column["name"], required=column["kind"] != "number")
                for column in used
            ]
        )
    return ModelSignature(inputs=inputs, outputs=outputs)


def _has_own_layers(file: Path) -> bool:
    """Whether Keras alone cannot load the model: registered names have a package before `>`."""
    with zipfile.ZipFile(file) as stored:
        described = json.loads(stored.read("config.json"))
    return ">" in json.dumps(_registered(described))


def _registered(described: object) -> list[str]:
    if isinstance(described, dict):
        own = str(described.get("registered_name"))
        return [own, *(name for value in described.values() for name in _registered(value))]
    if isinstance(described, list):
        return [name for value in described for name in _registered(value)]
    return []


def _bring_code(folder: Path, modules: list[str], signature: ModelSignature) -> None:
    from mlflow.models import Model  # noqa: PLC0415 - see `save_model`

    description = Model.load(str(folder))
    description.signature = signature
    description.flavors["python_function"] |= {
        "loader_module": "truefit.serving.pyfunc",
        "modules": modules,
        "code": "code",
    }
    unneeded = shutil.ignore_patterns("__pycache__", "template", "*.j2")
    (folder / "code").mkdir(exist_ok=True)
    for package in {"truefit", *(module.partition(".")[0] for module in modules)} - INSTALLED:
        place = Path(str(importlib.import_module(package).__file__))
        if place.name == "__init__.py":
            shutil.copytree(place.parent, folder / "code" / package, ignore=unneeded)
        else:
            shutil.copy(place, folder / "code")
    description.save(str(folder / "MLmodel"))


def load_logged_model(uri: str) -> keras.Model:
    """The Keras model at an MLflow address or in a folder, in Keras' safe mode."""
    from mlflow import keras as mlflow_keras  # noqa: PLC0415 - see `save_model`

    return mlflow_keras.load_model(uri)


def describe_model(store: Store, experiment: str, run: str, card: Path) -> None:
    """Put a model card beside the run's model, if MLflow has it."""
    condition = f"tags.`truefit.run` = '{run}'"
    for made in store.client.search_logged_models([experiment], filter_string=condition):
        store.client.log_model_artifact(made.model_id, str(card))


def send_model(store: Store, experiment: str, run_id: str, run: str, folder: Path) -> str:
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
