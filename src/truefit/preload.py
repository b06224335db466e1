"""Imports Keras and its backend without their chatter."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hold back what native code writes to stderr; show it if the block raises.

    TensorFlow's first messages come before its own log level is read, so no variable silences them.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, contextlib.ExitStack() as restore:
        stderr = os.dup(2)
        restore.callback(os.close, stderr)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(stderr, 2)


def import_keras() -> None:
    """Import the backend that `KERAS_BACKEND` names, then Keras; nothing is computed."""
    if "keras" in sys.modules:
        return
    with quiet():
        importlib.import_module(os.environ["KERAS_BACKEND"])
        importlib.import_module("keras")


def set_environment(backend: str, device: str) -> None:
    """What a backend reads when it is imported; call it before Keras is."""
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
