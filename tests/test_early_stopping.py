"""Early stopping follows Keras' own rules."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from test_limits import fitted

from truefit.training.early_stopping import Best


def by_keras(losses: list[float], min_delta: float, patience: int) -> tuple[int, int, int]:
    """The best epoch, how long none was better, and the last epoch."""
    callback = keras.callbacks.EarlyStopping(
        "val_loss", min_delta=min_delta, patience=patience, mode="min"
    )
    callback.set_model(SimpleNamespace(stop_training=False))
    callback.on_train_begin()
    epochs = 0
    while epochs < len(losses) and not callback.model.stop_training:
        callback.on_epoch_end(epochs, {"val_loss": losses[epochs]})
        epochs += 1
    return callback.best_epoch + 1, callback.wait, epochs


def by_best(losses: list[float], min_delta: float, patience: int) -> tuple[int, int, int]:
    """As `by_keras`, of the own record."""
    best = Best()
    for epoch, loss in enumerate(losses, start=1):
        best = best.after(epoch, loss, min_delta)
        if best.wait and best.wait >= patience:
            break
    return best.epoch, best.wait, epoch


@pytest.mark.parametrize("digits", [1, 3, 16])
@pytest.mark.parametrize("min_delta", [0.0, 1e-9, 0.1, 0.3])
def test_the_rules_are_those_of_keras(digits: int, min_delta: float) -> None:
    """Ties, small steps and patience of 0 end a training where Keras ends it."""
    random = np.random.default_rng(digits)
    for _ in range(20):
        losses = [round(float(loss), digits) for loss in random.exponential(size=12)]
        losses += [losses[-1] - 1e-12, losses[-1] * (1 - 1e-7), min(losses) - min_delta]
        patience = int(random.integers(0, 6))

        assert by_best(losses, min_delta, patience) == by_keras(losses, min_delta, patience)


def test_a_difference_beyond_float32_is_none() -> None:
    """A loss that is lower in digits that Keras does not compare is no improvement."""
    best = Best().after(1, 1.0, 0.0).after(2, 1.0 - 1e-12, 0.0)

    assert (best.epoch, best.wait) == (1, 1)


@pytest.mark.parametrize("wins", [1, 3])
def test_a_fit_ends_when_its_patience_is_over(monkeypatch: pytest.MonkeyPatch, wins: int) -> None:
    """It trains `patience` epochs after the best one, and gives back the best one's weights."""
    monkeypatch.setattr(
        "truefit.training.fitting.Fit.measure",
        lambda fit, _: {"loss": float(abs(fit.epochs - wins))},
    )
    monkeypatch.setitem(fitted.__globals__["TRAINING"], "patience", 2)

    fit, told, _ = fitted(None)

    assert (fit.best_epoch, fit.epochs) == (wins, wins + 2)
    kept, best = fit.model.get_weights(), told[wins - 1]["weights"]
    assert all((mine == its).all() for mine, its in zip(kept, best, strict=True))
