"""The best trials again, each over several seeds: a trial that won was also lucky."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from truefit.core.paths import PREPARED
from truefit.core.resolved import Params, override
from truefit.core.student import CONFIDENCE, spread
from truefit.core.study import Finalist, PairedTest
from truefit.search import objective
from truefit.search.board import Board
from truefit.search.doubts import unfit
from truefit.search.loop import LONGEST, stop_if_data_are_gone
from truefit.search.recorder import Recorder
from truefit.search.slots import Slot, SlotRecord, filled
from truefit.search.storage.study import Study, by_finalist
from truefit.search.storage.trial import Begun, Trial
from truefit.search.storage.workers import Worker
from truefit.search.winner import Candidate
from truefit.training.process.child import Ending, Job
from truefit.training.process.pool import Pool, share_of
from truefit.training.seeds import finalist_seed

if TYPE_CHECKING:
    from truefit.config.schema import Config

Key = tuple[int, int]  # slot and repeat
TINY = 1e-12  # a deviation of pairs that is rounding


@dataclass
class Contest:
    """Trains the finalists that no worker has trained yet; the workers share them."""

    config: Config
    study: Study
    worker: Worker
    pool: Pool[Key]
    board: Board
    recorder: Recorder
    folds: np.ndarray | None = None
    models: Path | None = None  # a folder for models on their way to MLflow
    leads: bool = True
    tend: Callable[[int], None] = lambda _: None
    _params: dict[int, Params] = field(default_factory=dict)
    _keys: list[Key] = field(default_factory=list)
    _done: dict[Key, Slot] = field(default_factory=dict)
    _mine: dict[Key, int] = field(default_factory=dict)
    _elsewhere: dict[Key, Trial] = field(default_factory=dict)

    def run(self, chosen: list[Slot]) -> dict[Key, Slot]:
        """Every training of the chosen slots by slot and repeat (from 1)."""
        self._params = {slot.slot: slot.params for slot in chosen}
        repeats = range(1, self.config["search"]["finalists"]["n_seeds"] + 1)
        self._keys = [(slot, repeat) for slot in self._params for repeat in repeats]
        for key in self._catch_up():
            self.board.taken_over(self._done[key])
        try:
            while len(self._done) < len(self._keys):
                while self.pool.free and (claim := self.study.in_turn(self._claim)):
                    self._start(*claim)
                self._hear()
                for key, _, event in self.pool.wait(LONGEST):
                    if isinstance(event, Ending):
                        self._end(key, event)
                    else:
                        self.recorder.epoch(key, event.number, event.logs)
                        self.board.epoch(key, event.number, event.logs)
                if self.worker.sign():
                    self.tend(-1 - len(self._done))
            if self.leads:
                self._record_others()
        finally:
            self.study.give_back(self.worker.id)
        return self._done

    def _catch_up(self) -> list[Key]:
        """Finalists that others have trained since the last time."""
        stored = by_finalist(self.study.trials())
        found = []
        for key in self._keys:
            trial = stored.get(key)
            if key not in self._done and trial and trial.state.is_finished() and trial.record:
                self._done[key], self._elsewhere[key] = trial.record.slot, trial
                found.append(key)
        return found

    def _hear(self) -> None:
        for key in self._catch_up():
            if key in self._mine:
                self.pool.stop(key)
                del self._mine[key]
                self.recorder.drop(key)
                self.board.drop(key)
            self.board.elsewhere(self._done[key], key)

    def _claim(self, is_ours: Callable[[], object]) -> tuple[Key, int, bool] | None:
        stored = by_finalist(self.study.read())
        for key in self._keys:
            trial = stored.get(key)
            if key in self._done or key in self._mine:
                continue
            share, params = share_of(self.pool.free[0]), self._params[key[0]]
            begun = Begun(share, params, time.time())
            if trial is None:
                is_ours()
                made = self.study.begin(key, self.worker.id, begun, {})
                return key, made.id, False
            if not trial.state.is_finished() and self._is_free(trial):
                is_ours()
                if self.study.take(trial, self.worker.id, begun):
                    return key, trial.id, True
        return None

    def _is_free(self, trial: Trial) -> bool:
        waits = trial.state == TrialState.WAITING
        return waits or self.worker.is_gone(trial.owner)

    def _start(self, key: Key, trial: int, again: bool) -> None:
        params = self._params[key[0]]
        seed = finalist_seed(self.config["seed"], key[1])
        config = override(self.config, params)
        job = Job(config, PREPARED, seed, self._model_of(key), folds=self.folds)
        self._mine[key] = trial
        self.pool.start(key, job)
        self.recorder.begin(key, params, taken_over=again)
        self.board.begin(key, params)

    def _end(self, key: Key, ending: Ending) -> None:
        stop_if_data_are_gone(ending)
        if not ending.trained:  # in the search these parameters have
            raise unfit(ending, f"finalist {key[0]} seed {key[1]}")
        slot = filled(self.config["search"], key[0], self._params[key[0]], ending)
        if slot.can_win and (model := self._model_of(key)):
            self.recorder.model(key, model)
        self.recorder.end(key, slot, ending.history)
        self.board.end(slot, key)
        self._done[key] = slot
        if ending.bad_luck:  # no fault of the parameters: another worker may try again
            self.study.give_back(self.worker.id, [self._mine.pop(key)])
            return
        values = objective.values(self.config["search"], slot.result) if slot.result else None
        trial = self._mine.pop(key)
        self.study.finish(trial, SlotRecord(slot, ending.history), values, None)

    def _record_others(self) -> None:
        """The runs of workers who are gone, in case that MLflow does not have them."""
        self.study.drop_twins()
        for key, trial in self._elsewhere.items():
            if trial.record and self.worker.is_gone(trial.owner):
                self.recorder.record(key, trial.record.slot, trial.record.history)

    def _model_of(self, key: Key) -> Path | None:
        if self.models is None or self.folds is not None:
            return None
        folder = self.models / f"{key[0]}-{key[1]}"
        folder.mkdir(exist_ok=True)
        return folder / "model.keras"


def summarise(done: dict[Key, Slot]) -> list[Finalist]:
    """One record for each finalist all of whose trainings completed, in order of slots.

    The interval is Student's for the mean of few values (Student 1908).
    """
    finalists = []
    for number in sorted({slot for slot, _ in done}):
        runs = [slot for (name, _), slot in sorted(done.items()) if name == number]
        if not all(run.can_win for run in runs):
            continue
        values = [float(run.value) for run in runs if run.value is not None]
        gaps = [float(run.counted.gap) for run in runs]
        losses = [float(run.counted.best_val_loss) for run in runs]
        mean, deviation, half = spread(values)
        finalists.append(
            Finalist(
                number,
                values,
                losses,
                gaps,
                mean,
                deviation,
                fmean(losses),
                mean - half,
                mean + half,
                fmean(gaps),
                runs[0].counted.parameters,
                runs[0].constant_loss,
            )
        )
    return finalists


def compare(finalists: Iterable[Finalist], winner: int) -> list[PairedTest]:
    """Every other finalist against the winner."""
    by_slot = {finalist.slot: finalist for finalist in finalists}
    if winner not in by_slot:
        return []
    best = by_slot.pop(winner)
    return [_comparison(other, best) for other in by_slot.values()]


def _comparison(other: Finalist, best: Finalist) -> PairedTest:
    from scipy.stats import ttest_rel  # noqa: PLC0415 - only a search that ends needs it

    pairs = [a - b for a, b in zip(other.values, best.values, strict=True)]
    if stdev(pairs) < TINY:  # nothing varies, so there is nothing to test
        return PairedTest(other.slot, pairs[0], pairs[0], pairs[0], float(abs(pairs[0]) < TINY))
    test = ttest_rel(other.values, best.values)
    low, high = test.confidence_interval(CONFIDENCE)
    return PairedTest(other.slot, fmean(pairs), float(low), float(high), float(test.pvalue))


def candidates(finalists: Iterable[Finalist]) -> list[Candidate]:
    """The finalists by their means."""
    return [Candidate(f.slot, f.mean, f.gap, f.parameters, f.constant) for f in finalists]
