"""Trainings side by side: one place each, retried where a process died of no fault of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from truefit.child import Ending, Job
from truefit.config import Tree
from truefit.trainer import Trainer, Training

Place = dict[str, str]  # the environment that pins a training to its device
Key = TypeVar("Key")


def places(search: Tree, runtime: Tree, gpus: int) -> list[Place]:
    """Where trainings may run side by side: one entry for each, at most `window` of them.

    `search.workers: auto` takes every GPU, or as many as the cores allow threads.
    """
    share = search["trials_per_gpu"]
    if gpus:
        names = [gpu for _ in range(share) for gpu in _visible(gpus)]
    else:
        names = [""] * max(1, _cores() // runtime["threads"])
    wanted = search["window"]
    if search["workers"] != "auto":
        wanted = min(wanted, search["workers"])
        names = [names[i % len(names)] for i in range(wanted)]
    names = names[:wanted]
    return [_on_gpu(name, names.count(name)) if name else {} for name in names]


@dataclass
class Pool(Generic[Key]):
    """A trainer with a limited number of places."""

    trainer: Trainer
    free: list[Place]
    retries: int
    say: Callable[[str], None]
    again: Callable[[Key], None] = lambda _: None
    sampled: Callable[[Key, Tree], None] = lambda *_: None
    running: dict[Training, tuple[Key, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What the trainer measures is told by key."""
        if self.trainer:
            self.trainer.sampled = lambda training, values: self.sampled(
                self.running[training][0], values
            )

    def start(self, key: Key, job: Job) -> None:
        """Begin a training at a free place."""
        self.running[self.trainer.start(job, self.free.pop(0))] = (key, 0)

    def wait(self) -> Iterator[tuple[Key, Training, Tree | Ending]]:
        """What happens next: epochs, and endings that are not tried again.

        A retry is the same job with the same seed; its epochs start at 1 again.
        """
        for training, event in self.trainer.wait():
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


def _on_gpu(gpu: str, share: int) -> Place:
    """One GPU and as much of its memory as is needed, so that several trainings can share it."""
    return {
        "CUDA_VISIBLE_DEVICES": gpu,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as the driver's tools count
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / share:.2f}",
    }


def _visible(gpus: int) -> list[str]:
    """Names of the GPUs that this process may use: all, or those of CUDA_VISIBLE_DEVICES."""
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return named[:gpus] or [str(number) for number in range(gpus)]


def _cores() -> int:
    """Cores that this process may use, which may be fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
