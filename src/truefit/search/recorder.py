"""Sends finished trials to MLflow beside the search, so that no training waits for a tracker."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from truefit.config import Tree
from truefit.search.board import short
from truefit.search.slots import Slot
from truefit.tracking.runs import Tracker, attempt, run_key

Entry = tuple[str, Slot, list[Tree], int]


@dataclass
class Recorder:
    """A thread that records; the study holds every trial, whatever MLflow says."""

    tracker: Tracker
    study: str
    run_id: str
    recorded: set[str]
    say: Callable[[str], None]
    missing: set[str] = field(default_factory=set)
    _entries: queue.SimpleQueue[Entry | None] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None

    def record(self, slot: Slot, history: list[Tree], repeat: int = 0) -> None:
        """Send a trial that MLflow does not have; `repeat` is above 0 for a finalist."""
        key = run_key(slot.slot, repeat)
        if key in self.recorded:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            self._thread.start()
        self.recorded.add(key)
        self._entries.put((key, slot, history, repeat))

    def close(self) -> None:
        """Wait until everything is sent, or is in `missing`."""
        if self._thread is not None:
            self._entries.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (entry := self._entries.get()) is not None:
            key = entry[0]
            problem = attempt(lambda e=entry: self._send(*e[1:]))  # type: ignore[misc]
            if problem:
                self.recorded.discard(key)
                self.missing.add(key)
                self.say(f"note: MLflow did not take slot {key}: {problem}")

    def _send(self, slot: Slot, history: list[Tree], repeat: int) -> None:
        first = short(dict(list(slot.params.items())[:3]))
        tags: Tree = {"truefit.study": self.study, "truefit.slot": slot.slot}
        if repeat:
            tags |= {"truefit.kind": "finalist", "truefit.repeat": repeat}
        name = f"f{slot.slot:04d} seed {repeat}" if repeat else f"t{slot.slot:04d} {first}"
        self.tracker.trial(self.run_id, name, slot, history, tags)
