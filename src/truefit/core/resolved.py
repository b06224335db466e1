"""Choices and conf/ make one resolved configuration; the stages read that and nothing else."""

from __future__ import annotations

import contextlib
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
    for file in sources():
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
    edited = max(file.stat().st_mtime for file in sources())
    above = psutil.Process().parents()
    runners = [p for p in above if any(Path(word).name == "dvc" for word in p.cmdline())]
    return any(edited > process.create_time() for process in runners)


def sources() -> list[Path]:
    """The files that compose reads: every YAML below conf/, and params.yaml."""
    return [*sorted(Path("conf").rglob("*.yaml")), Path("params.yaml")]


def dump(config: Mapping[str, object]) -> str:
    """YAML with sorted keys, so that git shows small differences."""
    return OmegaConf.to_yaml(OmegaConf.create({**config}), sort_keys=True)


def without_seed(params: Params) -> Params:
    """What a search chose, without the seed of the winner's training that best.yaml keeps too."""
    return {key: value for key, value in params.items() if key != SEED}


def override(config: Config, values: Mapping[str, object]) -> Config:
    """A copy of `config` with dotted keys set; an argument that it leaves out is added.

    Raises:
        KeyError: a key in a block that `config` does not have.
    """
    changed = copy.deepcopy(config)
    for dotted, value in values.items():
        *path, last = dotted.split(".")
        block: object = get(changed, ".".join(path)) if path else changed
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
        raise UserError(f"{path} is not there: {_way_back(path)}") from None
    except yaml.YAMLError as error:
        raise UserError(not_yaml(path, error)) from error
    except UnicodeDecodeError as error:
        received = f"received the byte 0x{error.object[error.start]:02x}"
        raise UserError(f"{path}: expected UTF-8, {received}: save the file as UTF-8") from error
    except RecursionError:
        raise UserError(f"{path}: expected values, received a block that holds itself") from None
    except (OmegaConfBaseException, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _way_back(path: Path) -> str:
    """What brings a missing file back: DVC for what a stage writes, else git."""
    if stage := written_by_stages().get(path):
        return f"`dvc repro {stage}` makes it, or takes it from DVC's cache"
    back = shlex.quote(str(path))
    return f"run this in the project's folder, or `git checkout {back}` brings it back"


def written_by_stages() -> dict[Path, str]:
    """Return the outputs of the stages in dvc.yaml, each with its stage; empty without one."""
    file = Path("dvc.yaml")
    stages = (read_yaml(file) or {}).get("stages") or {} if file.is_file() else {}
    found: dict[Path, str] = {}
    for name, stage in stages.items():
        for out in (stage or {}).get("outs") or []:
            found |= {Path(one): name for one in ([out] if isinstance(out, str) else out)}
    return found


def plain_yaml(text: str) -> object:
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
    """Where and what a syntax error is, in one line; git's conflict markers are named as such."""
    file = Path(str(path))
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    for number, line in enumerate(lines, 1):
        if line.startswith("<<<<<<< "):
            return f"{path}:{number} has git's conflict markers: keep one side and remove them"
    mark = getattr(error, "problem_mark", None)
    at = f":{mark.line + 1}" if mark else ""
    return f"{path}{at} is not YAML: {getattr(error, 'problem', None) or error}"


# What YAML 1.1 counts to other bases than 10; DVC reads 1.2, where 010 is 10 and 1:30 a text.
OTHER_BASES = re.compile(r"[-+]?(0[0-7_]*[1-7][0-7_]*|[1-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


def require_one_reading(path: Path) -> None:
    """Refuse a number that this project and DVC would read differently.

    Raises:
        UserError: a value without quotes is an octal number or one to the base 60.
    """
    with contextlib.suppress(yaml.YAMLError):  # who reads its values names the fault
        for event in yaml.parse(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            # Neither quotes nor a tag such as `!!str` say what it is.
            if not isinstance(event, yaml.ScalarEvent) or not event.implicit[0]:
                continue
            if OTHER_BASES.fullmatch(event.value):
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise UserError(
                    f"{path}:{line}: expected a decimal number or a text, "
                    f"received `{event.value}`, which YAML reads as {yaml.safe_load(event.value)}: "
                    f"write '{event.value}' in quotes for a text, or the number itself"
                )
