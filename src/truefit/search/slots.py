"""A slot is one place in a study; it is filled once, by one trial, in one of the ending classes."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

from truefit.config import Tree
from truefit.trainer import Ending


@dataclass(frozen=True)
class Slot:
    """What a filled slot holds; `result` is empty unless `state` is `complete`."""

    slot: int
    state: str
    reason: str
    params: Tree
    result: Tree
    history: list[Tree]
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether it has a result to compare."""
        return self.state == "complete"

    @property
    def value(self) -> float:
        """The validation loss at the restored weights."""
        return float(self.result["best_val_loss"])

    @property
    def gap(self) -> float:
        """Validation loss minus training loss, both at the restored weights."""
        return float(self.result["gap"])


def derive_seed(seed: int, slot: int, repeat: int = 0) -> int:
    """The seed of one training: the same for the same (seed, slot, repeat) on every machine."""
    text = f"{seed}/{slot}/{repeat}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def filled(study: optuna.Study, n_trials: int) -> dict[int, Slot]:
    """The filled slots below `n_trials` by number; a killed trial filled none."""
    stored = [t.user_attrs.get("slot") for t in study.get_trials(deepcopy=False)]
    slots = [Slot(**values) for values in stored if values is not None]
    return {slot.slot: slot for slot in slots if slot.slot < n_trials}


def tell(
    study: optuna.Study,
    trial: optuna.Trial | None,
    distributions: dict[str, Any],
    number: int,
    params: Tree,
    ending: Ending,
) -> Slot:
    """Fill slot `number` in Optuna's storage; `trial=None` for values it did not suggest."""
    slot = Slot(slot=number, params=params, **asdict(ending))
    state = TrialState.COMPLETE if slot.complete else TrialState.FAIL
    value = slot.value if slot.complete else None
    if trial is not None:
        trial.set_user_attr("slot", asdict(slot))
        study.tell(trial, value, state=state)
        return slot
    study.add_trial(
        optuna.trial.create_trial(
            state=state,
            value=value,
            params=params,
            distributions=distributions,
            user_attrs={"slot": asdict(slot)},
        )
    )
    return slot
