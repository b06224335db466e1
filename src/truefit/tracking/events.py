"""The events of the journal, which a stage tells MLflow: read and written here alone.

Every event is one JSON line, with its fields in the order in which they stand here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import ClassVar

from truefit.core.trees import fields_of

# By name; MLflow gets the numbers among them.
Metrics = Mapping[str, float | str | list[float] | None]
Tags = Mapping[str, str | float]  # by name; MLflow gets them as text
Params = Mapping[str, object]  # by dotted key; MLflow gets them as text


@dataclass(frozen=True)
class Dataset:
    """The data that a run has used, as MLflow shows it."""

    name: str
    digest: str  # at most 36 characters
    source: Mapping[str, str | None] = field(default_factory=dict)  # path, DVC's md5, sha256
    profile: Mapping[str, object] = field(default_factory=dict)  # rows by split, shape, target
    context: str = ""  # what it was used for: search, training or evaluation

    @classmethod
    def of(cls, told: Mapping[str, object]) -> Dataset:  # of JSON
        """The dataset that `as_json` gave, in this version or an earlier one.

        Raises:
            TypeError: it has no name or no digest.
        """
        return cls(**fields_of(cls, told))

    def as_json(self) -> dict[str, object]:
        """What the journal and a study's attributes keep."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a run."""

    op: ClassVar[str]
    run: str = ""  # the journal's name for it
    t: int = 0  # milliseconds since 1970; 0 for the moment when it is written


@dataclass(frozen=True, kw_only=True)
class Open(Event):
    """A process begins its journal."""

    op = "open"
    project: str = ""
    stage: str = ""
    pid: int = 0


@dataclass(frozen=True, kw_only=True)
class Close(Event):
    """No more events come."""

    op = "close"


@dataclass(frozen=True, kw_only=True)
class Start(Event):
    """A run begins, for the first time or once more."""

    op = "start"
    kind: str = "train"  # or study, trial, finalist, repeat
    name: str
    project: str = ""
    tags: Tags = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    dataset: Dataset | None = None
    tries: int = 0  # how many attempts came before
    if_missing: bool = False  # another process recorded it: it counts only where MLflow lacks it
    taken_over: bool = False  # another worker began it
    study: str = ""  # of a trial: its study's run
    key: str = ""  # of a trial: its place in the study


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """Values after an epoch."""

    op = "epoch"
    step: int = 0  # the epoch, from 1
    metrics: Metrics


@dataclass(frozen=True, kw_only=True)
class Log(Event):
    """Values and tags of a run."""

    op = "log"
    metrics: Metrics = field(default_factory=dict)
    tags: Tags | None = None
    step: int = 0  # the second since the run began, of a sample of the machine


@dataclass(frozen=True, kw_only=True)
class Scores(Event):
    """Values that belong to the run's model, measured on a dataset."""

    op = "scores"
    metrics: Metrics
    on: Dataset | None = None


@dataclass(frozen=True, kw_only=True)
class Text(Event):
    """A file of the run, by its contents."""

    op = "text"
    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Kept(Event):
    """Something that lies beside the journal until it is sent."""

    kept: str  # its path in the folder of attachments
    # SHA-256 by path; an earlier version wrote none.
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class File(Kept):
    """A file or folder of the run."""

    op = "file"
    folder: str | None = None  # of the run's artifacts


@dataclass(frozen=True, kw_only=True)
class Model(Kept):
    """The run's model, as MLflow's folder of it."""

    op = "model"


@dataclass(frozen=True, kw_only=True)
class Card(Kept):
    """A description of the run's model."""

    op = "card"


@dataclass(frozen=True, kw_only=True)
class View(Event):
    """A study's table and charts are to be shared."""

    op = "view"
    columns: list[str]  # names of parameters
    winner: int | None = None  # the slot that won; journals of earlier versions do not tell


@dataclass(frozen=True, kw_only=True)
class End(Event):
    """A run ends."""

    op = "end"
    state: str  # the ending class
    reason: str = ""
    metrics: Metrics | None = None  # its last values; `None` if its process was killed
    has_result: bool | None = None  # whether a training came to one; `None` if it was killed


KINDS: dict[str, type[Event]] = {
    kind.op: kind
    for kind in (Open, Close, Start, Epoch, Log, Scores, Text, File, Model, Card, View, End)
}
# A line leaves these out where they are as here.
LEFT_OUT: dict[str, object] = {
    "study": "", "key": "", "tags": None, "metrics": None, "has_result": None, "winner": None,
    "files": {},
}  # fmt: skip
TYPES: dict[str, type | tuple[type, ...]] = {
    "run": str, "kind": str, "name": str, "project": str, "study": str, "key": str,
    "tags": dict, "params": dict, "metrics": dict, "dataset": (dict, type(None)), "tries": int,
    "step": int, "path": str, "text": str, "kept": str, "folder": (str, type(None)),
    "columns": list, "files": dict, "state": str, "reason": str, "on": (dict, type(None)),
}  # fmt: skip


def as_line(event: Event) -> bytes:
    """The event as a line of the journal."""
    told = {one.name: getattr(event, one.name) for one in fields(event)}
    kept = {
        name: value
        for name, value in told.items()
        if name not in LEFT_OUT or value != LEFT_OUT[name]
    }
    return json.dumps({"op": event.op, **kept}, default=_plain).encode() + b"\n"


def _plain(value: object) -> object:
    """A dataset as its fields, a NumPy number as Python's; anything else as text."""
    if isinstance(value, Dataset):
        return value.as_json()
    return value.item() if hasattr(value, "item") else str(value)


def parse(line: bytes, t: int) -> Event | None:
    """The event in a line of the journal; `None` if it holds none that can be sent.

    Args:
        line: JSON, as `as_line` wrote it in this version or an earlier one.
        t: milliseconds, for an event that does not say when it was.
    """
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind = KINDS.get(str(told.get("op"))) if isinstance(told, dict) else None
    if kind is None:
        return None
    values = fields_of(kind, told)
    values["t"] = told["t"] if isinstance(told.get("t"), int) else t
    if kind is Start:
        values.setdefault("name", values.get("run", ""))
    if ("study" in values and "key" not in values) or not _is_typed(values):
        return None
    try:
        for name in {"dataset", "on"} & {*values}:
            values[name] = values[name] and Dataset.of(values[name])
        event = kind(**values)
    except TypeError:  # it lacks what such an event needs
        return None
    return event if event.run or kind in (Open, Close) else None


def _is_typed(values: Mapping[str, object]) -> bool:
    return all(isinstance(values[name], TYPES[name]) for name in values if name in TYPES)
