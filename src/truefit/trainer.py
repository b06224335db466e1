"""Runs one training at a time in a child process and reports its events.

The children are forked from a server that has only imported Keras and its backend: a training
starts in a fraction of a second, and a crash, a leak or held GPU memory ends with its process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, Self

from truefit.config import Tree
from truefit.training import TrainingFailedError, set_environment, train

State = Literal["complete", "diverged", "out_of_memory", "crashed", "timed_out", "error"]
# Seconds until a child must have said hello; importing from a cold disk is slow.
START_LIMIT = 180.0
GRACE = 60.0  # seconds beyond the time limit, for a training that no longer reaches an epoch's end


@dataclass(frozen=True)
class Job:
    """What a child is given: nothing else decides its result."""

    config: Tree
    folder: Path
    seed: int
    save_to: Path | None = None


@dataclass(frozen=True)
class Ending:
    """How a training ended; `result` is empty unless it is `complete`."""

    state: State
    reason: str
    result: Tree
    history: list[Tree]
    seconds: float


class Trainer:
    """A fork server and the trainings it starts; use it as a context manager."""

    def __init__(self, backend: str, device: str) -> None:
        """Start the server now, so that its imports run while the caller does other things."""
        set_environment(backend, device)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["truefit.preload"])
        os.environ["TRUEFIT_FORK_SERVER"] = "1"
        self._warm = self._context.Process(target=_nothing, daemon=True)
        self._warm.start()
        del os.environ["TRUEFIT_FORK_SERVER"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._warm)

    def run(self, job: Job, on_epoch: Callable[[Tree], None]) -> Ending:
        """Train in a child; `on_epoch` gets `{"epoch", "logs"}` as each epoch ends.

        Whatever happens to the child is an `Ending`, never an exception.
        """
        started = time.monotonic()
        ours, theirs = self._context.Pipe()
        child = self._context.Process(target=_child, args=(theirs, job), daemon=True)
        child.start()
        theirs.close()
        history: list[Tree] = []
        try:
            state, reason, result = _listen(ours, job, history, on_epoch)
            child.join(0 if state == "timed_out" else 5)
        finally:
            _end(child)
            ours.close()
        if state == "crashed":
            state, reason = _cause(child.exitcode)
        return Ending(state, reason, result, history, time.monotonic() - started)


def _listen(
    pipe: Connection, job: Job, history: list[Tree], on_epoch: Callable[[Tree], None]
) -> tuple[State, str, Tree]:
    limit = job.config["training"]["time_limit"]
    deadline: float | None = time.monotonic() + START_LIMIT
    while True:
        if not pipe.poll(deadline and max(0.0, deadline - time.monotonic())):
            return "timed_out", "the process gave no sign within its time", {}
        try:
            event = pipe.recv()
        except (EOFError, ConnectionResetError):
            return "crashed", "", {}
        if "hello" in event:
            deadline = time.monotonic() + limit + GRACE if limit else None
        elif "epoch" in event:
            history.append({"epoch": event["epoch"], **event["logs"]})
            on_epoch(event)
        else:
            return event["state"], event["reason"], event["result"]


def _cause(exitcode: int | None) -> tuple[State, str]:
    if exitcode == -signal.SIGKILL:
        return "out_of_memory", "the process was killed (SIGKILL): most often memory ran out"
    if exitcode is not None and exitcode < 0:
        return "crashed", f"the process died of {signal.Signals(-exitcode).name}"
    return "crashed", f"the process ended with exit code {exitcode}"


def _end(process: Any) -> None:
    if process.is_alive():
        process.kill()
        process.join()


def _nothing() -> None:
    """Forked once so that the server starts at once."""


def _child(pipe: Connection, job: Job) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    pipe.send({"hello": True})
    threading.Thread(target=_leave_with_supervisor, args=(pipe,), daemon=True).start()
    try:
        result = train(job.config, job.folder, job.seed, pipe.send, save_to=job.save_to)
        pipe.send({"state": "complete", "reason": "", "result": result})
    except TrainingFailedError as failure:
        pipe.send({"state": failure.state, "reason": str(failure), "result": {}})
    except MemoryError as failure:
        pipe.send({"state": "out_of_memory", "reason": str(failure), "result": {}})
    except Exception as failure:  # noqa: BLE001 - every exception of a training is an ending
        state = "out_of_memory" if type(failure).__name__ == "ResourceExhaustedError" else "error"
        pipe.send({"state": state, "reason": _explain(failure), "result": {}})


def _explain(failure: Exception) -> str:
    if isinstance(failure, OSError) and failure.errno:  # a full disk, a file that is gone
        return str(failure)
    return f"{type(failure).__name__}: {failure}\n{traceback.format_exc()}"


def _leave_with_supervisor(pipe: Connection) -> None:
    """End this process when the supervisor's end of the pipe closes, even by `kill -9`."""
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    sys.stdout.flush()
    signal.raise_signal(signal.SIGKILL)
