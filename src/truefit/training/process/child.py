"""What runs in a training's own process: one job, its events up the pipe, its ending."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from truefit.core.backend import import_keras, limit_gpu_memory
from truefit.core.endings import NO_ROOM, State, counts
from truefit.core.own_code import is_asked, own_fault
from truefit.core.resolved import Params
from truefit.core.results import Logs, Result
from truefit.tracking.usage import own_usage
from truefit.training.cross_validation import cross_validate
from truefit.training.events import Epoch, Hello, Left, Ready
from truefit.training.saved import NO_MEMORY
from truefit.training.survival import Lost, try_saving
from truefit.training.train import Trained, TrainingFailedError, train

if TYPE_CHECKING:
    from truefit.config.schema import Config

SERVER_THREADS = 2  # after an import of any backend alone; a started runtime has many more


@dataclass(frozen=True)
class Job:
    """What a training is given: nothing else decides its result.

    `asks` makes it wait for an answer after each epoch: whether it is pruned. `gaps` makes it
    measure the gap after each epoch, and not at the end alone; `samples` to show what it can make.
    With `folds` (see `folds.assign`) it trains in each of them, which are then what counts as
    epochs; `share` is that of the training rows. With `checkpoint` its state is kept there after
    each epoch, and it goes on from what is there. With `tries_saving`, parameters of trials, it
    trains nothing: see `survival.try_saving`.
    """

    config: Config
    folder: Path
    seed: int
    save_to: Path | None = None
    asks: bool = False
    gaps: bool = False
    samples: bool = False
    folds: np.ndarray | None = None
    share: float = 1.0
    checkpoint: Path | None = None
    tries_saving: tuple[Params, ...] = ()

    @property
    def trainings(self) -> int:
        """How many trainings it is: one, or one for each fold."""
        return 1 if self.folds is None else len(self.folds) * (int(self.folds.max()) + 1)


@dataclass(frozen=True)
class Ending:
    """How a training ended; a `result` has only what is `complete`, `pruned` or `timed_out`.

    A training that its time limit ended has a result, unless its process hung. `bad_luck` says that
    the machine failed and not the training: worth another try. Without `ready` the process ended
    before it had Keras and its device, so before it used any parameter. `kind` is an exception's
    type and the line of code that it came from, `own` that a function of the user's raised it.
    `lost` is what was tried before any training and would be lost by saving it.
    """

    state: State
    reason: str
    result: Result | None = None
    history: list[Logs] = field(default_factory=list)
    seconds: float = 0.0
    bad_luck: bool = False
    ready: bool = True
    kind: str = ""
    own: bool = False
    lost: Lost | None = None

    @property
    def trained(self) -> bool:
        """Whether it came to its first epoch, or to an end that no process without room comes to.

        Where it did not, either its parameters or the worker may be at fault.
        """
        return bool(self.history) or self.state not in ("error", *NO_ROOM)

    @property
    def counts(self) -> bool:
        """Whether its result can be compared, chosen and evaluated."""
        return counts(self.state, has_result=self.result is not None)


def main(events: Connection, lifeline: Connection, job: Job, environment: dict[str, str]) -> None:
    """Train, and send each event; leave when the supervisor does.

    First `Hello`, and `Ready` once Keras is imported and its device set up: before it uses any
    parameter. Then every `Epoch`, and with a time limit what is `Left` of it, which nobody answers.
    Last the `Ending`.
    """
    os.environ |= environment  # before any device is touched
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.set_threshold(100_000)  # building graphs makes many objects and few cycles
    _offer_to_oom_killer()
    threading.Thread(target=_leave_with_supervisor, args=(lifeline,), daemon=True).start()
    events.send(Hello(_why_fork_is_unsafe()))

    def emit(event: Epoch | Left) -> bool:
        events.send(event)
        return bool(events.recv()) if job.asks and isinstance(event, Epoch) else False

    def run() -> Trained | Lost | None:
        import_keras()  # at once in a fork; a fresh process needs seconds
        limit_gpu_memory()
        events.send(Ready())
        if job.tries_saving:
            return try_saving(job.config, job.folder, job.tries_saving)
        if job.folds is not None:
            return cross_validate(job.config, job.folder, job.folds, job.seed, emit)
        return train(
            job.config,
            job.folder,
            job.seed,
            emit,
            save_to=job.save_to,
            gaps=job.gaps,
            samples=job.samples,
            share=job.share,
            checkpoint=job.checkpoint,
        )

    events.send(_end(run, job.config["packages"]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # an interpreter full of TensorFlow takes its time to take itself apart


def count_gpus(answer: Connection) -> None:
    """Send how many GPUs the backend sees; the first process that the fork server makes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    backend = importlib.import_module(os.environ["KERAS_BACKEND"])
    match backend.__name__:
        case "tensorflow":
            answer.send(len(backend.config.list_physical_devices("GPU")))
        case "torch":
            answer.send(backend.cuda.device_count())
        case "jax":
            answer.send(sum(device.platform == "gpu" for device in backend.devices()))


