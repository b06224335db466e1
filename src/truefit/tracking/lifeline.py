"""The processes of a server end with the one that started them, however that one ends."""

from __future__ import annotations

import os
import signal
import threading
import time

GRACE = 10.0  # seconds that requests under way have to end


def end_with_parent() -> None:
    """End this process' group once the other end of its standard input, a pipe, is closed.

    The parent alone holds that end, so it is closed with the parent, even by `kill -9`.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def end_with_leader() -> None:
    """End this process' group once its leader is gone, which else waits for the parent."""
    threading.Thread(target=_wait_for_leader, daemon=True).start()


def _wait_for_parent() -> None:
    while os.read(0, 1024):
        pass
    _end()


def _wait_for_leader() -> None:
    try:
        while True:
            os.kill(os.getpgrp(), 0)  # asks whether it is there
            time.sleep(1)
    except ProcessLookupError:
        _end()


def _end() -> None:
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)
