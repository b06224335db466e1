"""One training, as every trial and the train stage run it: seed, compile, fit, restore, measure."""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from truefit.config import Tree
from truefit.datasets.prepared import Facts, Split, read_facts, read_split
from truefit.targets import make
from truefit.tasks import Task

Emit = Callable[[dict[str, Any]], None]
MEASURE_BATCH = 1024  # rows at a time when losses are measured; no result depends on it


class TrainingFailedError(Exception):
    """A training that ended without a result; `state` is its ending class."""

    def __init__(self, state: str, reason: str) -> None:
        """`state` as in `trainer.Ending`, `reason` in words."""
        super().__init__(reason)
        self.state = state


def load_model(config: Tree, file: Path) -> Any:
    """The model in `file`, in Keras' safe mode, uncompiled.

    Raises:
        ValueError, TypeError, OSError: it cannot be loaded so.
    """
    import keras  # noqa: PLC0415

    # Layers that the model's own module registers are known only once it is imported.
    importlib.import_module(config["model"]["_target_"].rpartition(".")[0])
    return keras.saving.load_model(file, compile=False, safe_mode=True)


def make_task(config: Tree, facts: Facts) -> Task:
    """The configured task, told what dataset.json says of the target.

    Raises:
        ValueError: the task does not fit the target.
    """
    arguments = {**config["task"], "target": facts["target"]["kind"]}
    task: Task = make(arguments, classes=facts["target"].get("classes"))
    return task


