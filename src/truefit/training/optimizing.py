"""The optimizer of a training: its learning rate, what it decays, how large a step may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras import ops

from truefit.core.targets import make
from truefit.training.regularization import KERNEL_AXES
from truefit.training.schedules import make_schedule

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config


def make_optimizer(
    config: Config, model: keras.Model, epochs: int, batches: int, *, rate: float | None = None
) -> keras.Optimizer:
    """The configured optimizer with its schedule; it decays kernels alone.

    Args:
        config: the resolved configuration.
        model: that it will train.
        epochs: how many there are at most.
        batches: how many an epoch has.
        rate: a constant learning rate in place of the configured one and its schedule.
    """
    block, training = dict(config["optimizer"]), config["training"]
    together = min(training["accumulate"], batches)  # an epoch has a step, or patience ends it all
    if together > 1:
        block["gradient_accumulation_steps"] = together
    if training["clip_norm"] is not None:
        block["global_clipnorm"] = training["clip_norm"]
    if rate is not None:
        block["learning_rate"] = rate
    packages = config["packages"]
    optimizer = make(block, "optimizer", packages)
    highest = float(ops.convert_to_numpy(optimizer.learning_rate))
    if rate is None and (schedule := make_schedule(highest, epochs, batches, together, training)):
        optimizer = make(block | {"learning_rate": schedule}, "optimizer", packages)
    if optimizer.weight_decay:
        small = [w for w in model.trainable_variables if len(w.shape) < KERNEL_AXES]
        optimizer.exclude_from_weight_decay(var_list=small)
    # `fit` would put the averages in the place of the weights after each of its epochs.
    optimizer.finalize_variable_values = lambda _: None
    return optimizer
