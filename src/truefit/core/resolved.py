"""Choices and conf/ make one resolved configuration; the stages read that and nothing else."""

from __future__ import annotations

import copy
import hashlib
import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from truefit.core.errors import UserError
from truefit.core.paths import RESOLVED
from truefit.core.renamed import RENAMED, renamed
from truefit.core.trees import get

if TYPE_CHECKING:
    from truefit.config.schema import Config

Tree = dict[str, Any]
Scalar = int | float | str | bool | None
Params = dict[str, Scalar]  # of a trial: dotted keys of the configuration and their values
SEED = "training.seed"  # in best.yaml: the train stage makes the winner's best training again
HEADER = (
    "# Written by the compose stage from params.yaml and conf/. Edit those, then `dvc repro`.\n"
)


CONTENT, SOURCE = "content_digest", "source_digest"  # of resolved.yaml, beside the values


def content_digest(text: str) -> str:
    """A hash over the lines of resolved.yaml that hold values, to notice an edit of the file."""
    aside = ("#", f"{CONTENT}:", f"{SOURCE}:")
    lines = [line for line in text.splitlines() if not line.startswith(aside)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def is_edited() -> bool:
    """Whether resolved.yaml holds other lines than compose wrote."""
    text = RESOLVED.read_text() if RESOLVED.exists() else ""
    written = re.search(rf"^{CONTENT}: '?(\w+)'?$", text, re.MULTILINE)
    return written is not None and content_digest(text) != written[1]


def source_digest() -> str:
    """A hash over the bytes of params.yaml and every YAML below conf/, to notice a stale file."""
    digest = hashlib.sha256()
    for file in _sources():
        digest.update(file.as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def names(config: Config) -> tuple[str, str]:
    """What people call the model and the data: the function, or the file that it reads."""
    model, data = (config[key]["_target_"].rpartition(".")[2] for key in ("model", "data"))
    path = config["data"].get("path")
    if not path or Path(path) == Path("data/raw"):  # which is where all raw data lie
        return model, data
    place = Path(path)
    return model, (place.name if place.is_dir() else place.stem) or data


def load() -> Config:
    """The resolved configuration.

    Raises:
        UserError: it is not there, was edited, or is older than params.yaml or conf/. Under DVC
            an edit while the pipeline runs is only a warning: the stage runs what was resolved.
    """
    read = _written()
    old = [key for key in RENAMED if get(read, key) is not None]
    if old:
        raise UserError(
            f"resolved.yaml is of an earlier version of truefit. {renamed(old[0])}: call it so in "
            "conf/ and params.yaml, then `dvc repro`"
        )
    read.pop(CONTENT, None)
    if read.pop(SOURCE, None) != source_digest():
        stale = "resolved.yaml is older than params.yaml or conf/"
        if not _edited_while_dvc_runs():
            raise UserError(f"{stale}: `dvc repro compose` renews it, or the whole `dvc repro`")
        print(f"note: {stale}; this stage runs what was resolved before the edit", file=sys.stderr)
    if is_edited():
        raise UserError(
            "resolved.yaml was edited by hand: `dvc repro compose` writes it again; set values in "
            "params.yaml, or with `dvc exp run -S '++set.KEY=VALUE'`"
        )
    config: Config = read  # compose has checked it, and nobody has edited it since
    return config


def _written() -> Any:
    """The keys and values of resolved.yaml."""
    if not RESOLVED.exists():
        raise UserError(
            "resolved.yaml is not there: run `dvc repro` in the project's folder, which composes it"
        )
    try:
        read = read_yaml(RESOLVED)
    except UserError as error:
        raise UserError(f"{error}; `dvc repro compose` writes it again") from None
    if not isinstance(read, dict):
        raise UserError("resolved.yaml holds no configuration: run `dvc repro`, which composes it")
    return read


def _edited_while_dvc_runs() -> bool:
    """Whether the newest of the sources is younger than the DVC process that runs this stage."""
    if "DVC_STAGE" not in os.environ:
        return False
    edited = max(file.stat().st_mtime for file in _sources())
    above = psutil.Process().parents()
    runners = [p for p in above if any(Path(word).name == "dvc" for word in p.cmdline())]
    return any(edited > process.create_time() for process in runners)


def _sources() -> list[Path]:
    return [*sorted(Path("conf").rglob("*.yaml")), Path("params.yaml")]


def dump(config: Mapping[str, Any]) -> str:
    """YAML with sorted keys, so that git shows small differences."""
    return OmegaConf.to_yaml(OmegaConf.create({**config}), sort_keys=True)


def without_seed(params: Params) -> Params:
    """What a search chose, without the seed of the winner's training that best.yaml keeps too."""
    return {key: value for key, value in params.items() if key != SEED}


def override(config: Config, values: Tree) -> Config:
    """A copy of `config` with dotted keys set; an argument that it leaves out is added.

    Raises:
        KeyError: a key in a block that `config` does not have.
    """
    changed = copy.deepcopy(config)
    for dotted, value in values.items():
        *path, last = dotted.split(".")
        block: Any = get(changed, ".".join(path)) if path else changed
        if not isinstance(block, dict) or (not path and last not in block):
            raise KeyError(dotted)
        block[last] = value
    return changed


def read_yaml(path: Path) -> Any:
    """A YAML file as plain values, numbers as DVC and Hydra read them (`1e-3` is one).

    Raises:
        UserError: it is missing or is not YAML; the message has file and line.
    """
    try:
        return OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    except FileNotFoundError:
        back = shlex.quote(str(path))
        way = f"run this in the project's folder, or `git checkout {back}` brings it back"
        raise UserError(f"{path} is not there: {way}") from None
    except yaml.YAMLError as error:
        raise UserError(not_yaml(path, error)) from error
    except RecursionError:
        raise UserError(f"{path}: expected values, received a block that holds itself") from None
    except (OmegaConfBaseException, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def plain_yaml(text: str) -> Any:
    """Mappings, sequences, texts, numbers, booleans and null.

    Raises:
        ValueError: there is a tag, which may make any other thing, an anchor or a reference to one,
            which may make a little much, or a directive.
        yaml.YAMLError: it is no YAML.
    """
    for event in yaml.parse(text, yaml.SafeLoader):
        odd = [getattr(event, name, None) for name in ("tag", "anchor", "tags", "version")]
        if found := next(filter(None, odd), None):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise ValueError(f"line {line}: expected no tag, anchor or directive, found {found!r}")
    return yaml.safe_load(text)


def not_yaml(path: object, error: yaml.YAMLError) -> str:
    """Where and what a syntax error is, in one line."""
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    return f"{path}{line} is not YAML: {getattr(error, 'problem', None) or error}"
