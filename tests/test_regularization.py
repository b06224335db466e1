from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import sections
from conftest import ROOT, copy_project
from results import result_from

from truefit.config.schema import Config
from truefit.core.prepared.folder import read_split
from truefit.datasets.prepare import prepare, read_source
from truefit.evaluation.scores import classification
from truefit.evaluation.scoring.classification import probabilities
from truefit.stages.compose import resolve
from truefit.training.fitting import Fit
from truefit.training.optimizing import make_optimizer
from truefit.training.passes import Passes
from truefit.training.process.child import Ending, Job
from truefit.training.process.trainer import Trainer
from truefit.training.regularization import penalise, penalty

pytestmark = pytest.mark.slow
PREPARED = Path("data/prepared")
MIXED = {"_target_": "truefit.training.augmentation.images.images", "mixup": 0.3, "cutmix": 1.0}


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    """Prepared digits in the working directory, and a trainer."""
    folder = copy_project(tmp_path_factory.mktemp("regularization") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        data = configured()["data"]
        prepare(read_source(data, 0), data, "classes", 0, PREPARED)
        with Trainer("tensorflow", "cpu") as started:
            yield started


def configured(**settings: Any) -> Config:
    training = {"epochs": 4, "patience": None, **settings.pop("training", {})}
    search = {"n_trials": 0}
    model = {"units": 32, **settings.pop("model", {})}
    return resolve({"set": {**settings, "model": model, "training": training, "search": search}})


def train(trainer: Trainer, save_to: Path | None = None, **settings: Any) -> Ending:
    job = Job(configured(**settings), PREPARED, 0, save_to, gaps=True)
    ending = trainer.run(job, lambda _: None)
    assert ending.state == "complete", ending.reason
    return ending


def losses_of(file: Path) -> dict[str, float]:
    model = keras.saving.load_model(file, compile=False, safe_mode=True)
    found = {}
    for name in ("train", "validation"):
        split = read_split(PREPARED, name)
        predicted = probabilities(model.predict(split.x, verbose=0))
        ones = np.ones((1, len(split.y)))
        found[name] = float(classification(split.y, predicted, ones, binary=False)["loss"][0])
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"regularization": {"label_smoothing": 0.2}},
        {"regularization": {"l1": 1e-3, "l2": 1e-2}},
        {"augmentation": MIXED, "regularization": {"label_smoothing": 0.1}},
        {"optimizer": {"use_ema": True, "ema_momentum": 0.9}},
        {"training": {"restore_best_weights": False}},
    ],
    ids=str,
)
def test_remedies_do_not_touch_what_is_measured(
    trainer: Trainer, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Losses and gap are the saved model's own, on rows and targets as they are."""
    result = result_from(train(trainer, tmp_path / "model.keras", **settings))

    losses = losses_of(tmp_path / "model.keras")

    assert losses["validation"] == pytest.approx(result.best_val_loss, rel=1e-4)
    assert losses["train"] == pytest.approx(result.train_loss_at_best, rel=1e-4)


def test_a_remedy_changes_what_is_learned(trainer: Trainer) -> None:
    """Each of them gives other weights than none does."""
    settings: list[dict[str, Any]] = [
        {},
        {"regularization": {"label_smoothing": 0.2}},
        {"regularization": {"l1": 1e-3}},
        {"regularization": {"l2": 1e-3}},
        {"augmentation": MIXED},
        {"optimizer": {"weight_decay": 0.1}},
        {"optimizer": {"use_ema": True, "ema_momentum": 0.9}},
        {"training": {"warmup": 0.5}},
        {"training": {"schedule": "cosine"}},
    ]

    weights = [result_from(train(trainer, **one)).weights_sha256 for one in settings]

    assert len(set(weights)) == len(settings)


def test_the_rate_rises_and_falls(trainer: Trainer) -> None:
    """It is the configured one after the warm-up, and near 0 after the last epoch."""
    history = train(trainer, training={"epochs": 8, "schedule": "cosine", "warmup": 0.25}).history
    rates = [row["learning_rate"] for row in history]

    assert rates[0] == pytest.approx(0.0005, rel=0.05)
    assert rates[1] == pytest.approx(0.001, rel=0.05)
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-6)


