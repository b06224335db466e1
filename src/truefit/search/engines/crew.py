"""Workers that an engine has started: replaced where they end early."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from truefit.errors import UserError
from truefit.search.pool import LENT

PASSED_ON = ("TRUEFIT_", "MLFLOW_", "AWS_")  # what a worker has to know, secrets among it
FAREWELL = 90.0  # seconds in which workers may end by themselves, once the study has ended
REFUSED = "refused: "


def help_out(folder: str, environment: dict[str, str]) -> str:
    """`truefit join`, in the process that an engine has started; why it could not, or nothing."""
    from truefit.search.join import RefusedError, join  # noqa: PLC0415 - who submits needs it not

    os.environ |= {**environment, LENT: "1"}
    try:
        os.chdir(folder)
        join()
    except RefusedError as error:
        return f"{REFUSED}{error}"
    except (UserError, OSError) as error:
        return str(error)
    return ""


def environment() -> dict[str, str]:
    """What the workers have to know of this process' environment."""
    found = {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}
    return found | {key: os.environ[key] for key in ("DVC_ROOT",) if key in os.environ}


@dataclass
class Crew:
    """`wanted` workers; `state` of one is `None` under way, and then why it has ended.

    One that has ended well says nothing: no slot was left.
    """

    wanted: int
    start: Callable[[], Any]
    state: Callable[[Any], str | None]
    say: Callable[[str], None]
    workers: list[Any] = field(default_factory=list)
    _done: int = 0
    _failed: int = 0  # since something was done

    def tend(self, done: int) -> None:
        """Start another in the place of each that has ended early; `done` shows progress.

        Raises:
            UserError: they are refused, or end again and again with nothing done.
        """
        self._failed = self._failed if done == self._done else 0
        self._done = done
        for worker in list(self.workers):
            why = self.state(worker)
            if why is None:
                continue
            self.workers.remove(worker)
            if why:
                self._replace(why)
        if not self.workers:
            self._replace("it saw no slot that is left")

    def say_farewell(self) -> None:
        """Let them end by themselves: they may have something to send."""
        until = time.monotonic() + FAREWELL
        while time.monotonic() < until and any(self.state(w) is None for w in self.workers):
            time.sleep(1)

    def _replace(self, why: str) -> None:
        if why.startswith(REFUSED):
            raise UserError(f"a worker cannot join: {why.removeprefix(REFUSED)}")
        self._failed += 1
        if self._failed > 2 * self.wanted:
            raise UserError(f"workers end one after the other, and nothing is done: {why}")
        self.say(f"a worker has ended: {why}; starting another")
        self.workers.append(self.start())
