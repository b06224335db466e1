"""A process of its own that sends journals to MLflow, so that no training ever waits for it.

`python -m truefit.tracking.writer JOURNAL` follows the journal of the process that started it,
after those that dead processes have left; it ends when all is sent, or MLflow stays away after
the stage has ended. What it has to say goes to standard output, one JSON object a line.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from truefit.core.errors import UserError
from truefit.tracking.database import tidy
from truefit.tracking.journal import is_closed, put_away, take_over, waiting
from truefit.tracking.messages import Message, Said, as_line
from truefit.tracking.readback import LostError
from truefit.tracking.sender import Sender
from truefit.tracking.store import Store, tracking_uri

POLL = 0.1  # seconds between two looks at the journal
LONGEST_PAUSE = 5.0  # seconds between two tries while MLflow is away
FAREWELL = 10.0  # seconds that MLflow may be away after the stage has ended
UNSENT, LOST = 3, 4  # exit codes; after the second everything has to be sent again
KEPT = "the journal keeps everything, and `truefit sync` sends it"

Say = Callable[[str], None]


def main() -> None:
    """Send the journal that is named, and what others have left."""
    own = Path(sys.argv[1])
    tell = _ears_of_the_stage()

    def say(line: str) -> None:
        tell(Said(line))

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the stage's; its last words follow
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(10)
    store = _open_store(say)
    if store is None:
        sys.exit(UNSENT)
    try:
        _follow(own, store, say, tell)
    except LostError as error:
        say(f"note: {error} at the stage's end")
        sys.exit(LOST)


def _follow(own: Path, store: Store, say: Say, tell: Callable[[Message], None]) -> None:
    with FileLock(own.with_suffix(".sending")) as sending:
        if not own.exists():  # the stage died early, and another has sent it
            Path(sending.lock_file).unlink()
            return
        left = send_left(store, say, besides=own)
        sender = Sender(own, store, say, tell)
        try:
            done = _send(sender, over=_stage_has_ended, wait=_wait, farewell=FAREWELL)
        except FileNotFoundError:
            if own.exists():
                raise
            with contextlib.suppress(*store.away):
                sender.abandon()
            sys.exit(UNSENT)
        if not done and left and not send_left(store, say, besides=own):
            done = _send(sender)
    sys.exit(0 if done else UNSENT)


def send_left(
    store: Store, say: Say, besides: Path | None = None, farewell: float = 0.0
) -> list[Path]:
    """Send the journals of processes that have ended, the oldest first; returns those that stay.

    MLflow may take nothing for `farewell` seconds before a journal is left for later.
    """
    left = []
    for journal in waiting():
        if journal == besides:
            continue
        try:
            with FileLock(journal.with_suffix(".sending"), timeout=0):
                if not journal.exists() or not take_over(journal):
                    continue
                if not _send(Sender(journal, store, say), farewell=farewell):
                    left.append(journal)
                    break  # later journals may add to its runs
        except Timeout:  # another process is at it
            continue
    return left


def _open_store(say: Say) -> Store | None:
    said = False
    while True:
        try:
            return Store.open()
        except UserError as error:
            if not said:
                say(f"note: {error}; {KEPT}")
            said = True
            if _stage_has_ended():
                return None
            _wait()


def _send(
    sender: Sender,
    over: Callable[[], bool] = lambda: True,
    wait: Callable[[], None] = lambda: time.sleep(POLL),
    farewell: float = 0.0,
) -> bool:
    """Send until the journal is closed and empty; whether that was reached.

    Once the stage is `over`, MLflow may have taken nothing for `farewell` seconds.
    """
    pause, next_try, moved, closed = 0.0, 0.0, time.monotonic(), False
    while True:
        if last := over():
            closed = closed or is_closed(sender.journal) or take_over(sender.journal)
        if time.monotonic() >= next_try:
            flushed = sender.flushed
            done = sender.step(everything=last)
            if sender.flushed > flushed or not sender.failure:
                moved = time.monotonic()
            if sender.failure:
                if not pause:
                    sender.say(f"note: {sender.failure}; {KEPT}")
                pause = min(2 * pause + 0.2, LONGEST_PAUSE)
                next_try = time.monotonic() + pause
                if last and time.monotonic() - moved > farewell:
                    return False
            elif pause:
                sender.say("note: MLflow is back")
                pause = 0.0
            if closed and done and _finished(sender):
                return True
        wait()


def _finished(sender: Sender) -> bool:
    try:
        sender.finish()
    except LostError:
        raise
    except sender.store.away as error:
        sender.failure = sender.store.explain(error)
        return False
    with contextlib.suppress(sqlite3.Error):  # it speeds the UI up, and another may be writing
        tidy(tracking_uri())
    put_away(sender.journal)
    return True


def _stage_has_ended() -> bool:
    """Whether the stage has let go of its end of standard input."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def _wait() -> None:
    """A moment, or until the stage ends."""
    if _stage_has_ended():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nobody waits for it any more
        time.sleep(POLL)
    else:
        select.select([sys.stdin], [], [], POLL)


def _ears_of_the_stage() -> Callable[[Message], None]:
    """Tells the stage something, as long as it lives."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no message

    def tell(message: Message) -> None:
        with contextlib.suppress(BrokenPipeError):
            print(as_line(message), file=pipe, flush=True)

    return tell


if __name__ == "__main__":
    main()
