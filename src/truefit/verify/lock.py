"""Whether dvc.lock says of a run what the run says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from truefit.config import Tree, read_yaml
from truefit.errors import UserError
from truefit.inputs import files_at, sha256
from truefit.trees import flatten, get
from truefit.verify.verdict import Check


def lock(project: Path, tree: Path, config: Tree, recorded: dict[str, str]) -> Check:
    """What dvc.lock has of the train stage, and of what the preprocess stage made.

    Args:
        project: the project that holds the run.
        tree: the run's code and data, made again.
        config: the composed configuration.
        recorded: SHA-256 of the files that the evaluate stage read.
    """
    try:
        # As DVC reads it: 1e-05 is a number, which PyYAML calls text.
        stages = read_yaml(project / "dvc.lock")["stages"]
    except (UserError, KeyError, TypeError):
        return Check("dvc.lock", note="the project has no dvc.lock that can be read")

    def found() -> Iterator[str]:
        for stage, kind in (("preprocess", "outs"), ("train", "deps")):
            for entry in (stages.get(stage) or {}).get(kind) or []:
                yield _entry(stage, entry, tree / entry["path"])
        for entry in (stages.get("train") or {}).get("outs") or []:
            file = project / entry["path"]
            # Another file than the recorded one is found elsewhere, and is not the lock's fault.
            if file.exists() and sha256(file) == recorded.get(entry["path"]):
                yield _entry("train", entry, file)
        params = (stages.get("train") or {}).get("params") or {}
        for key, value in flatten(params.get("resolved.yaml") or {}).items():
            if (now := get(config, key)) != value and not isinstance(now, dict):
                yield f"stage train, {key}: dvc.lock has {value}, the run {now}"

    return Check("dvc.lock", next(filter(None, found()), ""))


def _entry(stage: str, entry: Tree, place: Path) -> str:
    # A folder of code may have held files that git does not know, which change nothing.
    if not place.exists() or "md5" not in entry or (place.is_dir() and "src" in place.parts):
        return ""
    now = md5(place)
    if now == entry["md5"]:
        return ""
    return f"stage {stage}, {entry['path']}: dvc.lock has {entry['md5'][:12]}, the run {now[:12]}"


def md5(place: Path) -> str:
    """As DVC computes it: of a folder over the sorted list of its files with their own."""
    if place.is_file():
        with place.open("rb") as opened:
            return hashlib.file_digest(opened, "md5").hexdigest()
    files: list[dict[str, Any]] = [
        {"md5": md5(file), "relpath": file.relative_to(place).as_posix()}
        for file in files_at(place)
    ]
    files.sort(key=lambda one: str(one["relpath"]))
    listed = json.dumps(files, sort_keys=True).encode()
    return hashlib.md5(listed, usedforsecurity=False).hexdigest() + ".dir"
