"""What a person sees while a stage runs: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
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


class Board:
    """A bar for the epochs of one training."""

    def __init__(self, *, epochs: int) -> None:
        """At most `epochs` of them."""
        self._console = Console(highlight=False)
        self._epochs = epochs
        self._began = self._last_line = time.monotonic()
        self._bars = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TextColumn("at most"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bars.add_task("epochs", total=epochs, note="")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """A line that stays."""
        self._console.print(line, markup=False, soft_wrap=True)

    def epoch(self, number: int, logs: Logs) -> None:
        """An epoch of the training under way has ended."""
        note = f"loss {logs['loss']:.4f}  val_loss {logs['val_loss']:.4f}"
        self._bars.update(self._task, completed=number, note=note)
        if not self._console.is_terminal and time.monotonic() - self._last_line > EVERY:
            self._last_line = time.monotonic()
            left = (time.monotonic() - self._began) / number * (self._epochs - number)
            self.say(f"  epoch {number}/{self._epochs}  {note}  at most {clock(left)} left")


def clock(seconds: float) -> str:
    """`4:05`, or `1:02:07` beyond the hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