def train(config: Tree, folder: Path, seed: int, emit: Emit, *, save_to: Path | None) -> Tree:
    """Train on the training split, stop on the validation split, and measure the gap.

    Args:
        config: the resolved configuration with the trial's parameters in place.
        folder: the prepared folder; its test split is not touched.
        seed: of the initial weights, dropout and the order of rows.
        emit: called with `{"epoch": 1.., "logs": {...}}` after each epoch.
        save_to: where the model that takes raw rows and gives predictions goes; `None` for nowhere.

    Returns:
        `best_epoch` (from 1), `best_val_loss`, `train_loss_at_best`, `gap`, `parameters`,
        `weights_sha256`, `seconds`. Both losses are by `evaluate` at the restored weights, with
        dropout off: `fit`'s own training loss is an average over a moving model.

    Raises:
        TrainingFailedError: model and data do not fit, the loss became NaN or infinite, or the
            time limit passed.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    started = time.monotonic()
    _set_up(config["runtime"], seed)
    facts = read_facts(folder)
    try:
        task = make_task(config, facts)
        model = build(config, facts, task)
    except ValueError as error:  # the model or task does not fit the data, and says why
        raise TrainingFailedError("error", str(error)) from error
    fit_on, validate_on = (_targets(read_split(folder, n), facts) for n in ("train", "validation"))
    model.compile(
        optimizer=make(config["optimizer"]),
        loss=task.loss(),
        metrics=task.metrics(),
    )
    training = config["training"]
    watch = _watcher(keras, model, training["time_limit"], emit, started)
    best_epoch = _fit(keras, model, fit_on, validate_on, training, watch)
    losses = [_data_loss(model, split) for split in (fit_on, validate_on)]
    if not all(map(math.isfinite, losses)):
        raise TrainingFailedError("diverged", f"the loss at the restored weights is {losses}")
    if save_to:
        _save(predictor(model, facts, task), save_to)
    return {
        "best_epoch": best_epoch,
        "best_val_loss": losses[1],
        "train_loss_at_best": losses[0],
        "gap": losses[1] - losses[0],
        "parameters": int(sum(np.prod(w.shape) for w in model.trainable_weights)),
        "weights_sha256": weights_sha256(model),
        "seconds": time.monotonic() - started,
    }


def build(config: Tree, facts: Facts, task: Task) -> Any:
    """The uncompiled model from raw rows to logits: normalisation layer, then the configured body.

    Raises:
        ValueError: the model does not take examples of this shape.
    """
    import keras  # noqa: PLC0415

    shape = tuple(facts["input_shape"])
    body = make(config["model"], input_shape=shape, num_outputs=task.num_outputs)
    inputs = keras.Input(shape, name="rows")
    hidden = inputs
    if facts["normalize"]:
        statistics = facts["statistics"]
        hidden = keras.layers.Normalization(
            mean=statistics["mean"], variance=statistics["variance"], name="normalize"
        )(hidden)
    return keras.Model(inputs, body(hidden), name=body.name)


def predictor(model: Any, facts: Facts, task: Task) -> Any:
    """`model` with its last step: probabilities, or the target in its own unit."""
    import keras  # noqa: PLC0415

    outputs = keras.layers.Activation(task.activation, name="predict")(model.output)
    if task.name == "regression":
        target = facts["target"]
        outputs = keras.layers.Rescaling(target["scale"], target["mean"], name="unit")(outputs)
    return keras.Model(model.input, outputs, name=model.name)


def _save(model: Any, file: Path) -> None:
    """`file` holds the whole model, or what it held before."""
    building = file.with_name(f".building.{file.name}")
    try:
        model.save(building)
        building.replace(file)
    finally:
        building.unlink(missing_ok=True)


def weights_sha256(model: Any) -> str:
    """SHA-256 over every weight's bytes, in the model's order."""
    digest = hashlib.sha256()
    for weights in model.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()


def _set_up(runtime: Tree, seed: int) -> None:
    """Seeds of Python, NumPy and the backend; threads; operations that repeat bit for bit."""
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        tf.config.threading.set_intra_op_parallelism_threads(runtime["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(runtime["threads"])
        if runtime["device"] == "cpu":
            tf.config.set_visible_devices([], "GPU")
        if runtime["deterministic"]:
            tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415

        torch.set_num_threads(runtime["threads"])
        torch.use_deterministic_algorithms(runtime["deterministic"], warn_only=True)


def _targets(split: Split, facts: Facts) -> Split:
    """A number is trained on in units of its standard deviation, so that losses compare."""
    target = facts["target"]
    if target["kind"] == "classes":
        return split
    scaled = (split.y - target["mean"]) / target["scale"]
    return Split(split.x, scaled.astype(np.float32))


def _fit(
    keras: Any, model: Any, fit_on: Split, validate_on: Split, training: Tree, watch: Any
) -> int:
    """Fit with early stopping, restore the best weights and return their epoch (from 1)."""
    patience = training["patience"]
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        min_delta=training["min_delta"],
        patience=training["epochs"] if patience is None else patience,
        restore_best_weights=True,
    )
    model.fit(
        fit_on.x,
        fit_on.y,
        validation_data=(validate_on.x, validate_on.y),
        epochs=training["epochs"],
        batch_size=training["batch_size"],
        validation_batch_size=MEASURE_BATCH,
        callbacks=[stopping, keras.callbacks.LambdaCallback(on_epoch_end=watch)],
        verbose=0,
    )
    return int(stopping.best_epoch) + 1


def _watcher(
    keras: Any, model: Any, limit: float | None, emit: Emit, started: float
) -> Callable[[int, dict[str, Any]], None]:
    """What happens at each epoch's end: its values are told, a hopeless training is ended."""

    def watch(epoch: int, logs: dict[str, Any]) -> None:
        values = {name: float(value) for name, value in logs.items()}
        values["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        emit({"epoch": epoch + 1, "logs": values})
        if not (math.isfinite(values["loss"]) and math.isfinite(values["val_loss"])):
            losses = f"loss={values['loss']:g}, val_loss={values['val_loss']:g}"
            raise TrainingFailedError("diverged", f"{losses} in epoch {epoch + 1}")
        if limit is not None and time.monotonic() - started > limit:
            raise TrainingFailedError("timed_out", f"longer than {limit:g} s in epoch {epoch + 1}")

    return watch


def _data_loss(model: Any, split: Split) -> float:
    """The loss at the present weights, without the penalties that regularisers add to it."""
    result = model.evaluate(split.x, split.y, batch_size=MEASURE_BATCH, verbose=0, return_dict=True)
    return float(result["loss"]) - sum(float(penalty) for penalty in model.losses)


def set_environment(backend: str, device: str) -> None:
    """What a backend reads when it is imported; call it before Keras is."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
