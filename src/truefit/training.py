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
from truefit.passes import Logs, Passes, Rows
from truefit.targets import make
from truefit.tasks import Task

Emit = Callable[[dict[str, Any]], object]
Watch = Callable[[int, Logs], bool]


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


def train(
    config: Tree,
    folder: Path,
    seed: int,
    emit: Emit,
    *,
    save_to: Path | None = None,
    gaps: bool = False,
) -> Tree:
    """Train on the training split, stop on the validation split, and measure the gap.

    Args:
        config: the resolved configuration with the trial's parameters in place.
        folder: the prepared folder; its test split is not touched.
        seed: of the initial weights, dropout and the order of rows.
        emit: called with `{"epoch": 1.., "logs": {...}}` after each epoch; `True` prunes.
        gaps: whether each epoch's values have the gap at its end.
        save_to: where the model that takes raw rows and gives predictions goes; `None` for nowhere.

    Returns:
        `pruned`, `best_epoch` (from 1), `best_val_loss`, `train_loss_at_best`, `gap`, `parameters`,
        `weights_sha256`, `seconds`, `samples_per_second` (of `fit`, its compilation included).
        Both losses are measured at the restored weights, with
        dropout off: the training loss of an epoch is an average over a moving model.

    Raises:
        TrainingFailedError: model and data do not fit, the loss became NaN or infinite, or the
            time limit passed.
    """
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
    passes = Passes(model, config["training"]["batch_size"], fit_on)
    watch = _watcher(model, config["training"]["time_limit"], emit, started)
    orders = np.random.default_rng(seed)
    fitting = time.monotonic()
    best_epoch, pruned = _fit(
        model, passes, (fit_on, validate_on), config["training"], orders, watch, gaps=gaps
    )
    fitted = time.monotonic() - fitting
    losses = [_data_loss(model, passes.measure(split)) for split in (fit_on, validate_on)]
    if not all(map(math.isfinite, losses)):
        raise TrainingFailedError("diverged", f"the loss at the restored weights is {losses}")
    if save_to:
        _save(predictor(model, facts, task), save_to)
    return {
        "pruned": pruned,
        "best_epoch": best_epoch,
        "best_val_loss": losses[1],
        "train_loss_at_best": losses[0],
        "gap": losses[1] - losses[0],
        "parameters": int(sum(np.prod(w.shape) for w in model.trainable_weights)),
        "weights_sha256": weights_sha256(model),
        "seconds": time.monotonic() - started,
        "samples_per_second": _samples(model, len(fit_on[1]), config["training"]) / fitted,
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
        if not tf.config.get_visible_devices("GPU"):
            # Grappler costs more at the first step than it ever saves on a CPU.
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        if runtime["deterministic"]:
            tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch  # noqa: PLC0415

        torch.set_num_threads(runtime["threads"])
        torch.use_deterministic_algorithms(runtime["deterministic"], warn_only=True)


def _targets(split: Split, facts: Facts) -> Rows:
    """A number is trained on in units of its standard deviation, so that losses compare."""
    target = facts["target"]
    if target["kind"] == "classes":
        return split.x, split.y
    return split.x, ((split.y - target["mean"]) / target["scale"]).astype(np.float32)


def _fit(
    model: Any,
    passes: Passes,
    splits: tuple[Rows, Rows],
    training: Tree,
    orders: np.random.Generator,
    watch: Watch,
    *,
    gaps: bool,
) -> tuple[int, bool]:
    """Train with early stopping and restore the best weights.

    Returns the best epoch (from 1), and whether `watch` ended the training.
    """
    import keras  # noqa: PLC0415

    fit_on, validate_on = splits
    patience = training["patience"]
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        min_delta=training["min_delta"],
        patience=training["epochs"] if patience is None else patience,
        restore_best_weights=True,
    )
    stopping.set_model(model)
    stopping.on_train_begin()
    model.stop_training = pruned = False
    for epoch in range(training["epochs"]):
        logs = passes.train(fit_on, orders.permutation(len(fit_on[0])))
        logs |= {f"val_{name}": value for name, value in passes.measure(validate_on).items()}
        if gaps:
            logs["gap"] = logs["val_loss"] - passes.measure(fit_on)["loss"]
        pruned = watch(epoch, logs)
        stopping.on_epoch_end(epoch, logs)
        if pruned or model.stop_training:
            break
    stopping.on_train_end()
    return int(stopping.best_epoch) + 1, pruned


def _watcher(model: Any, limit: float | None, emit: Emit, started: float) -> Watch:
    """What happens at each epoch's end: its values are told, a hopeless training is ended."""
    import keras  # noqa: PLC0415

    waited = 0.0

    def watch(epoch: int, logs: Logs) -> bool:
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        if not all(math.isfinite(logs.get(name, 0.0)) for name in ("loss", "val_loss", "gap")):
            losses = f"loss={logs['loss']:g}, val_loss={logs['val_loss']:g}"
            raise TrainingFailedError("diverged", f"{losses} in epoch {epoch + 1}")
        nonlocal waited
        told = time.monotonic()
        pruned = emit({"epoch": epoch + 1, "logs": {**logs, "learning_rate": rate}})
        waited += time.monotonic() - told  # for an answer, which is no fault of the training
        if limit is not None and time.monotonic() - started - waited > limit:
            raise TrainingFailedError("timed_out", f"longer than {limit:g} s in epoch {epoch + 1}")
        return bool(pruned)

    return watch


def _samples(model: Any, rows: int, training: Tree) -> float:
    """Rows that the optimizer has seen."""
    steps = math.ceil(rows / training["batch_size"])
    return float(rows * int(model.optimizer.iterations) / steps)


def _data_loss(model: Any, logs: Logs) -> float:
    """The loss at the present weights, without the penalties that regularisers add to it."""
    return logs["loss"] - sum(float(penalty) for penalty in model.losses)


def set_environment(backend: str, device: str) -> None:
    """What a backend reads when it is imported; call it before Keras is."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
