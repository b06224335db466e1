"""Workers that an engine has started: replaced where they end early."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from truefit.core.errors import UserError, WorkerError
from truefit.training.process.pool import LENT

PASSED_ON = ("TRUEFIT_", "MLFLOW_", "AWS_")  # what a worker has to know, secrets among it
Worker = TypeVar("Worker")  # what an engine calls one
FAREWELL = 90.0  # seconds in which workers may end by themselves, once the study has ended


@dataclass(frozen=True)
class Farewell:
    """Why a worker has ended; without `why` it saw no slot that is left.

    One that was `refused` would be again anywhere; one that is `unfit` cannot train where it was.
    """

    why: str = ""
    refused: bool = False
    unfit: bool = False


def help_out(folder: str, environment: dict[str, str]) -> Farewell:
    """`truefit join`, in the process that an engine has started; how it ended."""
    from truefit.search.join import JoinRefusedError, join  # noqa: PLC0415 - who submits needs it not

    os.environ |= {**environment, LENT: "1"}
    try:
        os.chdir(folder)
        join()
    except JoinRefusedError as error:
        return Farewell(str(error), refused=True)
    except WorkerError as error:
        return Farewell(str(error), unfit=True)
    except (UserError, OSError) as error:
        return Farewell(str(error))
    return Farewell()


def environment() -> dict[str, str]:
    """What the workers have to know of this process' environment."""
    found = {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}
    return found | {key: os.environ[key] for key in ("DVC_ROOT",) if key in os.environ}


@dataclass
class Crew(Generic[Worker]):
    """`wanted` workers; `state` of one is `None` under way, and then how it has ended."""

    wanted: int
    start: Callable[[], Worker]
    state: Callable[[Worker], Farewell | None]
    say: Callable[[str], None]
    workers: list[Worker] = field(default_factory=list)
    _done: int = 0
    _failed: int = 0  # since something was done
    _unfit: int = 0

    def tend(self, done: int) -> None:
        """Start another in the place of each that has ended early; `done` shows progress.

        Raises:
            UserError: they are refused, or end again and again with nothing done.
        """
        self._failed = self._failed if done == self._done else 0
        self._done = done
        for worker in list(self.workers):
            ended = self.state(worker)
            if ended is None:
                continue
            self.workers.remove(worker)
            if ended.why:
                self._replace(ended)
        if not self.workers:
            self._replace(Farewell("it saw no slot that is left"))

    def say_farewell(self) -> None:
        """Let them end by themselves: they may have something to send."""
        until = time.monotonic() + FAREWELL
        while time.monotonic() < until and any(self.state(w) is None for w in self.workers):
            time.sleep(1)

    def _replace(self, ended: Farewell) -> None:
        if ended.refused:
            raise UserError(f"a worker cannot join: {ended.why}")
        self._failed += 1
        if self._failed > 2 * self.wanted:
            raise UserError(f"workers end one after the other, and nothing is done: {ended.why}")
        self._unfit += ended.unfit
        # A node that cannot train would be tried for ever while the others fill slots.
        if ended.unfit and self._unfit > self.wanted and self.workers:
            self.say(f"a worker has ended: {ended.why}\n{len(self.workers)} go on without it")
            return
        self.say(f"a worker has ended: {ended.why}; starting another")
        self.workers.append(self.start())
