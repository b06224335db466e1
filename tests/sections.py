"""Sections of a configuration: those of resolved.yaml, and in them what a test names.

The schema checks each of them, so that no test goes on with a section that no user can have.
"""

from __future__ import annotations

import functools
from typing import Any, TypeVar

from conftest import ROOT
from pydantic import TypeAdapter

from truefit.config.schema import (
    Config,
    Data,
    Evaluation,
    RayEngine,
    Regularization,
    Runtime,
    Search,
    SlurmEngine,
    Training,
)
from truefit.core.resolved import read_yaml

Section = TypeVar("Section")


@functools.cache
def _resolved() -> dict[str, Any]:
    found = read_yaml(ROOT / "resolved.yaml")
    return {key: found[key] for key in Config.__annotations__}


def _engine(name: str) -> Any:
    """That of conf/search/engine, as resolved.yaml has another."""
    return read_yaml(ROOT / "conf/search/engine" / f"{name}.yaml")


def _checked(kind: type[Section], values: dict[str, Any]) -> Section:
    return TypeAdapter(kind).validate_python(values)


def config(**sections: Any) -> Config:
    """The whole, with these sections in the place of others."""
    return _checked(Config, {**_resolved(), **sections})


def data(*, normalize: bool = True, **split: Any) -> Data:
    """A fifth of the rows for validation and for test each, of a source that a test has made."""
    shares = {"validation": 0.2, "test": 0.2, "stratify": "auto", **split}
    return _checked(Data, {"_target_": "made_here", "split": shares, "normalize": normalize})


def evaluation(**known: Any) -> Evaluation:
    return _checked(Evaluation, {**_resolved()["evaluation"], **known})


def ray(**known: Any) -> RayEngine:
    return _checked(RayEngine, {**_engine("ray"), **known})


def regularization(**known: Any) -> Regularization:
    return _checked(Regularization, {**_resolved()["regularization"], **known})


def runtime(**known: Any) -> Runtime:
    return _checked(Runtime, {**_resolved()["runtime"], **known})


def search(**known: Any) -> Search:
    return _checked(Search, {**_resolved()["search"], **known})


def slurm(**known: Any) -> SlurmEngine:
    return _checked(SlurmEngine, {**_engine("slurm"), **known})


def training(**known: Any) -> Training:
    return _checked(Training, {**_resolved()["training"], **known})
