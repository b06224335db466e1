"""Models that go wrong, for the tests of the trainer; reached by `_target_` like any other."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import keras


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


def gives_nan(input_shape: tuple[int, ...], num_outputs: int) -> Any:
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    nan = keras.layers.Rescaling(float("nan"))(flat)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(nan))
