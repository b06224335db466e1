"""A training's time limit, which the training itself keeps."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SIGN = 2.0  # seconds between two signs of life of a training that is past its limit


@dataclass
class TimeLimit:
    """The seconds that one training may take, from now on; `None` for any number.

    `tell` hears the seconds that are left: whoever ends a process that hangs has to know.
    """

    seconds: float | None
    tell: Callable[[float], object]
    _began: float = field(default_factory=time.monotonic)
    _waited: float = 0.0
    _told: float = -math.inf

    def sign(self) -> None:
        """Tell what is left, 0 once the limit has passed; nothing without a limit."""
        if self.seconds is not None:
            self._told = time.monotonic()
            self.tell(max(0.0, self._left()))

    def passed(self) -> bool:
        """Whether the limit has passed; asking costs less than a microsecond.

        A process that still asks then does not hang, which `tell` hears now and then.
        """
        if self._left() > 0:
            return False
        if time.monotonic() - self._told > SIGN:
            self.sign()
        return True

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time in this block does not count."""
        began = time.monotonic()
        yield
        self._waited += time.monotonic() - began

    def _left(self) -> float:
        if self.seconds is None:
            return math.inf
        return self.seconds - (time.monotonic() - self._began - self._waited)