def test_the_last_weights_are_kept_if_asked(trainer: Trainer) -> None:
    """Without `restore_best_weights` the epoch that counts is the last, whatever its loss."""
    fast: dict[str, Any] = {"optimizer": {"learning_rate": 0.05}}
    history = train(trainer, **fast, training={"epochs": 6}).history
    last = train(trainer, **fast, training={"epochs": 6, "restore_best_weights": False})

    assert last.history == history
    assert result_from(last).best_epoch == 6
    assert result_from(last).best_val_loss == pytest.approx(history[-1]["val_loss"], rel=1e-5)
    assert min(row["val_loss"] for row in history) < history[-1]["val_loss"]


def test_the_gap_of_an_epoch_is_that_of_its_weights(trainer: Trainer) -> None:
    """At the epoch that was kept the curve's gap is the measured one, penalties left out."""
    ending = train(trainer, regularization={"l2": 1e-2})
    kept = ending.history[result_from(ending).best_epoch - 1]

    assert kept["gap"] == pytest.approx(result_from(ending).gap, abs=1e-5)
    assert kept["train_loss"] == pytest.approx(result_from(ending).train_loss_at_best, rel=1e-4)
    assert kept["val_loss"] == pytest.approx(result_from(ending).best_val_loss, rel=1e-5)
    assert kept["loss"] > kept["val_loss"]


def test_kernels_alone_decay_and_are_penalised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Biases and normalisations are left alone by both."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    monkeypatch.chdir(ROOT)
    config = configured(optimizer={"weight_decay": 0.1})

    penalise(model, sections.regularization(l1=0.5, l2=0.25))
    optimizer = make_optimizer(config, model, 1, 10)
    optimizer.build(model.trainable_variables)
    kernels = [w for w in model.weights if len(w.shape) > 1]
    wanted = sum(0.5 * np.abs(w).sum() + 0.25 * (np.asarray(w) ** 2).sum() for w in kernels)

    assert sum(map(float, model.losses)) == pytest.approx(wanted, rel=1e-5)
    assert [optimizer._use_weight_decay(w) for w in model.weights] == [True, False, True, False]


def test_a_penalty_comes_on_top_of_a_kernels_own() -> None:
    """A kernel that has a penalty gets the configured one too, and only once."""
    own = keras.regularizers.L2(0.5)
    layer = keras.layers.Dense(2, use_bias=False, kernel_regularizer=own)
    model = keras.Sequential([keras.Input((3,)), layer])
    squares = float(np.sum(np.asarray(layer.kernel) ** 2))

    for _ in range(2):
        penalise(model, sections.regularization(l2=0.25))

    assert sum(map(float, model.losses)) == pytest.approx(0.75 * squares, rel=1e-5)
    assert penalty(model) == pytest.approx(0.75 * squares, rel=1e-5)


def test_a_model_that_penalises_activity_is_measured() -> None:
    """What layers add to the loss by themselves stays in it; penalties of weights do not."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(40, 3)).astype(np.float32), random.normal(size=40)
    hidden = keras.layers.Dense(4, activity_regularizer="l2", kernel_regularizer="l2")
    model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    training = sections.training(epochs=2, patience=None, min_delta=0, restore_best_weights=True)
    passes = Passes(model, 8, rows)
    fit = Fit(
        model, passes, rows, rows, training, 0, gaps=True,
        augmenting=lambda _: None, finished=lambda _: None,
    )  # fmt: skip
    fit.begin()
    told: list[Any] = []

    def on_epoch(_: int, logs: Any) -> bool:
        told.append(logs)
        return False

    fit.run(on_epoch)
    whole = model.evaluate(*rows, batch_size=40, verbose=0)

    assert told[-1]["val_loss"] == pytest.approx(whole - penalty(model), rel=1e-4)
    assert penalty(model) > 0


class OwnStep(keras.Model):  # type: ignore[misc] # Keras has no stubs
    """A model that trains in its own way."""

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


def test_a_training_step_of_its_own_is_noticed() -> None:
    """What such a model learns by is not known, so no penalty or softer target is put on it."""
    inputs = keras.Input((3,))
    model = OwnStep(inputs, keras.layers.Dense(2)(inputs))

    with pytest.raises(ValueError, match="own loss"):
        penalise(model, sections.regularization(l1=1.0))


def test_what_cannot_be_smoothed_says_so(trainer: Trainer) -> None:
    """A task without classes names the key and the way out."""
    config = configured(regularization={"label_smoothing": 0.1})
    config["task"] = {"_target_": "truefit.training.tasks.reconstruction", "target": "input"}

    ending = trainer.run(Job(config, PREPARED, 0), lambda _: None)

    assert ending.state == "error"
    assert "regularization.label_smoothing" in ending.reason
