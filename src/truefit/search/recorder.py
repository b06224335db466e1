"""What the tracker is told of a study's trials and finalists."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from truefit.config.overrides import as_overrides
from truefit.core.resolved import Params
from truefit.core.results import Logs
from truefit.search import objective
from truefit.search.board import short
from truefit.search.slots import Slot
from truefit.tracking.describe import at_best, describe
from truefit.tracking.events import Dataset
from truefit.tracking.provenance import how_to_repeat
from truefit.tracking.tracker import Tracker
from truefit.training.seeds import finalist_seed, training_seed

if TYPE_CHECKING:
    from truefit.config.schema import Search

Key = int | tuple[int, int]  # a slot, or a finalist's slot and repeat


@dataclass
class Recorder:
    """Trials and finalists as runs below the study's."""

    tracker: Tracker
    run: str  # the study's, as the journal names it
    study: str
    search: Search
    dataset: Dataset | None
    device: str
    seed: int
    _runs: dict[Key, str] = field(default_factory=dict)

    def begin(
        self,
        key: Key,
        params: Params,
        *,
        if_missing: bool = False,
        taken_over: bool = False,
        t: int = 0,
    ) -> None:
        """A training begins, or began at `t`, in milliseconds since 1970; see `events.Start`."""
        slot, repeat = key if isinstance(key, tuple) else (key, 0)
        # The optimizer's first: the learning rate tells most.
        leading = sorted(params, key=lambda name: not name.startswith("optimizer."))[:2]
        first = short({name: params[name] for name in leading})
        tags: dict[str, str | float] = {
            "truefit.study": self.study,
            "truefit.slot": slot,
            "device": self.device,
        }
        if md5 := self.dataset.source.get("md5") if self.dataset else None:
            tags["dvc.data.md5"] = md5  # a worker that DVC has not started knows it by the study
        own = finalist_seed(self.seed, repeat) if repeat else training_seed(self.seed, slot)
        tags["seed"] = own
        if repeat:
            tags["truefit.repeat"] = repeat
        self._runs[key] = self.tracker.start(
            "finalist" if repeat else "trial",
            f"f{slot:04d} seed {repeat}" if repeat else f"t{slot:04d} {first}",
            tags=tags,
            params=params,
            dataset=self.dataset,
            study=self.run,
            key=f"{slot}/{repeat}" if repeat else str(slot),
            if_missing=if_missing,
            taken_over=taken_over,
            t=t,
        )

    def drop(self, key: Key) -> None:
        """A training is another worker's now, whose record counts."""
        self.tracker.end(self._runs.pop(key), "stopped", "another worker has taken its slot over")

    def again(self, key: Key) -> None:
        """A training is tried again from its beginning; the test of a worker is not on record."""
        if run := self._runs.get(key):
            self.tracker.again(run)

    def epoch(self, key: Key, step: int, logs: Logs) -> None:
        """Values after an epoch."""
        self.tracker.epoch(self._runs[key], step, logs)

    def model(self, key: Key, file: Path) -> None:
        """A training's model, as Keras has saved it."""
        self.tracker.file(self._runs[key], file, "model")

    def sample(self, key: Key, values: dict[str, float]) -> None:
        """What a long training takes of the machine."""
        if run := self._runs.get(key):
            self.tracker.sample(run, values)

    def end(self, key: Key, slot: Slot, history: list[Logs]) -> None:
        """A training has ended; its values at the best epoch get keys of their own."""
        run = self._runs.pop(key)
        verdict = {"truefit.verdict": "diverged"} if slot.state == "diverged" else {}
        self.tracker.log(run, tags={"mlflow.note.content": self._describe(slot), **verdict})
        metrics = {**at_best(slot.result, history), "seconds": slot.seconds}
        if slot.value is not None:
            metrics["value"] = slot.value
        has_result = slot.value is not None
        self.tracker.end(run, slot.state, slot.reason, metrics, has_result=has_result)

    def record(self, key: Key, slot: Slot, history: list[Logs]) -> None:
        """A training of an earlier process, in case that MLflow does not have it."""
        began = self.tracker.now() - int(slot.seconds * 1000)
        self.begin(key, slot.params, if_missing=True, t=began)
        for logs in history:
            values = {name: value for name, value in logs.items() if name != "epoch"}
            self.epoch(key, int(logs["epoch"]), values)
        self.end(key, slot, history)

    def _describe(self, slot: Slot) -> str:
        overrides = as_overrides({"search.n_trials": 0, **slot.params})
        excess = objective.excess(self.search, slot.result) if slot.result else None
        return (
            describe(slot.state, slot.reason, slot.result, excess)
            + f"\n\nSlot {slot.slot} of {self.study}. These parameters once more:\n\n"
            + how_to_repeat(overrides, "the study's run")
        )
