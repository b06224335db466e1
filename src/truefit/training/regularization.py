"""What keeps a model from learning its rows by heart: penalties and softer targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
from keras import ops

if TYPE_CHECKING:
    from truefit.config.schema import Regularization
    from truefit.training.tasks import SoftLoss

KERNEL_AXES = 2  # biases and normalisations have one, and are neither penalised nor decayed


class Softened(keras.Model):  # type: ignore[misc] # Keras has no stubs
    """A model that learns by `soft_loss` and is measured by the loss that it is compiled with.

    Smoothed and mixed targets would make losses incomparable between trainings. Where a loss or a
    metric needs the class itself, it gets the likeliest.
    """

    soft_loss: SoftLoss

    def compute_loss(
        self,
        x: keras.KerasTensor | None = None,
        y: keras.KerasTensor | None = None,
        y_pred: keras.KerasTensor | None = None,
        sample_weight: keras.KerasTensor | None = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """In training `soft_loss` with the model's penalties, else the compiled loss."""
        if not training:
            return super().compute_loss(x, self._harden(y), y_pred, sample_weight, training)
        return sum(self.losses, self.soft_loss(y, y_pred))

    def compute_metrics(
        self,
        x: keras.KerasTensor,
        y: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        """Keras' own, of the likeliest classes."""
        return super().compute_metrics(x, self._harden(y), y_pred, sample_weight)

    def _harden(self, y: keras.KerasTensor) -> keras.KerasTensor:
        if "float" not in str(y.dtype):
            return y
        # The loss that measures takes classes where it is sparse, and labels of 0 or 1 elsewhere.
        is_sparse = isinstance(self.loss, keras.losses.SparseCategoricalCrossentropy)
        return ops.argmax(y, axis=-1) if is_sparse else ops.round(y)


def has_own_loss(model: keras.Model) -> bool:
    """Whether a model computes its loss, or takes its training steps, otherwise than Keras does."""
    kind = type(model)
    return (
        kind.compute_loss not in (keras.Model.compute_loss, Softened.compute_loss)
        or kind.train_step is not keras.Model.train_step
    )


def penalise(model: keras.Model, regularization: Regularization) -> None:
    """Add `l1` |w| + `l2` w^2 of every kernel that learns to the training loss.

    A kernel with a penalty of its own has both. Calling it again adds nothing.

    Raises:
        ValueError: the model has a loss of its own, which would not have them.
    """
    l1, l2 = regularization["l1"], regularization["l2"]
    if not (l1 or l2):
        return
    if has_own_loss(model):
        raise ValueError("regularization.l1 and l2 are no part of this model's own loss: set to 0")
    for weights in model.trainable_variables:
        if len(weights.shape) >= KERNEL_AXES and not isinstance(weights.regularizer, Both):
            weights.regularizer = Both(weights.regularizer, keras.regularizers.L1L2(l1, l2))


class Both(keras.regularizers.Regularizer):  # type: ignore[misc] # Keras has no stubs
    """The penalty that a weight came with, if any, and the configured one."""

    def __init__(
        self, own: keras.regularizers.Regularizer | None, configured: keras.regularizers.Regularizer
    ) -> None:
        """Both are Keras regularizers; `own` may be `None`."""
        self.own, self.configured = own, configured

    def __call__(self, weights: keras.KerasTensor) -> keras.KerasTensor:
        """Their sum."""
        given = self.configured(weights)
        return given + self.own(weights) if self.own else given


def penalty(model: keras.Model) -> float:
    """What penalties on weights add to a loss that Keras computes; a loss of its own has none."""
    if has_own_loss(model):
        return 0.0
    weights = [w for w in model.trainable_variables if w.regularizer is not None]
    return sum(float(ops.convert_to_numpy(w.regularizer(w))) for w in weights)
