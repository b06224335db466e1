"""The best trials again, each over several seeds: a trial that won was also lucky."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from truefit.child import Ending, Job
from truefit.config import Tree, override
from truefit.paths import PREPARED
from truefit.search import objective
from truefit.search.board import Board
from truefit.search.loop import stop_if_data_are_gone
from truefit.search.pool import Pool
from truefit.search.recorder import Recorder
from truefit.search.slots import Slot, filled, finalist_seed, pack, unpack
from truefit.search.storage import Study
from truefit.search.winner import Candidate
from truefit.student import spread

Key = tuple[int, int]  # slot and repeat


@dataclass(frozen=True)
class Finalist:
    """A trial's parameters over several seeds; `low` and `high` bound the mean value at 95 %."""

    slot: int
    values: list[float]
    gaps: list[float]
    mean: float
    deviation: float
    val_loss: float
    low: float
    high: float
    gap: float
    parameters: int


@dataclass
class Contest:
    """Trains the finalists that the study has not trained yet."""

    config: Tree
    study: Study
    pool: Pool[Any]
    board: Board
    recorder: Recorder
    folds: np.ndarray | None = None
    models: Path | None = None  # a folder for models on their way to MLflow

    def run(self, chosen: list[Slot]) -> dict[Key, Slot]:
        """Every training of the chosen slots by slot and repeat (from 1)."""
        params = {slot.slot: slot.params for slot in chosen}
        repeats = range(1, self.config["search"]["finalists"]["seeds"] + 1)
        keys = [(slot, repeat) for slot in params for repeat in repeats]
        stored = {tuple(t.user_attrs["finalist"]): t for t in self.study.trials()}
        done: dict[Key, Slot] = {}
        for key in keys:
            trial = stored.get(key)
            if trial is not None and "record" in trial.user_attrs:
                done[key], history, _ = unpack(trial.user_attrs)
                self.recorder.record(key, done[key], history)
                self.board.taken_over(done[key])
        waiting = [key for key in keys if key not in done]
        trials: dict[Key, int] = {}
        try:
            while len(done) < len(keys):
                while self.pool.free and waiting:
                    key = waiting.pop(0)
                    trials[key] = self._begin(key, params[key[0]], stored.get(key))
                for key, _, event in self.pool.wait():
                    if isinstance(event, Ending):
                        done[key] = self._end(key, trials[key], params[key[0]], event)
                        del trials[key]
                    else:
                        self.recorder.epoch(key, event["epoch"], event["logs"])
                        self.board.epoch(key, event["epoch"], event["logs"])
        finally:
            self.study.suspend()
        return done

    def _begin(self, key: Key, params: Tree, stored: Any) -> int:
        _, repeat = key
        if stored is None:
            trial = self.study.begin({"finalist": list(key)}, {}, {})
        else:
            trial = stored._trial_id  # noqa: SLF001 - the storage's own handle
            self.study.resume(trial)
        seed = finalist_seed(self.config["seed"], repeat)
        config = override(self.config, params)
        job = Job(config, PREPARED, seed, self._model_of(key), folds=self.folds)
        self.pool.start(key, job)
        self.recorder.begin(key, params)
        self.board.begin(key, params)
        return trial

    def _end(self, key: Key, trial: int, params: Tree, ending: Ending) -> Slot:
        stop_if_data_are_gone(ending)
        slot = filled(self.config["search"], key[0], params, ending)
        if slot.complete and (model := self._model_of(key)):
            self.recorder.model(key, model)
        self.recorder.end(key, slot, ending.history)
        self.board.end(slot, key)
        if ending.bad_luck:  # no fault of the parameters: another run may try again
            return slot
        values = objective.values(self.config["search"], slot.result) if slot.result else None
        self.study.finish(trial, slot.state, values, pack(slot, ending.history, {}), None)
        return slot

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
        if not all(run.complete for run in runs):
            continue
        values = [float(run.value) for run in runs if run.value is not None]
        gaps = [float(run.result["gap"]) for run in runs]
        mean, deviation, half = spread(values)
        finalists.append(
            Finalist(
                number,
                values,
                gaps,
                mean,
                deviation,
                fmean(float(run.result["best_val_loss"]) for run in runs),
                mean - half,
                mean + half,
                fmean(gaps),
                runs[0].result["parameters"],
            )
        )
    return finalists


@dataclass(frozen=True)
class Comparison:
    """A finalist's values less the winner's in pairs of equal seeds, by Student's paired test.

    `low` and `high` bound the mean at 95 %; `p` is how probable so large a one is between equals.
    """

    slot: int
    difference: float
    low: float
    high: float
    p: float


def compare(finalists: Iterable[Finalist], winner: int) -> list[Comparison]:
    """Every other finalist against the winner."""
    from scipy.special import stdtr  # noqa: PLC0415 - only a search that ends needs it

    by_slot = {finalist.slot: finalist for finalist in finalists}
    if winner not in by_slot:
        return []
    best, found = by_slot.pop(winner), []
    for other in by_slot.values():
        pairs = [a - b for a, b in zip(other.values, best.values, strict=True)]
        mean, deviation, half = spread(pairs)
        error = deviation / len(pairs) ** 0.5
        p = 2 * float(stdtr(len(pairs) - 1, -abs(mean) / error)) if error else float(mean == 0)
        found.append(Comparison(other.slot, mean, mean - half, mean + half, p))
    return found


def candidates(finalists: Iterable[Finalist]) -> list[Candidate]:
    """The finalists by their means."""
    return [Candidate(f.slot, f.mean, f.gap, f.parameters) for f in finalists]
