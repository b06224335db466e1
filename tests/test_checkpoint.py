"""A training that was killed goes on, and ends with the weights of one that was not."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, copy_project, not_none, run
from results import result_from

from truefit.core.resolved import dump
from truefit.datasets.prepare import prepare, read_source
from truefit.stages.compose import resolve
from truefit.training.checkpoint import Checkpoint
from truefit.training.events import Epoch, Left
from truefit.training.process.child import Ending, Job
from truefit.training.process.trainer import Trainer

PREPARED = Path("data/prepared")
CHECKPOINT = Path("checkpoint.npz")
KILLS = 20
# Dropout, augmentation, a rate that falls on plateaus, steps of several batches, averaged weights
# and early stopping, each with a state.
SETTINGS: dict[str, Any] = {
    "augmentation": "images",
    "optimizer": "adamw",
    "set": {
        "model": {"dropout": 0.3},
        "augmentation": {"mixup": 0.2, "rotation": 0.05},
        "optimizer": {"use_ema": True, "ema_momentum": 0.9},
        "training": {
            "epochs": 30,
            "patience": 8,
            "schedule": "plateau",
            "accumulate": 3,
            "decay": {"factor": 0.5, "epochs": 2},
        },
        "search": {"n_trials": 0},
    },
}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """A training on digits, in the working directory."""
    folder = copy_project(tmp_path_factory.mktemp("checkpoint") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        config = resolve(SETTINGS)
        (folder / "params.yaml").write_text(dump({**SETTINGS, "path": "data/raw"}))
        prepare(read_source(config["data"], 0), config["data"], "classes", 0, PREPARED)
        yield Job(config, PREPARED, 3, checkpoint=CHECKPOINT, gaps=True)


@pytest.fixture(scope="module")
def trainer(job: Job) -> Iterator[Trainer]:
    with Trainer("tensorflow", "cpu") as started:
        yield started


@pytest.fixture(scope="module")
def undisturbed(job: Job, trainer: Trainer) -> Ending:
    return trainer.run(replace(job, checkpoint=None), lambda _: None)


def killed(trainer: Trainer, job: Job, after: float) -> Ending:
    """How a training ends whose process is killed so many seconds after its first sign."""
    training = trainer.start(job)
    deadline = float("inf")
    while True:
        for _, event in trainer.wait(0.01):
            if isinstance(event, Ending):
                return event
        deadline = min(deadline, time.monotonic() + after) if training.helloed else deadline
        if time.monotonic() > deadline:
            training.process.kill()
            deadline = float("inf")


@pytest.mark.slow
def test_kills_change_no_weight(job: Job, trainer: Trainer, undisturbed: Ending) -> None:
    """Killed at 20 random moments and begun again, it ends bit for bit as if nothing had been."""
    moments = random.Random(0)
    kills, resumed = 0, set[int]()
    while kills < KILLS:
        CHECKPOINT.unlink(missing_ok=True)
        while (ending := killed(trainer, job, moments.uniform(0, 3))).state == "crashed":
            kills += 1
        resumed.add(not_none(result_from(ending).resumed_after))

        assert result_from(ending).weights_sha256 == result_from(undisturbed).weights_sha256
        assert ending.history == undisturbed.history
        assert result_from(ending).best_val_loss == result_from(undisturbed).best_val_loss

    assert max(resumed) > 5
    rates = {row["learning_rate"] for row in undisturbed.history}
    assert len(rates) > 1


@pytest.mark.slow
@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 torn"])
def test_a_checkpoint_that_cannot_be_read_is_none(
    job: Job, trainer: Trainer, undisturbed: Ending, broken: bytes
) -> None:
    """What a full disk or a power cut left is passed over, and the training begins anew."""
    CHECKPOINT.write_bytes(broken)

    ending = trainer.run(job, lambda _: None)

    assert result_from(ending).resumed_after == 0
    assert result_from(ending).weights_sha256 == result_from(undisturbed).weights_sha256


@pytest.mark.slow
def test_a_disk_that_is_full_ends_no_training(
    job: Job, trainer: Trainer, undisturbed: Ending
) -> None:
    """Where no checkpoint can be written the training goes on without."""
    blocked = Path("blocked")
    blocked.write_text("a file where a folder should be")

    ending = trainer.run(replace(job, checkpoint=blocked / "checkpoint.npz"), lambda _: None)

    assert result_from(ending).weights_sha256 == result_from(undisturbed).weights_sha256


@pytest.mark.slow
def test_a_killed_stage_goes_on(job: Job) -> None:
    """After `kill -9` the train stage goes on, says so, and ends as one that was not killed."""
    for stage in ("compose", "preprocess", "search"):
        done = run("python", f"pipelines/{stage}.py")
        assert done.returncode == 0, done.stderr
    places = Path(".truefit/checkpoints")
    environment = {**os.environ, "PYTHONPATH": "src"}
    begun = subprocess.Popen([sys.executable, "pipelines/train.py"], env=environment)
    while not list(places.glob("[!.]*.npz")):
        assert begun.poll() is None
        time.sleep(0.05)
    begun.kill()
    begun.wait()

    done = run("python", "pipelines/train.py")
    trained = json.loads(Path("outputs/train/run.json").read_text())

    assert done.returncode == 0, done.stderr
    assert "before it was interrupted)" in done.stdout
    assert trained["resumed_after"] > 0
    assert list(places.iterdir()) == []
    assert run("python", "pipelines/train.py").returncode == 0
    again = json.loads(Path("outputs/train/run.json").read_text())
    assert again["resumed_after"] == 0
    assert again["weights_sha256"] == trained["weights_sha256"]


def test_what_is_not_there_is_no_state(tmp_path: Path) -> None:
    """Without a file nothing is told and nothing restored."""
    told: list[Any] = []

    def on_epoch(event: Epoch | Left) -> bool:
        told.append(event)
        return False

    assert Checkpoint(tmp_path / "none.npz").load(on_epoch) is None
    np.savez(tmp_path / "other.npz", state=np.array([1]))
    assert Checkpoint(tmp_path / "other.npz").load(on_epoch) is None
    assert told == []
