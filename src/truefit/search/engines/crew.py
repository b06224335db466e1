"""Workers that an engine has started: replaced where they end early."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from truefit.errors import UserError

PASSED_ON = ("TRUEFIT_", "MLFLOW_", "AWS_")  # what a worker has to know, secrets among it
AT_ONCE = 20.0  # seconds within which a worker that ends has not worked
REFUSED = "refused: "


def help_out(folder: str, environment: dict[str, str]) -> str:
    """`truefit join`, in the process that an engine has started; why it could not, or nothing."""
    from truefit.search.join import RefusedError, join  # noqa: PLC0415 - who submits needs it not

    os.environ |= environment
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
    workers: dict[Any, float] = field(default_factory=dict)  # with when they were started
    _failed: int = 0

    def begin(self, workers: list[Any]) -> None:
        """They have been started together."""
        self.workers = dict.fromkeys(workers, time.monotonic())

    def tend(self) -> None:
        """Start another in the place of each that has ended early.

        Raises:
            UserError: they are refused, or end at once again and again.
        """
        for worker, began in list(self.workers.items()):
            why = self.state(worker)
            if why is None:
                continue
            del self.workers[worker]
            if not why:
                continue
            if why.startswith(REFUSED):
                raise UserError(f"a worker cannot join: {why.removeprefix(REFUSED)}")
            self._failed = self._failed + 1 if time.monotonic() - began < AT_ONCE else 0
            if self._failed > 2 * self.wanted:
                raise UserError(f"workers end as soon as they are started: {why}")
            self.say(f"a worker has ended: {why}; starting another")
            self.workers[self.start()] = time.monotonic()
