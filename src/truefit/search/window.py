"""What a suggestion and a pruner may see, so that a study does not depend on timing.

The suggestion for slot k uses the results of slots 0 .. k-W and, as pending, the parameters of
slots k-W+1 .. k-1. Up to W trainings run side by side, and for any number of them, in any order
of their ends, the study comes out the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import datetime

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from truefit.core.resolved import Params, Scalar
from truefit.search.space import Space

Notes = dict[str, object]  # what a pruner keeps of a trial, by names of its own
Sampler = optuna.samplers.BaseSampler
Distribution = FloatDistribution | IntDistribution | CategoricalDistribution


@dataclass(frozen=True)
class Outcome:
    """A slot's result as the sampler sees it; `steps` are objective values from epoch 1 on."""

    state: TrialState
    values: list[float] | None = None
    steps: list[float] = field(default_factory=list)
    excess: float | None = None
    notes: Notes = field(default_factory=dict)


class Window:
    """A study in memory whose trials are slots, suggested in order and told in order."""

    def __init__(
        self,
        name: str,
        objectives: int,
        width: int,
        space: Space,
        sampler: Callable[[int], Sampler],
        pruner: optuna.pruners.BasePruner | None,
    ) -> None:
        """`sampler` gives the one for each slot; `name` decides Hyperband's brackets."""
        self._width, self._space, self._sampler = width, space, sampler
        self._distributions = {key: p.range.distribution() for key, p in space.items()}
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it speaks of each study and trial
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=name,
            directions=["minimize"] * objectives,
            pruner=pruner or optuna.pruners.NopPruner(),
        )
        self._outcomes: dict[int, Outcome] = {}
        self._suggested = self._told = 0
        # Hyperband makes its brackets at the first call; the first suggestion needs them.
        self._study.pruner.prune(self._study, _frozen(0, {}, {}))

    @property
    def next_slot(self) -> int:
        """The first slot that has no suggestion yet."""
        return self._suggested

    @property
    def is_ready(self) -> bool:
        """Whether everything that the next suggestion may use is there."""
        needed = self._suggested - self._width + 1
        return all(slot in self._outcomes for slot in range(self._told, needed))

    def suggest(self) -> Params:
        """Parameters for the next slot, by dotted key; needs `is_ready`."""
        self._tell()
        self._study.sampler = self._sampler(self._suggested)
        trial = self._study.ask()
        params: Params = {}
        for key, parameter in self._space.items():
            if parameter.is_active(params):
                params[key] = _suggest(trial, key, self._distributions[key])
        self._suggested += 1
        return params

    def put(self, params: Params) -> None:
        """Give the next slot these parameters; needs `is_ready`."""
        self._tell()
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=self.distributions(params),
            system_attrs={"fixed_params": params},
        )
        self._storage.create_new_trial(self._study._study_id, trial)  # noqa: SLF001 - no public way
        self._suggested += 1

    def distributions(self, params: Params) -> dict[str, BaseDistribution]:
        """Optuna's distributions of the parameters that a trial has."""
        return {key: self._distributions[key] for key in params}

    def settle(self, slot: int, outcome: Outcome) -> None:
        """The slot's result; suggestions use it when its turn comes."""
        self._outcomes[slot] = outcome

    def forget(self, slot: int) -> None:
        """The slot has no result after all; no suggestion has used it yet."""
        self._outcomes.pop(slot, None)

    def judge(self, slot: int, *, means: bool = False) -> Judge | None:
        """What decides on pruning a slot that has its suggestion; `None` if nothing is pruned.

        `means` says that a step's value is the mean of all up to it, as over folds.
        """
        if isinstance(self._study.pruner, optuna.pruners.NopPruner):
            return None
        known = max(0, slot - self._width + 1)
        past = self._study.get_trials(deepcopy=False)[:known]
        return Judge(self._study.pruner, self._study.study_name, slot, past, means=means)

    def _tell(self) -> None:
        """Up to the last result that the next suggestion may use."""
        for slot in range(self._told, self._suggested - self._width + 1):
            outcome = self._outcomes.pop(slot)
            for step, value in enumerate(outcome.steps, start=1):
                self._storage.set_trial_intermediate_value(slot, step, value)
            constraints = {} if outcome.excess is None else {"gap": outcome.excess}
            constrained = optuna.trial.create_trial(
                state=TrialState.FAIL, constraints=constraints, system_attrs=dict(outcome.notes)
            )
            for key, value in constrained.system_attrs.items():
                self._storage.set_trial_system_attr(slot, key, value)
            # Not `tell`, which would hand the trial to the sampler: it only checks for ends there,
            # and the grid's would stop an `optimize` that does not run.
            self._storage.set_trial_state_values(slot, outcome.state, outcome.values)
            self._told = slot + 1


class Judge:
    """One slot's pruning: it sees the window of its suggestion, and its own epochs."""

    def __init__(
        self,
        pruner: optuna.pruners.BasePruner,
        name: str,
        slot: int,
        past: list[FrozenTrial],
        *,
        means: bool = False,
    ) -> None:
        """`past` are the trials that the slot's suggestion has seen the results of."""
        self._means = means
        self._storage = _Past(name, past)
        own = copy.deepcopy(pruner)  # some note what they saw first, which timing decides
        self._study = optuna.load_study(study_name=name, storage=self._storage, pruner=own)
        self._slot = slot
        self.steps: dict[int, float] = {}

    @property
    def notes(self) -> Notes:
        """What the pruner keeps of the slot for later ones, such as its rungs."""
        return dict(self._storage.notes)

    def prunes(self, step: int, value: float) -> bool:
        """Whether the slot ends after epoch `step` with objective `value`."""
        if step == 1:  # a retry starts again
            self.steps.clear()
            self._storage.notes.clear()
        self.steps[step] = value
        # Pruners look at the best step so far. Of means the last one counts, not the luckiest.
        shown = {step: value} if self._means else dict(self.steps)
        trial = _frozen(self._slot, shown, self.notes)
        return self._study.pruner.prune(self._study, trial)


class _Past(optuna.storages.InMemoryStorage):
    """A storage that shows given trials; what a pruner notes of its own trial stays apart."""

    def __init__(self, name: str, trials: list[FrozenTrial]) -> None:
        super().__init__()
        self.create_new_study([StudyDirection.MINIMIZE], name)
        self._shown = trials
        self.notes: Notes = {}

    def get_all_trials(
        self,
        study_id: int,  # noqa: ARG002 - there is one
        deepcopy: bool = True,  # noqa: ARG002 - nobody writes to them
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        return [trial for trial in self._shown if states is None or trial.state in states]

    def set_trial_system_attr(self, trial_id: int, key: str, value: object) -> None:  # noqa: ARG002
        self.notes[key] = value


def _frozen(slot: int, steps: dict[int, float], notes: Notes) -> FrozenTrial:
    return FrozenTrial(
        number=slot,
        trial_id=slot,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.now(),  # noqa: DTZ005 - as Optuna does; no pruner reads it
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs=notes,
        intermediate_values=steps,
    )


def _suggest(trial: optuna.Trial, key: str, distribution: Distribution) -> Scalar:
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(key, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(key, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(key, choices)
