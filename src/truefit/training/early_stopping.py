"""Early stopping: which epoch was the best so far, and how long none has been better."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Best:
    """The best epoch of a fit so far; as JSON in a checkpoint.

    The rules are those of `keras.callbacks.EarlyStopping`. Keras keeps its state in attributes of
    a callback; a checkpoint and a second phase need it as plain values.
    """

    loss: float | None = None  # its validation loss; `None` before the first epoch
    epoch: int = 0  # from 1
    wait: int = 0  # epochs since the last improvement, or since the phase began

    def after(self, epoch: int, loss: float, min_delta: float) -> Best:
        """Return the best epoch once `epoch` has ended with this validation loss.

        An improvement is lower by more than `min_delta`. Keras compares float32, so this does too:
        two losses that differ only in later digits are equal.
        """
        if self.loss is None or np.float32(loss + min_delta) < np.float32(self.loss):
            return Best(loss, epoch)
        return replace(self, wait=self.wait + 1)
