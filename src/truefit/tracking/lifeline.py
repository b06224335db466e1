"""The processes of a server end with the one that started them, however that one ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

GRACE = 10.0  # seconds that requests under way have to end


def end_with_parent(last: Callable[[], None]) -> None:
    """End this process' group once the other end of its standard input, a pipe, is closed.

    The parent alone holds that end, so it is closed with the parent, even by `kill -9`.

    Args:
        last: what is done before; it takes away what the parent could not.
    """
    threading.Thread(target=_wait_for_parent, args=(last,), daemon=True).start()


def end_with_leader(last: Callable[[], None]) -> None:
    """End this process' group once its leader is gone, which else waits for the parent.

    Args:
        last: as `end_with_parent` takes it.
    """
    threading.Thread(target=_wait_for_leader, args=(last,), daemon=True).start()


def _wait_for_parent(last: Callable[[], None]) -> None:
    while os.read(0, 1024):
        pass
    _end(last)


def _wait_for_leader(last: Callable[[], None]) -> None:
    try:
        while True:
            os.kill(os.getpgrp(), 0)  # asks whether it is there
            time.sleep(1)
    except ProcessLookupError:
        _end(last)


def _end(last: Callable[[], None]) -> None:
    last()
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)
