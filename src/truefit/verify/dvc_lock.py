"""Whether dvc.lock says of a run what the run says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from truefit.core.errors import UserError
from truefit.core.inputs import files_at, sha256
from truefit.core.paths import SEARCH, TRAIN
from truefit.core.resolved import read_yaml
from truefit.core.trees import flatten, get
from truefit.tracking.records import Record
from truefit.verify.verdict import Check

if TYPE_CHECKING:
    from truefit.config.schema import Config

# Outputs that hold no numbers of their own to compare.
OWN = (f"{TRAIN}/run.json", f"{SEARCH}/best.yaml")


class Locked(TypedDict):
    """A file or folder that a stage read or made, as dvc.lock has it."""

    path: str
    md5: str


class Stage(TypedDict, total=False):
    """A stage of dvc.lock."""

    deps: list[Locked]
    outs: list[Locked]
    params: dict[str, dict[str, object]]  # by file, then by key


def lock(project: Path, tree: Path, config: Config, old: Record) -> Check:
    """What dvc.lock has of the train stage, and of what the preprocess stage made.

    Args:
        project: the project that holds the run.
        tree: the run's code and data, made again, with its winner.
        config: the composed configuration.
        old: the run, which knows what its stages read.
    """
    if "dvc.stage" not in old.tags:
        return Check("dvc.lock", note="the run was not made by DVC")
    recorded = {
        name: digest
        for stage in ("train", "evaluate")
        for name, digest in (old.json(f"inputs/{stage}.json") or {}).items()
    }
    try:
        # As DVC reads it: 1e-05 is a number, which PyYAML calls text.
        stages: dict[str, Stage] = read_yaml(project / "dvc.lock")["stages"]
        made = [(project / out["path"], out["md5"]) for out in stages["train"]["outs"]]
    except (UserError, KeyError, TypeError):
        return Check("dvc.lock", "its train stage cannot be read: `git checkout dvc.lock`")

    def found() -> Iterator[str]:
        if not any(file.exists() and md5(file) == known for file, known in made):
            yield "is of another training than the outputs here: `git checkout dvc.lock`"
        for name in OWN:
            if name in recorded and sha256(project / name) != recorded[name]:
                yield f"{name} is not as the run left it: `dvc checkout {name}`"
        yield from _entries(stages, recorded, project, tree)
        params = stages["train"].get("params") or {}
        for key, value in flatten(params.get("resolved.yaml") or {}).items():
            if (now := get(config, key)) != value and not isinstance(now, dict):
                yield f"stage train, {key}: dvc.lock has {value}, the run {now}"

    return Check("dvc.lock", next(filter(None, found()), ""))


def _entries(
    stages: dict[str, Stage], recorded: dict[str, str], project: Path, tree: Path
) -> Iterator[str]:
    """What does not fit of the files that preprocess made, and that train read and made."""
    train, prepared = stages["train"], stages.get("preprocess") or Stage()
    for stage, entries in (("preprocess", prepared.get("outs")), ("train", train.get("deps"))):
        for entry in entries or []:
            yield _entry(stage, entry, tree / entry["path"])
    for entry in train["outs"]:
        file = project / entry["path"]
        # Another file than the recorded one is found elsewhere, and is not the lock's fault.
        if file.exists() and sha256(file) == recorded.get(entry["path"]):
            yield _entry("train", entry, file)


def _entry(stage: str, entry: Locked, place: Path) -> str:
    # A folder of code may have held files that git does not know, which change nothing.
    if not place.exists() or (place.is_dir() and "src" in place.parts):
        return ""
    known, now = str(entry.get("md5")), md5(place)
    if now == known:
        return ""
    return f"stage {stage}, {entry['path']}: dvc.lock has {known[:12]}, the run {now[:12]}"


def md5(place: Path) -> str:
    """As DVC computes it: of a folder over the sorted list of its files with their own."""
    if place.is_file():
        with place.open("rb") as opened:
            return hashlib.file_digest(opened, "md5").hexdigest()
    files: list[dict[str, str]] = [
        {"md5": md5(file), "relpath": file.relative_to(place).as_posix()}
        for file in files_at(place)
    ]
    files.sort(key=lambda one: one["relpath"])
    listed = json.dumps(files, sort_keys=True).encode()
    return hashlib.md5(listed, usedforsecurity=False).hexdigest() + ".dir"
