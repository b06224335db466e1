"""Copies of files that were sent: found again by the digests that the journal keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from truefit.core.files import replacing
from truefit.core.inputs import sha256
from truefit.tracking import events
from truefit.tracking.journal import DESCRIPTION, attachments, read

FEW = 3  # files that a line names


@dataclass(frozen=True)
class Folders:
    """Folders of the project in which files that were sent may still lie."""

    places: tuple[Path, ...]
    _named: dict[str, list[Path]] = field(default_factory=dict)
    _digests: dict[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Iterable[Path]) -> Folders:
        """Those of `places` that exist, searched by the names of their files."""
        made = cls(tuple(place for place in places if place.is_dir()))
        for file in (file for place in made.places for file in sorted(place.rglob("*"))):
            if file.is_file():
                made._named.setdefault(file.name, []).append(file)
        return made

    def find(self, name: str, digest: str) -> Path | None:
        """The file of that name and SHA-256, if one of the folders has it."""
        for file in self._named.get(name, []):
            if file not in self._digests:
                self._digests[file] = sha256(file)
            if self._digests[file] == digest:
                return file
        return None


def bring_back(journal: Path, again: Path, folders: Folders) -> None:
    """Lay copies where `again` will lie, for each event of `journal` whose files are all here."""
    for event, _ in read(journal):
        if not isinstance(event, events.Kept) or not event.files:
            continue
        found = {
            name: folders.find(Path(name).name, digest) for name, digest in event.files.items()
        }
        target = (attachments(again) / event.kept).parent
        for name, source in _all_or_none(found):
            with replacing(target / name) as building:
                shutil.copyfile(source, building)


def _all_or_none(found: dict[str, Path | None]) -> Iterator[tuple[str, Path]]:
    """Each file with its source, and the description of the model that they belong to."""
    sources = [(name, file) for name, file in found.items() if file]
    if len(sources) < len(found):
        return
    yield from sources
    for name, file in sources:
        top, _, inner = name.partition("/")
        described = file.parents[len(Path(inner).parts) - 1] / DESCRIPTION if inner else file
        if described.name == DESCRIPTION and described.exists():
            yield f"{top}/{DESCRIPTION}", described
            return


def left_out(gone: list[str]) -> str:
    """Say which files MLflow does not get, and how to bring them back."""
    more = ", ..." if len(gone) > FEW else ""
    return (
        f"note: {len(gone)} files or folders are left out, because outputs/ no longer holds "
        f"them: {', '.join(gone[:FEW])}{more}. `git checkout` of a run's commit and `dvc checkout` "
        "bring its outputs back; then `truefit sync --all`"
    )
