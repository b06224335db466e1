"""What a person sees while a stage runs: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from truefit.core.results import Logs

EVERY = 5.0  # seconds between two plain lines of the same training


def say(line: str) -> None:
    """A line on the terminal, now."""
    print(line, flush=True)


class Shown:
    """What moves on a terminal below lines that stay; anywhere else there are the lines alone."""

    def __init__(self, console: Console, moving: Live | Progress, every: float) -> None:
        """Show `moving` on the console; elsewhere a line of what is under way `every` so often.

        Args:
            console: where.
            moving: a table or a bar, which is shown from the beginning of a `with` to its end.
            every: seconds.
        """
        self._console, self._moving, self._every = console, moving, every
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._moving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._moving.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False, soft_wrap=True)

    def _is_due(self) -> bool:
        """Whether it is time for a plain line, which is then counted as written."""
        if self._console.is_terminal or time.monotonic() - self._last_line <= self._every:
            return False
        self._last_line = time.monotonic()
        return True


class EpochBar(Shown):
    """A bar for the epochs of one training."""

    def __init__(self, *, epochs: int) -> None:
        """At most `epochs` of them."""
        console = Console(highlight=False)
        self._epochs = epochs
        self._began = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("at most"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        super().__init__(console, self._bars, EVERY)
        self._task = self._bars.add_task("epochs", total=epochs, note="")

    def epoch(self, number: int, logs: Logs) -> None:
        """An epoch of the training under way has ended."""
        note = losses(logs)
        self._bars.update(self._task, completed=number, note=note)
        if self._is_due():
            left = (time.monotonic() - self._began) / number * (self._epochs - number)
            self.say(f"  epoch {number}/{self._epochs}  {note}  at most {clock(left)} left")


def losses(logs: Logs) -> str:
    """`loss 0.1234  val_loss 0.2345`."""
    return f"loss {logs['loss']:.4f}  val_loss {logs['val_loss']:.4f}"


def clock(seconds: float) -> str:
    """`4:05`, or `1:02:07` beyond the hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
