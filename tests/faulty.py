"""Models that go wrong, for the tests of the trainer; reached by `_target_` like any other."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import keras
import numpy as np

from truefit.training import passes


def segfaults(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


def is_killed(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def raises(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    raise KeyError("no such layer")


def does_not_fit(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    raise ValueError(f"this model takes text, received {input_shape}")


def leaves(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    os._exit(3)


def sleeps(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    time.sleep(600)


trained = 0  # epochs of this process so far


def stalls(*, facts: Any, seed: int) -> Any:
    """An augmentation that lets two epochs pass, and sleeps in the third."""

    def augment(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        global trained  # noqa: PLW0603 - each epoch has an augmentation of its own
        trained += len(x) > 2  # the first two rows only show their shape
        if trained > 2:
            time.sleep(600)
        return x, y

    return augment


class Slow(keras.layers.Layer):  # type: ignore[misc] # Keras has no stubs
    """Takes half a second for each batch that is measured, and none for those trained on."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.supports_jit = False

    def call(self, x: Any, training: bool = False) -> Any:
        import tensorflow as tf  # noqa: PLC0415 - the tests that use it have this backend

        if training or not tf.inside_function():
            return x
        with tf.control_dependencies([tf.py_function(lambda: time.sleep(0.5), [], [])]):
            return tf.identity(x)


def measures_slowly(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    """A linear model that is measured in many small batches, each of which takes its time."""
    passes.MEASURE_BATCH = 64
    inputs = keras.Input(input_shape)
    flat = Slow()(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(flat))


def gives_nan(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    nan = keras.layers.Rescaling(float("nan"))(flat)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(nan))


def moody(input_shape: tuple[int, ...], num_outputs: int, *, mood: str = "fine") -> Any:
    """A linear model, or one of the faults here by its name."""
    if mood != "fine":
        return globals()[mood](input_shape, num_outputs)
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(keras.layers.Flatten()(inputs)))


def grabs_memory(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    held = []
    while True:
        held.append(np.ones(2**22))  # 32 MiB
        time.sleep(0.1)
