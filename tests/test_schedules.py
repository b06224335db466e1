"""The learning rate over a training, and steps of several batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from results import result_from

from truefit.core.errors import UserError
from truefit.datasets.prepare import prepare, read_source
from truefit.stages.compose import resolve
from truefit.training.process.child import Ending, Job
from truefit.training.process.trainer import Trainer
from truefit.training.saved import load_saved
from truefit.training.schedules import make_schedule

PREPARED = Path("data/prepared")
HIGHEST = 0.01
DEFAULT: dict[str, Any] = {
    "schedule": "constant", "warmup": 0.0, "accumulate": 1,
    "decay": {"factor": 0.5, "epochs": 2, "lowest": 0.0},
}  # fmt: skip


def rates(epochs: int, batches: int, **settings: Any) -> np.ndarray:
    """The rate of each batch of a training."""
    schedule = make_schedule(HIGHEST, epochs, batches, 1, {**DEFAULT, **settings})  # type: ignore[typeddict-item]
    if schedule is None:
        return np.full(epochs * batches, HIGHEST)
    return np.array([float(schedule(np.int64(n))) for n in range(epochs * batches)])


def test_a_step_falls_at_the_end_of_its_epochs() -> None:
    """The rate stays for `decay.epochs`, then is `factor` of what it was, down to `lowest`."""
    found = rates(8, 5, schedule="step", decay={"factor": 0.5, "epochs": 2, "lowest": 0.002})
    wanted = np.repeat([0.01, 0.005, 0.0025, 0.002], 10)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_the_exponential_meets_the_step_at_its_ends() -> None:
    """It has fallen by `factor` after `decay.epochs`, and a little at each batch before."""
    found = rates(6, 4, schedule="exponential")
    np.testing.assert_allclose(found[::8], [0.01, 0.005, 0.0025], rtol=1e-6)
    assert (np.diff(found) < 0).all()
    np.testing.assert_allclose(found[1:] / found[:-1], 0.5 ** (1 / 8), rtol=1e-5)


def test_one_cycle_rises_and_falls_below_its_start() -> None:
    """From a 25th to the highest rate in three tenths, and to a 10,000th of it at the end."""
    found = rates(10, 10, schedule="one_cycle")
    assert found[0] == pytest.approx(HIGHEST / 25)
    assert int(found.argmax()) == 30
    assert found[30] == pytest.approx(HIGHEST)
    assert found[-1] < HIGHEST / 1000
    assert (np.diff(found[:31]) > 0).all()
    assert (np.diff(found[30:]) < 0).all()


@pytest.mark.parametrize("kind", ["step", "exponential"])
def test_the_lowest_rate_raises_none(kind: str) -> None:
    """A configured rate below `decay.lowest` stays as it is, as Keras leaves it."""
    decay = {"factor": 0.5, "epochs": 1, "lowest": 2 * HIGHEST}
    np.testing.assert_allclose(rates(4, 3, schedule=kind, decay=decay), HIGHEST)


def test_a_plateau_has_no_warm_up() -> None:
    """A trial that has both trains at the configured rate until it falls by the losses."""
    training = {**DEFAULT, "schedule": "plateau", "warmup": 0.2}
    assert make_schedule(HIGHEST, 4, 3, 1, training) is None  # type: ignore[arg-type]


@given(
    kind=st.sampled_from(["constant", "cosine", "one_cycle", "exponential", "step"]),
    epochs=st.integers(1, 6),
    batches=st.integers(1, 6),
    warmup=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
)
def test_no_rate_is_above_the_configured_one(
    kind: str, epochs: int, batches: int, warmup: float
) -> None:
    """Whatever the schedule, rates lie from 0 to the configured one; a warm-up begins at 0."""
    found = rates(epochs, batches, schedule=kind, warmup=warmup)
    assert (found >= 0).all()
    assert (found <= HIGHEST * (1 + 1e-6)).all()
    if warmup and kind != "one_cycle":
        assert found[0] == 0


# 1,056 training rows: batches of 8 and of 32 end together.
@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = resolve({"set": {"data": {"split": {"validation": 0.212, "test": 0.2}}}})
        patch.chdir(tmp_path_factory.mktemp("schedules"))
        prepare(read_source(config["data"], 0), config["data"], "classes", 0, PREPARED)
        with Trainer("tensorflow", "cpu") as started:
            yield started


def train(trainer: Trainer, patch: pytest.MonkeyPatch, file: Path, **training: Any) -> Ending:
    """Train an MLP without dropout on digits by gradient descent."""
    folder = Path.cwd()
    patch.chdir(ROOT)
    given = {"epochs": 4, "patience": None, "restore_best_weights": False, **training}
    config = resolve(
        {"set": {"training": given, "optimizer": "sgd", "model": {"dropout": 0.0, "depth": 1}}}
    )
    patch.chdir(folder)
    ending = trainer.run(Job(config, PREPARED, 3, save_to=file.absolute()), lambda _: None)
    assert ending.state == "complete", ending.reason
    return ending


@pytest.mark.parametrize(
    "schedule", ["constant", "cosine", "one_cycle", "exponential", "step", "plateau"]
)
def test_four_times_eight_rows_train_as_thirty_two_do(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, schedule: str
) -> None:
    """Weights differ by float32's rounding, the rate is the same; and it is no training of 8."""
    decay, warmup = {"factor": 0.5, "epochs": 1}, 0.0 if schedule == "plateau" else 0.1
    settings = {"schedule": schedule, "warmup": warmup, "decay": decay}
    sizes = {"whole": (32, 1), "parts": (8, 4), "small": (8, 1)}
    endings, weights = {}, {}
    for name, (rows, batches) in sizes.items():
        file = tmp_path / f"{name}.keras"
        endings[name] = train(
            trainer, monkeypatch, file, batch_size=rows, accumulate=batches, **settings
        )
        weights[name] = np.concatenate([w.ravel() for w in load_saved(file).get_weights()])
    curves = {n: [row["learning_rate"] for row in e.history] for n, e in endings.items()}

    np.testing.assert_allclose(curves["parts"], curves["whole"], rtol=1e-6)
    assert np.abs(weights["parts"] - weights["whole"]).max() < 1e-4
    assert np.abs(weights["small"] - weights["whole"]).max() > 1e-2


