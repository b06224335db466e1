"""Models that go wrong, for the tests of the trainer; reached by `_target_` like any other."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import keras
import numpy as np


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
