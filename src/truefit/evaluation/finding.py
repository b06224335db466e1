"""verdict.json: the verdict on a training, and what to do after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from truefit.core.files import read_record, write_json
from truefit.core.trees import fields_of

if TYPE_CHECKING:  # `truefit show` reads the file without what advice needs
    from truefit.core.words import VerdictName
    from truefit.evaluation.advice import Advice


@dataclass(frozen=True)
class Verdict:
    """A class of training, and the evidence for it in one sentence; `cause` is a rule's name.

    `subject` is the column or the yardstick that the evidence is about.
    """

    name: VerdictName
    evidence: str
    cause: str
    subject: str = ""


@dataclass(frozen=True)
class Judgement:
    """What verdict.json holds; texts that an earlier version did not write are empty.

    `name`, `evidence`, `cause` and `subject` are the verdict's, `next` is the command that makes a
    better model, `remark` what is said where none does.
    """

    evidence: str
    next: str
    name: str = ""
    cause: str = ""
    subject: str = ""
    remark: str = ""

    @classmethod
    def of(cls, verdict: Verdict, advice: Advice) -> Self:
        """The verdict with the advice on it."""
        return cls(
            evidence=verdict.evidence,
            next=advice.command,
            name=verdict.name,
            cause=verdict.cause,
            subject=verdict.subject,
            remark=advice.remark,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """What the evaluate stage wrote to `path`.

        Raises:
            UserError: it is not there, or holds something else.
        """
        return read_record(path, lambda found: cls(**fields_of(cls, found)))

    def write(self, path: Path) -> None:
        """Write verdict.json to `path`."""
        write_json(path, vars(self))
