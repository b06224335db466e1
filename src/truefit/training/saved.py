"""A model's file: how it is saved, how it is loaded, and what keeps it from either."""

from __future__ import annotations

import importlib
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.files import replacing
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import read_split

if TYPE_CHECKING:  # whoever serves a model has no part of the pipeline installed
    import keras

    from truefit.config.schema import Config

MIB = 2**20
LARGEST_LAYERS = 64  # MiB; those of a large network have one
UNPACKED = 20  # times the file's size; Keras packs nothing, and others pack weights to a half
LONGEST = 300  # characters of Keras' own words
# What Keras says of a model's part that it cannot make again (keras/src/saving).
UNKNOWN = re.compile(
    r"Could not locate (?P<kind>class|function) '(?P<name>[^']+)'"
    r"|Cannot deserialize object of type `(?P<type>[^`]+)`"
)
UNDESCRIBED = re.compile(
    r"Object (?P<name>\w+) was created by passing\s+non-serializable"
    r"|<(?:\S+\.)?(?P<type>\w+) object at \S+ does not implement get_config"
)
# What is written of a lambda has no name.
UNREADABLE = re.compile(
    r"Could not interpret (?P<kind>\w+)[^:]*:(?:.*?'class_name': '(?P<name>\w+)')?"
)
# As TensorFlow, PyTorch and JAX say it.
NO_MEMORY = re.compile(
    r"OOM when allocating|can't allocate memory|RESOURCE_EXHAUSTED|out of memory"
)
REGISTER = "@keras.saving.register_keras_serializable()"

LAMBDA = (
    "it has a lambda, which is code that safe mode does not load: write a function or a layer with "
    f"{REGISTER}"
)


def save(model: keras.Model, file: Path) -> None:
    """`file` holds the whole model, or what it held before."""
    with replacing(file) as building:
        model.save(building)


def load_model(config: Config, file: Path) -> keras.Model:
    """The model in `file`, in Keras' safe mode, uncompiled.

    Raises:
        ValueError: it cannot be loaded so; one sentence says why.
    """
    # Layers that these modules register are known only once they are imported.
    for module in modules_of(config):
        importlib.import_module(module)
    return load_saved(file)


def load_saved(file: Path) -> keras.Model:
    """The model in `file` as `load_model`, its layers' modules being imported.

    Raises:
        ValueError: it cannot be loaded so, or is larger than a model is; one sentence says why.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    _require_file(file)
    try:
        _require_size(file)
        loaded = keras.saving.load_model(file, compile=False, safe_mode=True)
    except zipfile.BadZipFile as error:
        raise ValueError(f"it is damaged ({error})") from None
    except Exception as error:  # noqa: BLE001 - Keras takes a broken file's word in many places
        raise ValueError(_of_python(error) or sentence(error)) from None
    if not isinstance(loaded, keras.Model):
        raise ValueError(f"expected a model, received one {type(loaded).__name__}")
    return loaded


def modules_of(config: Config) -> list[str]:
    """What must be imported before a saved model is loaded."""
    return ["truefit.training.raw", str(config["model"]["_target_"]).rpartition(".")[0]]


def core_of(model: keras.Model) -> keras.Model:
    """The part of a saved model that takes prepared rows."""
    return getattr(model, "core", model)


def example(model: keras.Model, facts: Facts, folder: Path) -> np.ndarray:
    """Eight prepared rows that the model takes; a generator takes random numbers, not rows."""
    shape = core_of(model).input_shape[1:]
    if list(shape) == facts.input_shape:
        return np.array(read_split(folder, "validation").x[:8])
    return np.random.default_rng(0).standard_normal((8, *shape)).astype(np.float32)


def _of_python(error: Exception) -> str:
    """What stands behind an error that says nothing of the file; empty for Keras' own."""
    if isinstance(error, RecursionError):
        return "its config.json has more levels than can be read: truefit saves no such model"
    if isinstance(error, KeyError):
        return f"its config.json lacks {str(error)[:LONGEST]}"
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return "it needs more memory than this machine has"
    return ""


def sentence(error: Exception) -> str:
    """What Keras cannot save or load, in one sentence with the way out."""
    text = str(error)
    if found := UNKNOWN.search(text):
        kind, name = found["kind"] or "class", found["name"] or found["type"]
        return f"its {kind} {name} is not registered: write {REGISTER} above it"
    if found := UNDESCRIBED.search(text):
        name = found["name"] or found["type"]
        return f"its {name} does not say how it is made: give it get_config(), and {REGISTER}"
    if found := UNREADABLE.search(text):
        if found["name"]:
            return (
                f"its {found['kind']} {found['name']} is not registered: write {REGISTER} above it"
            )
        return LAMBDA
    if "`Lambda` layer" in text or "__lambda__" in text:
        return LAMBDA
    last = text.rpartition("Exception encountered: ")[2].strip() or type(error).__name__
    return last.splitlines()[0][:LONGEST].removesuffix(".")


def _require_file(file: Path) -> None:
    if not file.exists():
        raise ValueError("there is no such file")
    if file.is_dir():
        raise ValueError("expected a .keras file, received a folder")
    if not file.stat().st_size:
        raise ValueError("expected a .keras file, received an empty one")
    if not zipfile.is_zipfile(file):
        raise ValueError("expected a .keras file, which is a zip archive; this is none, or cut off")


def _require_size(file: Path) -> None:
    """Keras reads the layers whole, and weights as they are stored: neither may be a bomb."""
    with zipfile.ZipFile(file) as stored:
        sizes = {member.filename: member.file_size for member in stored.infolist()}
    layers, whole = sizes.get("config.json", 0) / MIB, sum(sizes.values()) / MIB
    if layers > LARGEST_LAYERS:
        raise ValueError(
            f"its config.json, which lists the layers, has {layers:.0f} MiB, expected at most "
            f"{LARGEST_LAYERS}: truefit saves no such model"
        )
    if whole > (most := LARGEST_LAYERS + UNPACKED * file.stat().st_size / MIB):
        raise ValueError(
            f"it unpacks to {whole:.0f} MiB, expected at most {most:.0f} for a file of its size: "
            "truefit saves no such model"
        )
    if "config.json" not in sizes:
        raise ValueError("expected a .keras file, whose config.json lists the layers; it has none")
