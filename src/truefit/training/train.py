"""One training, as every trial and the train stage run it: seed, compile, fit, restore, measure."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.endings import State
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import Split, read_facts, read_split, read_tables
from truefit.core.results import Logs, Result
from truefit.core.targets import make
from truefit.training.building import build, make_task, predictor, thaw
from truefit.training.checkpoint import Checkpoint, Stored
from truefit.training.compiling import (
    as_trained,
    compiled,
    loss_of_constant,
    penalise_weights,
    soft_loss,
)
from truefit.training.events import Emit, Epoch, Left
from truefit.training.fitting import Fit, Watch
from truefit.training.folds import described, thinned
from truefit.training.limits import TimeLimit
from truefit.training.passes import Augment, Passes, Rows
from truefit.training.runtime import set_up
from truefit.training.samples import Sample, draw_sample
from truefit.training.saved import save
from truefit.training.seeds import part_seed

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config, Training
    from truefit.training.tasks import Task

MACHINE = "another machine may reach others"  # in the same time: no such training repeats


@dataclass(frozen=True)
class Trained:
    """What a training came to, and what ended it: the pruner, its time limit, or neither.

    `timed_out` says how far it came where the time limit ended it, else it is empty. The result is
    then of the best weights up to there, of a part of the first epoch if there is no whole one.
    """

    result: Result
    pruned: bool
    timed_out: str


class TrainingFailedError(Exception):
    """A training that ended without a result; `state` is its ending class."""

    def __init__(self, state: State, reason: str) -> None:
        """`state` as in `trainer.Ending`, `reason` in words."""
        super().__init__(reason)
        self.state = state


def train(
    config: Config,
    folder: Path,
    seed: int,
    emit: Emit,
    *,
    save_to: Path | None = None,
    gaps: bool = False,
    samples: bool = False,
    share: float = 1.0,
    checkpoint: Path | None = None,
) -> Trained:
    """Train on the training split, stop on the validation split, and measure the gap.

    Args:
        config: the resolved configuration with the trial's parameters in place.
        folder: the prepared folder; its test split is not touched.
        seed: of the initial weights, dropout and the order of rows.
        emit: called with an `Epoch` after each; `True` prunes. With a time limit now and then with
            what is `Left` of it.
        save_to: where the model that takes raw rows and gives predictions goes; `None` for nowhere.
        gaps: whether each epoch's values have the gap at its end.
        samples: whether some epochs come with a sample, where the task has any.
        share: of the training rows, drawn by the configuration's seed.
        checkpoint: where its state is kept after each epoch; it goes on from what is there.

    Returns:
        Its result and what ended it. Both losses are measured at the restored weights, with dropout
        off, on rows and targets as they are: the training loss of an epoch is an average over a
        moving model.

    Raises:
        TrainingFailedError: model and data do not fit, or the loss became NaN or infinite.
    """
    set_up(config["runtime"])
    facts = read_facts(folder)
    fit_on, validate_on = (read_split(folder, name) for name in ("train", "validation"))
    if share < 1:
        fit_on = thinned(fit_on, share, config["seed"])
        facts = described(facts, fit_on)
    tables = read_tables(folder, facts)
    one = One(config, facts, tables, fit_on, validate_on, seed)
    kept = Checkpoint(checkpoint) if checkpoint else None
    return one.train(emit, save_to=save_to, gaps=gaps, samples=samples, checkpoint=kept)


@dataclass(frozen=True)
class Compiled:
    """A compiled model, with the rows that it is trained and validated on."""

    model: keras.Model
    task: Task
    augment: Augment | None
    fit_on: Rows
    validate_on: Rows
    passes: Passes


@dataclass
class One:
    """One training on given rows; `train` once."""

    config: Config
    facts: Facts
    tables: dict[str, np.ndarray]
    fit_on: Split
    validate_on: Split
    seed: int

    def train(
        self,
        emit: Emit,
        *,
        save_to: Path | None = None,
        gaps: bool = False,
        samples: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> Trained:
        """As the function `train`; the backend is set up already."""
        import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

        started, training = time.monotonic(), self.config["training"]
        limit = TimeLimit(training["time_limit"], lambda left: emit(Left(left)))
        limit.sign()
        keras.utils.set_random_seed(self.seed)
        ready = self._compile()
        rows = ready.validate_on[0]
        sample = draw_sample(ready.task, self.facts, self.seed, rows) if samples else None
        stored = checkpoint.load(emit) if checkpoint else None
        tell = checkpoint.noting(emit) if checkpoint else emit
        watch = _watcher(ready.model, tell, limit, sample)
        fitting = time.monotonic()
        fit = self._fit(ready, limit, checkpoint, gaps=gaps)
        pruned = self._phases(ready, fit, watch, stored)
        fitted = time.monotonic() - fitting
        losses = _losses(ready, fit)
        limit.sign()  # to save a large model takes its time
        if save_to:
            save(predictor(ready.model, self.facts, ready.task), save_to)
        result = replace(
            self._result(ready, fit, losses, started),
            samples_per_second=fit.rows / fitted,
            resumed_after=stored.epochs if stored else 0,
        )
        return Trained(result, pruned, _reached(fit, training) if fit.timed_out else "")

    def _compile(self) -> Compiled:
        """Build the configured model and compile it for its rows."""
        config, facts = self.config, self.facts
        try:
            task = make_task(config, facts)
            augment = self._augmenting(0)
            model = build(config, facts, task, self.tables, soft_loss(task, config, augment))
            penalise_weights(model, config)
        except ValueError as error:  # the model or task does not fit the data, and says why
            raise TrainingFailedError("error", str(error)) from error
        fit_on, validate_on = as_trained(self.fit_on, facts), as_trained(self.validate_on, facts)
        passes = compiled(model, task, config, fit_on, augment)
        return Compiled(model, task, augment, fit_on, validate_on, passes)

    def _fit(
        self, ready: Compiled, limit: TimeLimit, checkpoint: Checkpoint | None, *, gaps: bool
    ) -> Fit:
        return Fit(
            ready.model,
            ready.passes,
            ready.fit_on,
            ready.validate_on,
            self.config["training"],
            self.seed,
            gaps=gaps,
            augmenting=self._augmenting,
            finished=checkpoint.save if checkpoint else lambda _: None,
            over=None if limit.seconds is None else limit.passed,
        )

    def _phases(self, ready: Compiled, fit: Fit, watch: Watch, stored: Stored | None) -> bool:
        """Train, then fine-tune where that is configured; whether it was pruned."""
        pruned = _phase(fit, watch, stored, fine=False)
        tuning = self.config["training"]["fine_tune"]
        if not tuning or pruned or fit.timed_out:
            return pruned
        thaw(ready.model, tuning["layers"])
        penalise_weights(ready.model, self.config)
        fit.passes = compiled(
            ready.model, ready.task, self.config, ready.fit_on, ready.augment, fine=True
        )
        return _phase(fit, watch, stored, fine=True)

    def _result(
        self, ready: Compiled, fit: Fit, losses: tuple[float, float], started: float
    ) -> Result:
        """What the training came to, with these losses of both splits."""
        model = ready.model
        return Result(
            best_epoch=fit.best_epoch,
            best_val_loss=losses[1],
            train_loss_at_best=losses[0],
            gap=losses[1] - losses[0],
            constant_loss=loss_of_constant(
                model, ready.task, self.facts, ready.fit_on, ready.validate_on
            ),
            parameters=int(sum(np.prod(w.shape) for w in model.trainable_weights)),
            weights_sha256=weights_sha256(model),
            seconds=time.monotonic() - started,
        )

    def _augmenting(self, epoch: int) -> Augment | None:
        """The configured augmentation, seeded by the epoch: none hangs on those before it."""
        block, packages = self.config["augmentation"], self.config["packages"]
        seed = part_seed(self.seed, epoch)
        augment: Augment | None = make(
            block, "augmentation", packages, facts=self.facts.to_json(), seed=seed
        )
        return augment


def _phase(fit: Fit, watch: Watch, stored: Stored | None, *, fine: bool) -> bool:
    """Train one phase, from where a killed process left it; whether it was pruned."""
    fit.begin(fine=fine)
    if stored and stored.fine and not fine:
        return False  # the killed process was past it
    if stored and stored.fine == fine:
        stored.restore(fit)
    return fit.run(watch)


def _losses(ready: Compiled, fit: Fit) -> tuple[float, float]:
    """The losses of both splits at the restored weights."""
    losses = fit.measure(ready.fit_on)["loss"], fit.measure(ready.validate_on)["loss"]
    if not all(map(math.isfinite, losses)):
        raise TrainingFailedError("diverged", f"the loss at the restored weights is {[*losses]}")
    return losses


def _reached(fit: Fit, training: Training) -> str:
    """How far a training came in its time."""
    epochs = f"{fit.epochs} of {training['epochs']} epochs"
    if fit.is_part:
        epochs = f"a part of the first of {training['epochs']} epochs"
    limit = f"training.time_limit of {training['time_limit']:g} s"
    return f"{epochs} within {limit}; {MACHINE}"


def weights_sha256(model: keras.Model) -> str:
    """SHA-256 over every weight's bytes, in the model's order."""
    digest = hashlib.sha256()
    for weights in model.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()


def _watcher(
    model: keras.Model,
    emit: Emit,
    limit: TimeLimit,
    sample: Sample | None,
) -> Watch:
    """What happens at each epoch's end: its values are told, a hopeless training is ended."""
    import keras  # noqa: PLC0415

    def watch(epoch: int, logs: Logs) -> bool:
        rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        if not all(math.isfinite(logs.get(name, 0.0)) for name in ("loss", "val_loss", "gap")):
            losses = f"loss={logs['loss']:g}, val_loss={logs['val_loss']:g}"
            raise TrainingFailedError("diverged", f"{losses} in epoch {epoch + 1}")
        # In epochs 1, 2, 4, 8, ...
        shown = sample(model) if sample and epoch & (epoch + 1) == 0 else None
        limit.sign()
        with limit.paused():  # to wait for an answer is no fault of the training
            return emit(Epoch(epoch + 1, {**logs, "learning_rate": rate}, shown))

    return watch
