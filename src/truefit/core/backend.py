"""Imports Keras and its backend without their chatter."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from truefit.core.errors import UserError

# For debugging: they cut what Keras trains on and predicts, and no record would say so.
KERAS_CUTS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")
# What Keras and TensorFlow take from the account's keras.json; another value stops their import.
KERAS_TAKES = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_first", "channels_last"),
}
MOVE = "truefit does not need this file: correct it, or move it away"


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
    """Import the backend that `KERAS_BACKEND` names, then Keras with its defaults; no computing."""
    if "keras" in sys.modules:
        return
    with quiet():
        importlib.import_module(os.environ["KERAS_BACKEND"])
        keras = importlib.import_module("keras")
    # Not as ~/.keras/keras.json of this account says: a result depends on the configuration alone.
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


def limit_gpu_memory() -> None:
    """Where trainings share a GPU, this one takes no more of its memory than its share.

    JAX reads a variable (`training.process.pool`). TensorFlow is told how much that is, which only
    the driver's library knows (`pynvml`, the extra `gpu`); without it memory grows as it is needed.
    """
    share = float(os.environ.get("TRUEFIT_GPU_SHARE", "1"))
    if share == 1:
        return
    backend = importlib.import_module(os.environ["KERAS_BACKEND"])
    if backend.__name__ == "torch" and backend.cuda.is_available():
        backend.cuda.set_per_process_memory_fraction(0.9 * share)
    if backend.__name__ == "tensorflow":
        for gpu in backend.config.list_physical_devices("GPU"):
            if total := _gpu_memory(os.environ.get("CUDA_VISIBLE_DEVICES", "0")):
                limit = backend.config.LogicalDeviceConfiguration(memory_limit=0.9 * share * total)
                backend.config.set_logical_device_configuration(gpu, [limit])


def _gpu_memory(name: str) -> float | None:
    """MiB of a GPU, by its number or UUID, where the driver's library is there to tell."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return None
    nvml.nvmlInit()
    by_number, by_uuid = nvml.nvmlDeviceGetHandleByIndex, nvml.nvmlDeviceGetHandleByUUID
    handle = by_number(int(name)) if name.isdigit() else by_uuid(name)
    return float(nvml.nvmlDeviceGetMemoryInfo(handle).total) / 2**20


def set_environment(backend: str, device: str) -> None:
    """Set what a backend reads when it is imported; call it before Keras is.

    Raises:
        UserError: the account's `keras.json` would stop the import.
    """
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_NNX_ENABLED"] = "false"  # else keras.json decides how layers keep weights
    for name in KERAS_CUTS:
        os.environ.pop(name, None)
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    _require_import()


def _require_import() -> None:
    """Raise unless Keras and TensorFlow can be imported with the account's own `keras.json`."""
    home = os.path.expanduser("~")  # noqa: PTH111 - pathlib raises where an account has no home
    home = home if os.access(home, os.W_OK) else "/tmp"  # noqa: S108 - as Keras does
    file = Path(os.environ.get("KERAS_HOME", f"{home}/.keras")) / "keras.json"
    try:
        known = json.loads(file.read_text()) if file.exists() else {}
    except ValueError:
        return  # both take no file that is no JSON
    except OSError as error:
        raise UserError(f"{file}: Keras cannot read its file ({error.strerror}); {MOVE}") from error
    if not isinstance(known, dict):
        raise UserError(f"{file}: expected a JSON object, received {json.dumps(known)}; {MOVE}")
    for name, allowed in KERAS_TAKES.items():
        if name in known and known[name] not in allowed:
            expected = " or ".join(f'"{value}"' for value in allowed)
            received = json.dumps(known[name])
            raise UserError(f"{file}: `{name}`: expected {expected}, received {received}; {MOVE}")
    if not isinstance(known.get("epsilon", 1e-7), float):
        received = json.dumps(known["epsilon"])
        raise UserError(f"{file}: `epsilon`: expected a fraction, received {received}; {MOVE}")
