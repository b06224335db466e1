"""What a person sees of a search: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from truefit.core.resolved import Params
from truefit.core.results import Logs
from truefit.search.slots import Slot
from truefit.tracking.progress import Shown, clock, losses

EVERY = 10.0  # seconds between two plain lines about trainings that take long


@dataclass
class Row:
    """A training under way."""

    params: Params
    epoch: int = 0
    logs: Logs | None = None


class Board(Shown):
    """The trainings under way, the best so far, and how long the rest will take."""

    def __init__(
        self,
        trials: int,
        epochs: int,
        workers: int,
        *,
        noun: str = "trial",
        unit: str = "epoch",
        then: int = 0,
    ) -> None:
        """`trials` of at most `epochs` each (or as many folds), `workers` of them side by side.

        `then` is how many trainings to the end follow, such as the finalists'.
        """
        self._then, self._whole = then, (0, 0.0)
        self._unit = unit
        console = Console(highlight=False)
        self._trials, self._epochs, self.workers, self._noun = trials, epochs, workers, noun
        self._rows: dict[object, Row] = {}
        self._ended: deque[tuple[str, Slot]] = deque(maxlen=3)
        self._best: Slot | None = None
        self._done, self._spent, self._taken_over = 0, 0.0, 0
        live = Live(
            console=console,
            get_renderable=self._table,
            refresh_per_second=4,
            transient=True,
            auto_refresh=console.is_terminal,
        )
        super().__init__(console, live, EVERY)

    def begin(self, key: object, params: Params) -> None:
        """A training starts."""
        self._rows[key] = Row(params)

    def epoch(self, key: object, number: int, logs: Logs) -> None:
        """An epoch of a training under way has ended."""
        row = self._rows[key]
        row.epoch, row.logs = number, logs
        if self._is_due():
            place = f"{self._unit} {number}/{self._epochs}"
            self.say(f"  {self._noun} {_name(key)}: {place}  {losses(logs)}")

    def drop(self, key: object) -> None:
        """A training under way is another worker's now."""
        self._rows.pop(key, None)

    def elsewhere(self, slot: Slot, key: object = None) -> None:
        """Another worker's trial has ended."""
        self._rows[slot.slot if key is None else key] = Row(slot.params)
        self.end(slot, key)

    def taken_over(self, slot: Slot) -> None:
        """A trial was there already."""
        self._taken_over += 1
        self._note_best(slot)

    def end(self, slot: Slot, key: object = None) -> None:
        """A training has ended; says what it came to and how long the rest will take."""
        self._rows.pop(slot.slot if key is None else key)
        self._note_best(slot)
        self._ended.append((_name(slot.slot if key is None else key), slot))
        self._done, self._spent = self._done + 1, self._spent + slot.seconds
        if slot.can_win:  # a pruned trial says little of how long a whole one takes
            self._whole = self._whole[0] + 1, self._whole[1] + slot.seconds
        self._last_line = time.monotonic()
        name = _name(slot.slot if key is None else key).rjust(len(str(self._trials - 1)))
        self.say(f"{self._noun} {name}: {line(slot)}{self._outlook(slot)}")

    def _note_best(self, slot: Slot) -> None:
        if slot.can_win and (self._best is None or slot.value < self._best.value):  # type: ignore[operator]
            self._best = slot

    def _outlook(self, slot: Slot) -> str:
        best = f"  best {self._best.value:.4f}" if self._best else ""
        return f"{best}  {slot.seconds:5.1f} s  {self._left()}"

    def _left(self) -> str:
        ended = self._done + self._taken_over
        work = self._spent / max(1, self._done) * (self._trials - ended)
        work += self._whole[1] / max(1, self._whole[0]) * self._then
        left = work / max(1, self.workers)
        return f"{ended}/{self._trials}" + (f", {clock(left)} left" if self._done and left else "")

    def _table(self) -> Table:
        """The trainings under way, below the last ones that have ended."""
        best = f", best {self._best.value:.4f} (slot {self._best.slot})" if self._best else ""
        table = Table(title=f"{self._left()}{best}", title_justify="left", box=None, padding=(0, 2))
        for column in (self._noun, "state", self._unit, "value", "gap", "parameters"):
            table.add_column(column)
        for name, slot in list(self._ended):
            value, gap = (f"{n:.4f}" if n is not None else "" for n in (slot.value, slot.gap))
            epoch = str(slot.result.best_epoch) if slot.result else ""
            table.add_row(name, slot.state, epoch, value, gap, short(slot.params), style="dim")
        for key, row in list(self._rows.items()):
            value = f"{row.logs['val_loss']:.4f}" if row.logs else ""
            epoch = f"{row.epoch}/{self._epochs}"
            state = "running" if row.epoch else "starting"
            table.add_row(_name(key), state, epoch, value, "", short(row.params))
        return table


def _name(key: object) -> str:
    """A slot's number; a finalist's with that of its seed."""
    return f"{key[0]} seed {key[1]}" if isinstance(key, tuple) else str(key)


def line(slot: Slot) -> str:
    """What a slot came to."""
    if slot.value is None:
        reason = slot.reason.partition("\n")[0]
        return f"{slot.state}: {reason[:160]}{' ...' if len(reason) > 160 else ''}"
    mark = "" if slot.state == "complete" else f" {slot.state}"
    return f"value {slot.value:.4f}  gap {slot.gap:+.4f}  {short(slot.params)}{mark}"


def short(params: Params) -> str:
    """`depth=2 learning_rate=0.004`: the last part of each key, numbers rounded."""
    return " ".join(
        f"{key.rpartition('.')[2]}={f'{value:.2g}' if isinstance(value, float) else value}"
        for key, value in params.items()
    )
