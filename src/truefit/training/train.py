"""One training, as every trial and the train stage run it: seed, compile, fit, restore, measure."""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
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
    compiled,
    loss_of_constant,
    penalise_weights,
    soft_loss,
)
from truefit.training.events import Emit, Epoch, Left
from truefit.training.fitting import Fit, Watch
from truefit.training.folds import described, thinned
from truefit.training.limits import TimeLimit
from truefit.training.passes import Augment, Rows
from truefit.training.runtime import set_up
from truefit.training.samples import Sample, draw_sample
from truefit.training.saved import save
from truefit.training.seeds import part_seed

if TYPE_CHECKING:
    import keras

    from truefit.config.schema import Config, Training

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

        started, config, facts = time.monotonic(), self.config, self.facts
        limit = TimeLimit(config["training"]["time_limit"], lambda left: emit(Left(left)))
        limit.sign()
        keras.utils.set_random_seed(self.seed)
        try:
            task = make_task(config, facts)
            augment = self._augmenting(0)
            model = build(config, facts, task, self.tables, soft_loss(task, config, augment))
            penalise_weights(model, config)
        except ValueError as error:  # the model or task does not fit the data, and says why
            raise TrainingFailedError("error", str(error)) from error
        fit_on, validate_on = (_targets(split, facts) for split in (self.fit_on, self.validate_on))
        passes = compiled(model, task, config, fit_on, augment)
        sample = draw_sample(task, facts, self.seed, validate_on[0]) if samples else None
        stored = checkpoint.load(emit) if checkpoint else None
        tell = checkpoint.noting(emit) if checkpoint else emit
        watch = _watcher(model, tell, limit, sample)
        fitting = time.monotonic()
        fit = Fit(
            model,
            passes,
            fit_on,
            validate_on,
            config["training"],
            self.seed,
            gaps=gaps,
            augmenting=self._augmenting,
            finished=checkpoint.save if checkpoint else lambda _: None,
            over=None if limit.seconds is None else limit.passed,
        )
        pruned = _phase(fit, watch, stored, fine=False)
        if config["training"]["fine_tune"] and not (pruned or fit.timed_out):
            thaw(model, config["training"]["fine_tune"]["layers"])
            penalise_weights(model, config)
            fit.passes = compiled(model, task, config, fit_on, augment, fine=True)
            pruned = _phase(fit, watch, stored, fine=True)
        resumed_after = stored.epochs if stored else 0
        fitted = time.monotonic() - fitting
        losses = [fit.measure(split)["loss"] for split in (fit_on, validate_on)]
        if not all(map(math.isfinite, losses)):
            raise TrainingFailedError("diverged", f"the loss at the restored weights is {losses}")
        limit.sign()  # to save a large model takes its time
        if save_to:
            save(predictor(model, facts, task), save_to)
        result = Result(
            best_epoch=fit.best_epoch,
            best_val_loss=losses[1],
            train_loss_at_best=losses[0],
            gap=losses[1] - losses[0],
            constant_loss=loss_of_constant(model, task, facts, fit_on, validate_on),
            parameters=int(sum(np.prod(w.shape) for w in model.trainable_weights)),
            weights_sha256=weights_sha256(model),
            seconds=time.monotonic() - started,
            samples_per_second=fit.rows / fitted,
            resumed_after=resumed_after,
        )
        return Trained(result, pruned, _reached(fit, config["training"]) if fit.timed_out else "")

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


def _targets(split: Split, facts: Facts) -> Rows:
    """A number is trained on in units of its standard deviation, so that losses compare."""
    target = facts.target
    match target.kind:
        case "number":
            return split.x, ((split.y - target.mean) / target.scale).astype(np.float32)
        case "labels":
            return split.x, split.y.astype(np.float32)
        case "input":
            return split.x, split.x
    return split.x, split.y


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
