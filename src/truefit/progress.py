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

EVERY = 5.0  # seconds between two plain lines of the same training


class Board:
    """One bar for the trials, if there are several, and one for the epochs of the current one."""

    def __init__(self, *, trials: int, epochs: int) -> None:
        """`trials` of at most `epochs` each; `trials=1` shows the epochs alone."""
        self._console = Console(highlight=False)
        self._trials, self._epochs = trials, epochs
        self._done, self._spent = 0, 0.0
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
        self._outer = self._bars.add_task("trials", total=trials, note="", visible=trials > 1)
        self._inner = self._bars.add_task("epochs", total=epochs, note="")

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

    def epoch(self, number: int, logs: dict[str, float]) -> None:
        """An epoch of the training under way has ended."""
        note = f"loss {logs['loss']:.4f}  val_loss {logs['val_loss']:.4f}"
        self._bars.update(self._inner, completed=number, note=note)
        if not self._console.is_terminal and time.monotonic() - self._last_line > EVERY:
            self._last_line = time.monotonic()
            left = (time.monotonic() - self._began) / number * (self._epochs - number)
            self.say(f"  epoch {number}/{self._epochs}  {note}  at most {clock(left)} left")

    def finished(self, line: str, seconds: float) -> None:
        """A trial has ended after `seconds`; says how long the rest will take."""
        self._done, self._spent = self._done + 1, self._spent + seconds
        left = self._spent / self._done * (self._trials - self._done)
        self._bars.update(self._outer, completed=self._done, note=f"{clock(left)} left")
        self._bars.reset(self._inner, total=self._epochs, note="")
        self._began = self._last_line = time.monotonic()
        self.say(f"{line}  {seconds:5.1f} s" + (f"  {clock(left)} left" if left else ""))

    def skipped(self, trials: int) -> None:
        """So many trials were there already."""
        self._trials -= trials
        self._bars.update(self._outer, total=self._trials)


def clock(seconds: float) -> str:
    """`4:05`, or `1:02:07` beyond the hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
