"""What a stage reads, hashed before it begins and looked at again when it has ended.

DVC hashes a stage's dependencies after its command (treeverse/dvc#11058), so an edit while it runs
is recorded as what it ran on. Here the record is of what was there first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from truefit.core.paths import input_path
from truefit.core.resolved import read_yaml

RUN = "outputs/train/run.json"
Stamp = tuple[int, int, int]  # size, time of change, inode


@dataclass(frozen=True)
class Inputs:
    """A stage's dependencies as they were: SHA-256 by path."""

    files: dict[str, str]
    _places: tuple[Path, ...]
    _stamps: dict[str, Stamp]

    @classmethod
    def of(cls, stage: str) -> Inputs:
        """The files that dvc.yaml names as the stage's dependencies, and those in its folders."""
        return cls.at(*_dependencies(stage))

    @classmethod
    def at(cls, *places: Path) -> Inputs:
        """The files at these places, and those below them; what is not there is left out."""
        files = [file for place in places for file in files_at(place)]
        stamps = {file.as_posix(): _stamp(file) for file in files}
        return cls({name: sha256(Path(name)) for name in stamps}, places, stamps)

    def changed(self) -> list[str]:
        """Those that are gone, new, or hold something else by now."""
        now = {file.as_posix() for place in self._places for file in files_at(place)}
        other = [name for name in self.files if not self._is_same(Path(name))]
        return [*other, *sorted(now - {*self.files})]

    def _is_same(self, file: Path) -> bool:
        if not file.exists():
            return False
        # Nothing sets back the time of change, so equal stamps spare the reading.
        return (
            _stamp(file) == self._stamps[file.as_posix()]
            or sha256(file) == self.files[file.as_posix()]
        )

    def digest(self) -> str:
        """One SHA-256 over all names and contents."""
        return digest_of(self.files)


def digest_of(files: dict[str, str]) -> str:
    """One SHA-256 over names and the digests of what they hold."""
    lines = [f"{digest} {name}\n" for name, digest in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256(file: Path) -> str:
    """The digest of a file's bytes, however large."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def files_at(place: Path) -> Iterator[Path]:
    """A file, or those below a folder in order; hidden ones and Python's own caches are none."""
    if place.is_dir():
        for file in sorted(place.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(place).parts)
            if file.is_file() and not hidden and "__pycache__" not in file.parts:
                yield file
    elif place.exists():
        yield place


def _dependencies(stage: str) -> list[Path]:
    """As DVC reads them, `${path}` being the line of params.yaml."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    own_data = str((read_yaml(Path("params.yaml")) or {}).get("path") or "")
    named = list(stages[stage]["deps"])
    if RUN in named:  # it stands for what `train` depends on, which the stage reads too
        named += [name for name in stages["train"]["deps"] if name not in named]
    return [input_path(name.replace("${path}", own_data)) for name in named]


def _stamp(file: Path) -> Stamp:
    found = file.stat()
    return found.st_size, found.st_ctime_ns, found.st_ino