def _end(run: Callable[[], Trained | Lost | None], packages: Collection[str]) -> Ending:
    try:
        done = run()
    except TrainingFailedError as failure:
        kind = _kind(failure.__cause__ or failure)
        said = own_fault(failure.__cause__, packages)
        whole = f"\n{traceback.format_exc()}" if said and is_asked() else ""
        return Ending(failure.state, (said or str(failure)) + whole, kind=kind, own=bool(said))
    except MemoryError as failure:
        return Ending("out_of_memory", f"MemoryError: {failure}", kind="MemoryError")
    except Exception as failure:  # noqa: BLE001 - every exception of a training is an ending
        lacks_memory = type(failure).__name__ == "ResourceExhaustedError"
        lacks_memory = lacks_memory or bool(NO_MEMORY.search(str(failure)))  # PyTorch, JAX
        state: State = "out_of_memory" if lacks_memory else "error"
        said = own_fault(failure, packages)
        return Ending(state, _explain(failure, said), kind=_kind(failure), own=bool(said))
    if not isinstance(done, Trained):
        return Ending("complete", "", lost=done)
    used = own_usage()
    result = replace(
        done.result, peak_memory_mb=used["peak_memory_mb"], cpu_seconds=used["cpu_seconds"]
    )
    if done.pruned:
        return Ending("pruned", "", result)
    return Ending("timed_out" if done.timed_out else "complete", done.timed_out, result)


def _explain(failure: Exception, own: str) -> str:
    if own:
        return f"{own}\n{traceback.format_exc()}"
    if isinstance(failure, OSError) and failure.errno:  # a full disk, a file that is gone
        return str(failure)
    return f"{type(failure).__name__}: {failure}\n{traceback.format_exc()}"


def _kind(failure: BaseException) -> str:
    """The same for the same fault, on every machine."""
    last = traceback.extract_tb(failure.__traceback__)[-1]
    return f"{type(failure).__name__} {Path(last.filename).name}:{last.lineno}"


def _offer_to_oom_killer() -> None:
    """Where memory runs out, Linux ends this process rather than the supervisor or DVC."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _why_fork_is_unsafe() -> str:
    """What of the fork server's state a fork cannot copy: running threads, an open GPU driver."""
    server = Path(f"/proc/{os.getppid()}")
    try:
        threads = len(list((server / "task").iterdir()))
        maps = (server / "maps").read_text()
    except OSError:  # no /proc, or the server belongs to another user
        return ""
    if threads > SERVER_THREADS:
        return f"the fork server runs {threads} threads"
    return "the fork server has opened the GPU driver" if "libcuda.so" in maps else ""


def _leave_with_supervisor(lifeline: Connection) -> None:
    """End this process when the supervisor's end of the pipe closes, even by `kill -9`."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    sys.stdout.flush()
    signal.raise_signal(signal.SIGKILL)
