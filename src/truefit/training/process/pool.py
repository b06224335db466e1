"""Trainings side by side: one place each, retried where a process died of no fault of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from truefit.core.errors import UserError
from truefit.training.events import Epoch
from truefit.training.process.child import Ending, Job
from truefit.training.process.leases import borrow
from truefit.training.process.trainer import WATCH, Trainer
from truefit.training.process.training import RunningTraining

if TYPE_CHECKING:
    from truefit.config.schema import Config, Runtime, Search

Place = dict[str, str]  # the environment that pins a training to its device
SHARE = "TRUEFIT_GPU_SHARE"  # of a GPU that a training has, and of its memory
CORES = "TRUEFIT_CORES"  # that this process may use, where the system does not say
LENT = "TRUEFIT_LENT"  # the GPUs are this process' own already: an engine has given them
Key = TypeVar("Key")


def make_pool(
    config: Config, trainer: Trainer, say: Callable[[str], None], *, here: bool = True
) -> Pool[Any]:
    """The places of this machine, whose GPUs are lent to this process until it ends.

    None where nothing trains `here`.
    """
    if not here:
        return Pool(trainer, [], 0, say)
    gpus = 0 if config["runtime"]["device"] == "cpu" else trainer.gpus()
    free = places(config["search"], config["runtime"], gpus, say)
    return Pool(trainer, free, config["search"]["retries"], say)


def places(
    search: Search, runtime: Runtime, gpus: int, say: Callable[[str], None] = print
) -> list[Place]:
    """Where trainings may run side by side: one entry for each, at most `window` of them.

    `search.workers: auto` takes every GPU, or as many as the cores allow threads. Where this
    process has a share of its GPUs only (TRUEFIT_GPU_SHARE), its trainings divide that.
    """
    each = search["trials_per_gpu"]
    if gpus:
        names = [gpu for _ in range(each) for gpu in _visible(gpus)]
    else:
        names = [""] * max(1, _cores() // runtime["threads"])
    wanted = search["window"]
    if search["workers"] != "auto":
        wanted = min(wanted, search["workers"])
        names = [names[i % len(names)] for i in range(wanted)]
    names = names[:wanted]
    if not gpus:
        return [{} for _ in names]
    share = _given_share() / max(map(names.count, names))
    is_lent = LENT in os.environ or "SLURM_JOB_ID" in os.environ
    return [_on_gpu(name, share) for name in (names if is_lent else borrow(names, share, say))]


@dataclass
class Pool(Generic[Key]):
    """A trainer with a limited number of places."""

    trainer: Trainer
    free: list[Place]
    retries: int
    say: Callable[[str], None]
    again: Callable[[Key], None] = lambda _: None
    sampled: Callable[[Key, dict[str, float]], None] = lambda *_: None
    running: dict[RunningTraining, tuple[Key, int]] = field(default_factory=dict)
    started: int = 0

    def __post_init__(self) -> None:
        """What the trainer measures is told by key."""
        if self.trainer:
            self.trainer.sampled = lambda training, values: self.sampled(
                self.running[training][0], values
            )

    def start(self, key: Key, job: Job) -> None:
        """Begin a training at a free place."""
        self.started += 1
        self.running[self.trainer.start(job, self.free.pop(0))] = (key, 0)

    def stop(self, key: Key) -> None:
        """End a training of which nobody wants to know any more."""
        training = next(t for t, (other, _) in self.running.items() if other == key)
        del self.running[training]
        self.trainer.stop(training)
        self.free.append(training.environment)

    def wait(self, timeout: float = WATCH) -> Iterator[tuple[Key, RunningTraining, Epoch | Ending]]:
        """What happens next, within `timeout` seconds: epochs, and endings not tried again.

        A retry is the same job with the same seed; its epochs start at 1 again.
        """
        for training, event in self.trainer.wait(timeout):
            if training not in self.running:  # stopped meanwhile
                continue
            key, tries = self.running[training]
            if isinstance(event, Ending):
                del self.running[training]
                if event.bad_luck and tries < self.retries:
                    self.say(f"slot {key}: {event.state}, {event.reason}; trying again")
                    self.again(key)
                    retry = self.trainer.start(training.job, training.environment)
                    self.running[retry] = (key, tries + 1)
                    continue
                self.free.append(training.environment)
            yield key, training, event


def _on_gpu(gpu: str, share: float) -> Place:
    """One GPU and as much of its memory as is needed, at most a share: see `preload`."""
    return {
        "CUDA_VISIBLE_DEVICES": gpu,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as the driver's tools count
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 * share:.2f}",
        SHARE: f"{share:.3f}",
    }


def _given_share() -> float:
    """The share of each of its GPUs that this process may use.

    Raises:
        UserError: it is no share.
    """
    given = os.environ.get(SHARE, "1")
    try:
        share = float(given)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise UserError(f"{SHARE}: expected a share of a GPU such as 0.5, received {given!r}")
    return share


def share_of(place: Place) -> float:
    """The share of a GPU that a training at this place takes; 0 on the CPU."""
    return float(place.get(SHARE, 0.0))


def _visible(gpus: int) -> list[str]:
    """Names of the GPUs that this process may use: all, or those of CUDA_VISIBLE_DEVICES."""
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:gpus] or [str(number) for number in range(gpus)]


def _cores() -> int:
    """Cores that this process may use, which may be fewer than the machine's."""
    import joblib  # noqa: PLC0415 - only what trains needs it

    return max(1, int(min(joblib.cpu_count(), float(os.environ.get(CORES, "inf")))))