def test_a_plateau_lowers_the_rate_by_keras_own_rule(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The rate of each epoch is the one that ReduceLROnPlateau has, shown the same losses."""
    rule = {"factor": 0.3, "epochs": 2, "lowest": 0.002}
    history = train(
        trainer, monkeypatch, tmp_path / "a.keras", schedule="plateau", epochs=25, decay=rule
    ).history
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    theirs = keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.3, min_lr=0.002, min_delta=1e-4)
    theirs.set_model(model)
    theirs.on_train_begin()
    wanted = []
    for epoch, row in enumerate(history):
        wanted.append(float(model.optimizer.learning_rate))
        theirs.on_epoch_end(epoch, {"val_loss": row["val_loss"]})

    assert [row["learning_rate"] for row in history] == pytest.approx(wanted)
    assert wanted[-1] < 0.05


def test_a_long_gradient_is_shortened(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With `clip_norm` a rate that diverges trains; no step is longer than rate times norm."""
    wild = {"epochs": 1, "batch_size": 32}
    first = train(trainer, monkeypatch, tmp_path / "a.keras", clip_norm=1e-6, **wild)
    other = train(trainer, monkeypatch, tmp_path / "b.keras", clip_norm=None, **wild)
    assert first.history[0]["loss"] > other.history[0]["loss"]


def test_an_epoch_has_a_step(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """More batches for a step than an epoch has are those of the epoch: patience ends no start."""
    many, all_of_them = (
        train(trainer, monkeypatch, tmp_path / f"{n}.keras", batch_size=256, accumulate=n, epochs=3)
        for n in (50, 5)
    )
    assert result_from(many).weights_sha256 == result_from(all_of_them).weights_sha256
    losses = [row["val_loss"] for row in many.history]
    assert losses == sorted(losses, reverse=True)
    assert len({*losses}) == 3


OWN = {"_target_": "keras.optimizers.schedules.ExponentialDecay", "initial_learning_rate": 0.1}
SCALED = {
    "_target_": "keras.optimizers.LossScaleOptimizer",
    "inner_optimizer": {"_target_": "keras.optimizers.Adam"},
}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"optimizer": SCALED, "training": {"accumulate": 4}}, "training.accumulate: .* takes no"),
        ({"optimizer": SCALED, "training": {"clip_norm": 1.0}}, "training.clip_norm: .* takes no"),
        (
            {
                "optimizer": {"learning_rate": {**OWN, "decay_steps": 9, "decay_rate": 0.5}},
                "training": {"schedule": "cosine"},
            },
            "training.schedule: expected constant",
        ),
    ],
)
def test_what_the_optimizer_cannot_be_told_is_refused(
    monkeypatch: pytest.MonkeyPatch, block: dict[str, Any], said: str
) -> None:
    """Before anything trains: an optimizer without the argument, a second schedule."""
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=said):
        resolve({"set": block})
