"""A training's state at an epoch's end, so that one that was killed goes on from there."""

from __future__ import annotations

import json
import random
import sys
import time
import zipfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from truefit.core.files import replacing
from truefit.training.early_stopping import Best
from truefit.training.events import Emit, Epoch, Left
from truefit.training.fitting import Fit, Progress

SHARE = 0.05  # of a training's time goes into checkpoints at most; epochs of milliseconds skip some
RandomState = dict[str, list[Any]]  # of each library that draws, in its own form


@dataclass(frozen=True)
class Stored:
    """What a killed training left: its state after `epochs`."""

    arrays: dict[str, np.ndarray]
    progress: Progress
    random: RandomState

    @property
    def epochs(self) -> int:
        """How many epochs it finished."""
        return self.progress.epochs

    @property
    def fine(self) -> bool:
        """Whether frozen layers were learning too."""
        return self.progress.fine

    def restore(self, fit: Fit) -> None:
        """`fit`, which has begun the same phase, is as it was."""
        fit.restore(self.arrays, self.progress)
        _set_random_state(self.random)


@dataclass
class Checkpoint:
    """The state of one training in one file, which each `save` replaces whole."""

    file: Path
    _told: list[Epoch] = field(default_factory=list)
    _spent: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def save(self, fit: Fit) -> None:
        """Keep the state of `fit` after an epoch, unless checkpoints have had their share of time.

        A disk that takes no checkpoint ends no training.
        """
        started = time.monotonic()
        if self._spent > SHARE * (started - self._began):
            return
        arrays, state = fit.state()
        known = {
            "fit": asdict(state),
            "events": [{"epoch": one.number, "logs": one.logs} for one in self._told],
            "random": _random_state(),
        }
        try:
            with replacing(self.file) as building, building.open("wb") as opened:
                np.savez(opened, allow_pickle=False, state=json.dumps(known), **arrays)
        except OSError as error:
            print(f"note: no checkpoint from here on: {error}", file=sys.stderr, flush=True)
            self._spent = float("inf")
        self._spent += time.monotonic() - started

    def load(self, emit: Emit) -> Stored | None:
        """What `save` kept last, its epochs told once more; `None` where nothing is to be read."""
        try:
            with np.load(self.file, allow_pickle=False) as stored:
                arrays = dict(stored)
            known = json.loads(str(arrays.pop("state")))
            told = [Epoch(one["epoch"], one["logs"]) for one in known["events"]]
            bests = {name: Best(**known["fit"][name]) for name in ("best", "plateau")}
            fit = known["fit"] | bests
            kept = Stored(arrays, Progress(**fit), known["random"])
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None  # torn by a full disk or a power cut, or of another version
        self._told = told
        for event in told:
            emit(event)
        return kept

    def noting(self, emit: Emit) -> Emit:
        """`emit`, each event kept for a training that goes on from here; not its pictures."""

        def note(event: Epoch | Left) -> bool:
            if isinstance(event, Epoch):
                self._told.append(replace(event, sample=None))
            return emit(event)

        return note


def _random_state() -> RandomState:
    """The states of Python's, NumPy's and torch's generators, which layers of others may use."""
    version, numbers, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - it is what others use
    found: RandomState = {
        "python": [version, list(numbers), gauss],
        "numpy": [name, np.asarray(keys).tolist(), *rest],
    }
    if torch := _torch():
        found["torch"] = torch.get_rng_state().tolist()
        found["cuda"] = [one.tolist() for one in torch.cuda.get_rng_state_all()]
    return found


def _set_random_state(state: RandomState) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))  # noqa: NPY002 - as above
    if torch := _torch():
        torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
        torch.cuda.set_rng_state_all([torch.tensor(s, dtype=torch.uint8) for s in state["cuda"]])


def _torch() -> ModuleType | None:
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    if keras.backend.backend() != "torch":
        return None
    import torch  # noqa: PLC0415

    found: ModuleType = torch
    return found
