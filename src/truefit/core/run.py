"""run.json: the training whose model lies beside it, and where that training is on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from truefit.core.errors import UserError
from truefit.core.files import read_record, write_json
from truefit.core.resolved import Params
from truefit.core.results import Result
from truefit.core.trees import fields_of

BESIDE = ("result", "tells_constant")  # fields that are no keys of the file


@dataclass(frozen=True, kw_only=True)
class Run:
    """What run.json holds; what an earlier version did not write is empty.

    `tells_constant` is false where that version did not tell the constant answer's loss, which is
    then `None` in the result and may exist.
    """

    result: Result  # its values stand in the file beside the other keys
    tells_constant: bool = True
    state: str = ""  # complete, or timed_out
    reason: str = ""
    epochs: int = 0
    run: str = ""  # the journal's name for it
    run_id: str | None = None  # MLflow's; `None` until it is sent
    experiment_id: str | None = None
    seed: int = 0
    params: Params = field(default_factory=dict)  # the winner's
    repeat: str = ""  # the commands that run it again

    @property
    def has_own_loss(self) -> bool:
        """Whether no constant answer has the loss that the model learned by."""
        return self.tells_constant and self.result.constant_loss is None

    @classmethod
    def read(cls, path: Path) -> Self:
        """What the train stage wrote to `path`.

        Raises:
            UserError: it is not there, or holds something else.
        """
        return read_record(path, cls.from_json, "run", "run_id", "params")

    @classmethod
    def find(cls, path: Path) -> Self | None:
        """What the train stage wrote to `path`; `None` if nothing is there that can be read."""
        try:
            return cls.read(path)
        except UserError:
            return None

    @classmethod
    def from_json(cls, tree: Mapping[str, object]) -> Self:
        """The record of the file's values, which an earlier version may have written."""
        own = {"result": Result.from_json(tree), "tells_constant": "constant_loss" in tree}
        return cls(**fields_of(cls, tree) | own)

    def write(self, path: Path) -> None:
        """Write run.json to `path`."""
        kept = {name: value for name, value in vars(self).items() if name not in BESIDE}
        write_json(path, {**self.result.to_json(), **kept})
