"""The epochs of one training: early stopping, averaged weights, the best ones restored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from truefit.config import Tree
from truefit.mapped import read
from truefit.passes import Logs, Passes, Rows

Watch = Callable[[int, Logs], bool]
# Training rows on which the gap of an epoch is measured; losses have long tails that few rows miss.
ROWS, BYTES = 20_000, 64 * 2**20


class Fit:
    """A fit with early stopping, which may go on in a second phase from its best weights."""

    def __init__(
        self,
        model: Any,
        passes: Passes,
        fit_on: Rows,
        validate_on: Rows,
        training: Tree,
        seed: int,
        *,
        gaps: bool,
    ) -> None:
        """`gaps` says whether each epoch's values have `train_loss` and the gap at its end.

        Both are measured as validation is, on the training rows, of many on the same ROWS of them.
        """
        import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

        self.model, self.passes, self.training = model, passes, training
        self._fit_on, self._validate_on = fit_on, validate_on
        self._sample = _sample(fit_on, seed) if gaps else None
        self._orders = np.random.default_rng(seed)
        self._averaging: Any = None
        self.epochs = 0
        patience = training["patience"]
        self._stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss",
            mode="min",
            min_delta=training["min_delta"],
            patience=training["epochs"] if patience is None else patience,
            restore_best_weights=True,
        )
        self._stopping.set_model(model)
        self._stopping.on_train_begin()

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept, from 1: the best, or the last if so configured."""
        best = int(self._stopping.best_epoch) + 1
        return best if self.training["restore_best"] else self.epochs

    def run(self, watch: Watch, *, fine: bool = False) -> bool:
        """Train until the epochs are over or none improves; restore the best weights so far.

        Args:
            watch: sees each epoch; `True` ends the training.
            fine: whether these are the epochs of fine-tuning, which are the last ones.

        Returns:
            Whether `watch` ended it.
        """
        tuning = self.training["fine_tune"]
        last = self.training["epochs"] - (tuning["epochs"] if tuning and not fine else 0)
        first = last - tuning["epochs"] if fine else 0
        self.model.stop_training = pruned = False
        self._averaging = _averaging(self.model)
        self._stopping.wait = 0
        for _ in range(first, last):
            logs = self._epoch()
            pruned = watch(self.epochs - 1, logs)
            self._stopping.on_epoch_end(self.epochs - 1, logs)
            if pruned or self.model.stop_training:
                break
        self._restore()
        return pruned

    def _epoch(self) -> Logs:
        self.epochs += 1
        self._averaging.on_test_end()  # back to the weights that learn
        logs = self.passes.train(self._fit_on, self._orders.permutation(len(self._fit_on[0])))
        self._averaging.on_test_begin()
        measured = self.measure(self._validate_on)
        logs |= {f"val_{name}": value for name, value in measured.items()}
        if self._sample:
            logs["train_loss"] = self.measure(self._sample)["loss"]
            logs["gap"] = logs["val_loss"] - logs["train_loss"]
        return logs

    def measure(self, rows: Rows) -> Logs:
        """Loss and metrics at the present weights; no penalty of a regulariser is part of it."""
        from keras import ops  # noqa: PLC0415

        logs = self.passes.measure(rows)
        penalties = (float(ops.convert_to_numpy(penalty)) for penalty in self.model.losses)
        return logs | {"loss": logs["loss"] - sum(penalties)}

    def _restore(self) -> None:
        if self.training["restore_best"] and self._stopping.best_weights is not None:
            self.model.set_weights(self._stopping.best_weights)


def _averaging(model: Any) -> Any:
    """Keras' exchange of weights and their averages, or nothing where none are kept."""
    import keras  # noqa: PLC0415

    callbacks = keras.callbacks
    callback = callbacks.SwapEMAWeights() if model.optimizer.use_ema else callbacks.Callback()
    callback.set_model(model)
    return callback


def _sample(rows: Rows, seed: int) -> Rows:
    x, y = rows
    most = min(len(x), ROWS, max(1, BYTES // max(1, x[:1].nbytes)))
    if most == len(x):
        return rows
    chosen = np.random.default_rng([seed, 0x6A9]).permutation(len(x))[:most]
    return read(x, np.sort(chosen)), read(y, np.sort(chosen))
