"""The epochs of one training: early stopping, averaged weights, the best ones restored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from truefit.core.prepared.mapped import read
from truefit.core.results import Logs
from truefit.training.early_stopping import Best
from truefit.training.passes import Augment, Over, Passes, Rows

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Training

Watch = Callable[[int, Logs], bool]
Augmenting = Callable[[int], Augment | None]  # of an epoch from 1
# Training rows on which the gap of an epoch is measured; losses have long tails that few rows miss.
ROWS, BYTES = 20_000, 64 * 2**20


@dataclass(frozen=True)
class Progress:
    """How far a fit has come, beside its arrays; as JSON in a checkpoint."""

    epochs: int  # that are done
    left: int  # epochs of this phase
    fine: bool  # whether frozen layers learn too by now
    stop: bool  # whether the phase has ended
    best: Best
    plateau: Best  # its wait begins anew where the learning rate fell
    orders: Mapping[str, Any]  # NumPy's state of the generator that orders the rows


class Fit:
    """A fit with early stopping, which may go on in a second phase from its best weights."""

    def __init__(
        self,
        model: keras.Model,
        passes: Passes,
        fit_on: Rows,
        validate_on: Rows,
        training: Training,
        seed: int,
        *,
        gaps: bool,
        augmenting: Augmenting,
        finished: Callable[[Fit], None],
        over: Over | None = None,
    ) -> None:
        """`gaps` says whether each epoch's values have `train_loss` and the gap at its end.

        Both are measured as validation is, on the training rows, of many on the same ROWS of them.
        `augmenting` gives each epoch's augmentation, and `finished` sees the state after each.
        `over` says whether the time limit has passed, if there is one.
        """
        self.model, self.passes, self.training = model, passes, training
        self._fit_on, self._validate_on = fit_on, validate_on
        self._sample = _sample(fit_on, seed) if gaps else None
        self._orders = np.random.default_rng(seed)
        self._averaging: Any = None
        self._augmenting, self._finished, self._over = augmenting, finished, over
        self.epochs = 0
        self.rows = 0  # trained on so far, each as often as it was
        self.timed_out = False  # before the last epoch, or the end of its patience
        self.is_part = False  # of an epoch: all that the time limit left
        self.fine = False  # whether frozen layers learn too by now
        self._left = 0  # epochs of this phase
        self._stopped = False  # whether this phase is out of patience
        self._best = self._plateau = Best()
        self._best_weights: list[np.ndarray] = []
        patience = training["patience"]
        self._patience = training["epochs"] if patience is None else patience

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights are kept, from 1: the best, or the last if so configured."""
        return self._best.epoch if self.training["restore_best_weights"] else self.epochs

    def begin(self, *, fine: bool = False) -> None:
        """The first phase, or that of fine-tuning, which has the last epochs."""
        tuning = self.training["fine_tune"]
        last = tuning["epochs"] if tuning else 0
        self._left = last if fine else self.training["epochs"] - last
        self.fine, self._stopped = fine, False
        self.passes.over = self._over
        self._averaging = _averaging(self.model)
        self._best = replace(self._best, wait=0)

    def run(self, watch: Watch) -> bool:
        """Train until the phase is over or no epoch improves; restore the best weights so far.

        Where the time limit passes within an epoch, the epoch is dropped: it was not measured, and
        how far it came hangs on the machine. Only the first one counts as far as it came, because
        there is nothing else.

        Args:
            watch: sees each epoch; `True` ends the training.

        Returns:
            Whether `watch` ended it.
        """
        pruned = False
        while self._left and not self._stopped and not pruned:
            self.timed_out = bool(self.epochs and self._over and self._over())
            logs = None if self.timed_out else self._epoch()
            if logs is None:
                break
            pruned = watch(self.epochs - 1, logs) and not self.timed_out
            self._judge(logs["val_loss"])
            if self.training["schedule"] == "plateau" and not self.fine:
                self._lower_rate(logs["val_loss"])
            if self.timed_out:
                break  # before it is a state to go on from
            self._finished(self)
        self._restore()
        return pruned

    def state(self) -> tuple[dict[str, np.ndarray], Progress]:
        """All that the next epochs depend on, as arrays and as plain values."""
        # Those of the last epoch are the model's own.
        best = self._best_weights if self._best.epoch < self.epochs else []
        arrays = _named("model", self.model.variables) | _named("best", best)
        arrays |= _named("optimizer", self.model.optimizer.variables)
        arrays |= _named("buffer", _buffers(self.model))
        return arrays, Progress(
            self.epochs,
            self._left,
            self.fine,
            self._stopped,
            self._best,
            self._plateau,
            self._orders.bit_generator.state,
        )

    def restore(self, arrays: dict[str, np.ndarray], state: Progress) -> None:
        """Be as `state` was told; `begin` of the same phase came before."""
        model, optimizer = self.model, self.model.optimizer
        batch = slice(self.training["batch_size"])
        few = read(self._fit_on[0], batch), read(self._fit_on[1], batch)
        # What the first step builds may draw random numbers, so it comes before they are restored.
        self.passes.train(few, np.arange(len(few[0])))
        self._averaging.on_test_begin()  # an epoch's end has the averages in the model
        for name, variables in (("model", model.variables), ("optimizer", optimizer.variables)):
            for place, variable in enumerate(variables):
                variable.assign(arrays[f"{name}_{place}"])
        for place, buffer in enumerate(_buffers(model)):
            buffer.copy_(buffer.new_tensor(arrays[f"buffer_{place}"]))
        self.epochs, self._left = state.epochs, state.left
        self._stopped, self._best, self._plateau = state.stop, state.best, state.plateau
        best = [arrays[name] for name in _named("best", model.get_weights()) if name in arrays]
        self._best_weights = best or model.get_weights()
        self._orders.bit_generator.state = state.orders

    def _epoch(self) -> Logs | None:
        """The next epoch's values; nothing where the time limit ended it, except the first."""
        keeps_last = self._over and self.epochs and not self.training["restore_best_weights"]
        last = self.model.get_weights() if keeps_last else None
        self.passes.augment = self._augmenting(self.epochs + 1)
        self._averaging.on_test_end()  # back to the weights that learn
        count = len(self._fit_on[0])
        rows, logs = self.passes.train(self._fit_on, self._orders.permutation(count))
        self.rows += rows
        self.timed_out = rows < count
        if self.timed_out and self.epochs:
            if last is not None:
                self.model.set_weights(last)
            return None
        self.is_part = self.timed_out
        self.epochs += 1
        self._left -= 1
        self._averaging.on_test_begin()
        measured = self.measure(self._validate_on)
        logs |= {f"val_{name}": value for name, value in measured.items()}
        if self._sample:
            logs["train_loss"] = self.measure(self._sample)["loss"]
            logs["gap"] = logs["val_loss"] - logs["train_loss"]
        return logs

    def measure(self, rows: Rows) -> Logs:
        """Loss and metrics at the present weights; no penalty of a weight is part of it."""
        from truefit.training.regularization import penalty  # noqa: PLC0415 - it subclasses Keras' Model

        logs = self.passes.measure(rows)
        return logs | {"loss": logs["loss"] - penalty(self.model)}

    def _judge(self, loss: float) -> None:
        """Keep the last epoch's weights if it is the best; end the phase if patience is over."""
        self._best = self._best.after(self.epochs, loss, self.training["min_delta"])
        if self._best.epoch == self.epochs:
            self._best_weights = self.model.get_weights()
        elif self._best.wait >= self._patience:
            self._stopped = True

    def _lower_rate(self, loss: float) -> None:
        """Times `decay.factor` after `decay.epochs` without improvement.

        The rules are those of `keras.callbacks.ReduceLROnPlateau` without cooldown.
        """
        decay = self.training["decay"]
        self._plateau = self._plateau.after(self.epochs, loss, self.training["min_delta"])
        if self._plateau.wait >= decay["epochs"]:
            rate = self.model.optimizer.learning_rate
            if float(rate) > decay["lowest"]:
                rate.assign(max(decay["lowest"], float(rate) * decay["factor"]))
            self._plateau = replace(self._plateau, wait=0)

    def _restore(self) -> None:
        if self.training["restore_best_weights"] and self._best_weights:
            self.model.set_weights(self._best_weights)


def _named(name: str, variables: list[keras.Variable]) -> dict[str, np.ndarray]:
    from keras import ops  # noqa: PLC0415 - the backend is chosen by the environment before this

    return {f"{name}_{n}": ops.convert_to_numpy(one) for n, one in enumerate(variables)}


def _buffers(model: keras.Model) -> list[keras.Variable]:
    """What native torch modules keep beside their parameters, as running means; Keras has none."""
    wrapped = [getattr(layer, "module", None) for layer in model._flatten_layers()]  # noqa: SLF001
    return [one for module in wrapped if module is not None for one in module.buffers()]


def _averaging(model: keras.Model) -> keras.callbacks.Callback | None:
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
