"""Starts trainings in child processes, side by side, and reports their events and endings.

The children are forked from a server that has only imported Keras and its backend: a training
starts in a fraction of a second, and a crash, a leak or held GPU memory ends with its process.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

import psutil

from truefit.core.backend import set_environment
from truefit.core.endings import NO_ROOM, cause, oom_kills
from truefit.core.errors import WorkerError
from truefit.tracking.usage import Gpus, Meter, visible_gpus
from truefit.training.events import Epoch, Hello, Left, Ready
from truefit.training.process import child
from truefit.training.process.child import Ending, Job
from truefit.training.process.training import RunningTraining

# Seconds until a child must have said hello, and from then until it is ready: a cold disk imports
# slowly.
START_LIMIT = 180.0
WATCH = 1.0  # seconds between two looks at limits and memory
ROOM = "`truefit doctor` shows what this machine has; free memory or processes"
LEAVE = 5.0  # seconds that a child has to exit after its last event
SPARE = 0.03  # share of the machine's memory below which the largest child is ended


class Trainer:
    """A fork server and the trainings it starts; use it as a context manager."""

    def __init__(self, backend: str, device: str) -> None:
        """Start the server now, so that its imports run while the caller does other things."""
        set_environment(backend, device)
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(["truefit.training.process.forkserver"])
        self._spawn = multiprocessing.get_context("spawn")
        self._fork_fails = ""
        self._running: list[RunningTraining] = []
        self.sampled: Callable[[RunningTraining, dict[str, float]], None] = lambda *_: (
            None
        )  # every 10 s
        self._watched = 0.0
        self._left = time.monotonic()
        self._probe, theirs = self._fork.Pipe(duplex=False)
        self._first = self._fork.Process(target=child.count_gpus, args=(theirs,), daemon=True)
        try:
            self._first.start()
        except (EOFError, OSError) as error:
            self._note(f"the fork server did not start ({type(error).__name__})")
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for training in list(self._running):
            self._finish(training)
        _kill(self._first)

    def gpus(self) -> int:
        """How many GPUs the backend sees; a child looks, so that this process holds none."""
        try:
            return int(self._probe.recv()) if self._probe.poll(START_LIMIT) else 0
        except (EOFError, OSError):
            return 0  # the child died; trainings will say why
        finally:
            self._probe.close()
            if self._first.pid is not None:
                self._first.join(LEAVE)

    def start(self, job: Job, environment: dict[str, str] | None = None) -> RunningTraining:
        """Begin a training in a child with these environment variables.

        Raises:
            WorkerError: this machine has no room for another process.
        """
        return self._start(job, environment or {}, spawned=bool(self._fork_fails))

    def wait(self, timeout: float = WATCH) -> list[tuple[RunningTraining, Epoch | Ending]]:
        """What has happened by now, or happens within `timeout` seconds: epochs and endings.

        Whatever happens to a child is an `Ending`, never an exception.
        """
        now = time.monotonic()
        if (away := now - self._left) > WATCH:  # the caller was busy: no child's time has passed
            for training in self._running:
                training.deadline = training.deadline and training.deadline + away
        by_pipe = {training.events: training for training in self._running}
        ready = wait(list(by_pipe), timeout)
        happened = [event for pipe in ready for event in self._receive(by_pipe[pipe])]  # type: ignore[index]
        if now - self._watched > WATCH:
            self._watched = now
            happened += self._watch()
        self._left = time.monotonic()
        return happened

    def stop(self, training: RunningTraining) -> None:
        """End a training without an `Ending`."""
        if training in self._running:
            self._finish(training)

    def run(
        self, job: Job, on_epoch: Callable[[Epoch], None], environment: dict[str, str] | None = None
    ) -> Ending:
        """Train one job to its end; `on_epoch` hears of each epoch as it ends."""
        self.start(job, environment)
        while True:
            for _, event in self.wait():
                if isinstance(event, Ending):
                    return event
                on_epoch(event)

    def _start(self, job: Job, environment: dict[str, str], *, spawned: bool) -> RunningTraining:
        context: Any = self._spawn if spawned else self._fork
        events, theirs = context.Pipe()
        lifeline_theirs, lifeline = context.Pipe(duplex=False)
        process = context.Process(
            target=child.main, args=(theirs, lifeline_theirs, job, environment), daemon=True
        )
        try:
            process.start()
        except (EOFError, OSError) as error:
            if spawned:
                raise WorkerError(f"no process can be started here: {error}; {ROOM}") from error
            self._note(f"the fork server did not start a process ({type(error).__name__})")
            return self._start(job, environment, spawned=True)
        finally:
            theirs.close()
            lifeline_theirs.close()
        now = time.monotonic()
        training = RunningTraining(
            job,
            environment,
            events,
            lifeline,
            process,
            spawned,
            now,
            now + START_LIMIT,
            oom_kills(),
            Meter(process.pid, Gpus(visible_gpus(environment, job.config["runtime"]["device"]))),
        )
        self._running.append(training)
        return training

    def _receive(
        self, training: RunningTraining
    ) -> Iterator[tuple[RunningTraining, Epoch | Ending]]:
        try:
            event = training.events.recv()
        except (EOFError, OSError):
            training.process.join(LEAVE)
            by_itself = training.process.exitcode != -signal.SIGKILL
            if by_itself and not training.helloed and not training.spawned:
                self._start_again(training, "a child of the fork server died before it began")
                return
            why = cause(training.process.exitcode, training.oom_kills)
            yield training, self._end(training, Ending(*why))
            return
        match event:
            case Hello(unsafe=unsafe) if unsafe and not training.spawned:
                self._start_again(training, unsafe)
            case Hello():
                training.helloed = True
                training.deadline = time.monotonic() + START_LIMIT
            case Ready():
                training.ready = True
                # Until it begins to count.
                limited = training.job.config["training"]["time_limit"] is not None
                training.deadline = time.monotonic() + START_LIMIT if limited else None
            case Left(seconds=left):
                training.goes_on(left)
            case Epoch():
                training.history.append({"epoch": event.number, **event.logs})
                yield training, event
            case Ending():
                training.process.join(LEAVE)
                yield training, self._end(training, event)

    def _start_again(self, training: RunningTraining, why: str) -> None:
        """From now on children are fresh processes: slower, and they depend on nothing."""
        self._note(why)
        self._finish(training)
        again = self._start(training.job, training.environment, spawned=True)
        self._running.remove(again)
        vars(training).update(vars(again))
        self._running.append(training)

    def _note(self, why: str) -> None:
        if not self._fork_fails:
            print(f"note: {why}; from here on each training imports Keras again", file=sys.stderr)
        self._fork_fails = why

    def _watch(self) -> Iterator[tuple[RunningTraining, Ending]]:
        now = time.monotonic()
        for training in list(self._running):
            if training.deadline is None or now < training.deadline or training.events.poll():
                continue
            if not training.ready and not training.spawned:
                self._start_again(training, "a child of the fork server did not begin")
            elif not training.began:
                yield training, self._end(training, Ending("crashed", "the process did not begin"))
            else:
                yield training, self._end(training, Ending("timed_out", training.hangs()))
        yield from self._watch_memory()

    def _watch_memory(self) -> Iterator[tuple[RunningTraining, Ending]]:
        for training in self._running:
            if values := training.meter.sample():
                self.sampled(training, values)
        used = {training: training.own_memory() for training in self._running}
        memory = psutil.virtual_memory()
        if used and memory.available < SPARE * memory.total:
            largest = max(used, key=lambda training: used[training])
            reason = "the machine's memory ran out, and this training held most of it"
            yield largest, self._end(largest, Ending("out_of_memory", reason))
        for training, gib in used.items():
            limit = training.job.config["runtime"]["memory_limit"]
            if limit is not None and gib > limit and training in self._running:
                reason = f"more than runtime.memory_limit: {limit:g} GiB"
                ending = Ending("out_of_memory", reason)
                yield training, self._end(training, ending, bad_luck=False)

    def _end(self, training: RunningTraining, ending: Ending, *, bad_luck: bool = True) -> Ending:
        """The ending, with what this process alone knows of the training."""
        self._finish(training)
        result, totals = ending.result, training.meter.totals()
        if result:
            gpu, energy = totals.get("gpu_seconds"), totals.get("gpu_energy_joules")
            result = replace(result, gpu_seconds=gpu, gpu_energy_joules=energy)
        return replace(
            ending,
            result=result,
            history=training.history,
            seconds=time.monotonic() - training.started,
            bad_luck=bad_luck and ending.state in NO_ROOM,
            ready=training.ready,
        )

    def _finish(self, training: RunningTraining) -> None:
        _kill(training.process)
        training.events.close()
        training.lifeline.close()
        self._running.remove(training)


def _kill(process: BaseProcess) -> None:
    if process.is_alive():
        process.kill()
        process.join()
