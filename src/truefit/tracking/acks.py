"""What the store has taken of a journal: noted beside it, so that sending goes on from there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from truefit.core.trees import fields_of


@dataclass(frozen=True)
class Ack:
    """One line of the notes: how far the journal is sent, a study's winner, or a run's id."""

    offset: int | None = None  # bytes of the journal that are sent
    winner: Mapping[str, int] = field(default_factory=dict)  # the slot that won, by study's run
    run: str = ""  # the journal's name; with `id` and `tries`
    id: str = ""  # MLflow's
    tries: int = 0  # which attempt it is


@dataclass(frozen=True)
class Acks:
    """The notes of one journal, of the store at `uri`."""

    path: Path
    uri: str

    def exist(self) -> bool:
        """Whether an earlier attempt has begun."""
        return self.path.exists()

    def read(self) -> Iterator[Ack]:
        """What earlier attempts have noted of this store; other lines are left out."""
        to = ""
        for line in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                told = json.loads(line)
            except ValueError:  # torn
                continue
            if not isinstance(told, dict):
                continue
            to = told.pop("uri", to)
            if to == self.uri and ("run" not in told or {"id", "tries"} <= {*told}):
                yield Ack(**fields_of(Ack, told))

    def begin(self) -> None:
        """What follows is of this store."""
        self._note(uri=self.uri)

    def made(self, run: str, id: str, tries: int) -> None:  # noqa: A002 - MLflow's word
        """MLflow has the run as `id`."""
        self._note(run=run, id=id, tries=tries)

    def won(self, study: str, slot: int) -> None:
        """The slot is the study's winner."""
        self._note(winner={study: slot})

    def sent(self, offset: int) -> None:
        """The journal is sent up to this byte."""
        self._note(offset=offset)

    def forget(self) -> None:
        """The next attempt sends everything."""
        self.path.write_text("")

    def _note(self, **told: object) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(told) + "\n")
