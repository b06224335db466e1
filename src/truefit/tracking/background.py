"""The process in the background that sends a journal, seen from the stage that writes it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from truefit.core.paths import state_folder
from truefit.tracking import messages
from truefit.tracking.messages import Message

LAST_WORDS = 60.0  # seconds that the writer may need at the end while MLflow answers


class Writer:
    """The process that sends a journal; it outlives this one where it has to."""

    def __init__(self, journal: Path, hear: Callable[[Message], None]) -> None:
        """Start it; `hear` gets what it says, in another thread."""
        log = (state_folder() / "writer.log").open("a")
        # A session of its own: Ctrl-C in the terminal is not for it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "truefit.tracking.writer", str(journal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self._listener = threading.Thread(target=self._listen, args=(hear,), daemon=True)
        self._listener.start()

    def finish(self) -> int | None:
        """Let it send what is left and end; its exit code, `None` where that takes too long."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            code = self._process.wait(LAST_WORDS)
        except subprocess.TimeoutExpired:
            return None
        self._listener.join()
        return code

    def _listen(self, hear: Callable[[Message], None]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as told:
            for line in told:
                hear(messages.parse(line))
