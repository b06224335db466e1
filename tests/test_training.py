from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from conftest import ROOT, copy_project
from results import result_from

from truefit.core.prepared.folder import read_split
from truefit.core.resolved import load, override
from truefit.core.targets import make
from truefit.evaluation.scores import classification
from truefit.evaluation.scoring.classification import probabilities
from truefit.search.samplers import samplers
from truefit.search.space import parse_space
from truefit.search.window import Window
from truefit.stages.compose import compose, resolve
from truefit.stages.preprocess import preprocess
from truefit.training.building import thaw
from truefit.training.process import training as module
from truefit.training.process.child import Ending, Job, _end
from truefit.training.process.trainer import Trainer

FAULTY = str(Path(__file__).parent)


def names(group: str) -> list[str]:
    return sorted(file.stem for file in (ROOT / "conf" / group).glob("[!_]*.yaml"))


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One prepared project for all tests here, as the working directory."""
    folder = copy_project(tmp_path_factory.mktemp("training") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        # The fork server hands its own path on to the children.
        patch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{FAULTY}")
        compose()
        preprocess()
        yield folder


@pytest.fixture(scope="module")
def trainer(prepared: Path) -> Iterator[Trainer]:
    with Trainer("tensorflow", "cpu") as started:
        yield started


def job(seed: int = 0, save_to: Path | None = None, **values: Any) -> Job:
    config = override(load(), {key.replace("__", "."): value for key, value in values.items()})
    return Job(config, Path("data/prepared"), seed, save_to)


def faulty(name: str) -> Job:
    own = {"packages": ["faulty"], "model": {"_target_": f"faulty.{name}"}}
    return Job(override(load(), own), Path("data/prepared"), 0)


def run(trainer: Trainer, what: Job) -> Ending:
    return trainer.run(what, lambda _: None)


def test_the_same_seed_gives_the_same_weights(trainer: Trainer) -> None:
    """A training is decided by its configuration, data and seed, bit for bit."""
    first, again, other = (run(trainer, job(seed)) for seed in (5, 5, 6))

    assert first.state == "complete", first.reason
    assert result_from(first).weights_sha256 == result_from(again).weights_sha256
    assert first.history == again.history
    assert result_from(first).weights_sha256 != result_from(other).weights_sha256


def test_the_saved_model_takes_raw_rows_and_gives_what_was_measured(
    trainer: Trainer, tmp_path: Path
) -> None:
    """Loaded in safe mode it reproduces the measured losses: the gap is this model's gap."""
    ending = run(trainer, job(save_to=tmp_path / "model.keras"))

    losses = losses_of(tmp_path / "model.keras")

    assert losses["validation"] == pytest.approx(result_from(ending).best_val_loss, rel=1e-4)
    assert losses["train"] == pytest.approx(result_from(ending).train_loss_at_best, rel=1e-4)
    assert result_from(ending).gap == pytest.approx(
        losses["validation"] - losses["train"], abs=1e-5
    )


def losses_of(file: Path) -> dict[str, float]:
    """What a saved model, loaded in safe mode, loses on raw rows."""
    model = keras.saving.load_model(file, compile=False, safe_mode=True)
    losses = {}
    for name in ("train", "validation"):
        split = read_split(Path("data/prepared"), name)
        predicted = probabilities(model.predict(split.x, verbose=0))
        ones = np.ones((1, len(split.y)))
        losses[name] = classification(split.y, predicted, ones, binary=False)["loss"][0]
        assert predicted.sum(axis=1) == pytest.approx(1, abs=1e-5)
    return losses


def test_the_best_epoch_is_restored(trainer: Trainer) -> None:
    """With a large step size later epochs are worse, and the best one is what is reported."""
    ending = run(
        trainer, job(optimizer__learning_rate=0.1, training__epochs=6, training__patience=5)
    )
    losses = [row["val_loss"] for row in ending.history]

    assert result_from(ending).best_epoch == int(np.argmin(losses)) + 1 < len(losses)
    assert result_from(ending).best_val_loss == pytest.approx(min(losses), rel=1e-5)


def test_penalties_do_not_count_as_loss(trainer: Trainer) -> None:
    """The measured losses are those of the data: a heavy penalty does not make them large."""
    model = {"_target_": "truefit.models.linear.linear", "l2": 0.5}
    ending = run(trainer, Job(override(load(), {"model": model}), Path("data/prepared"), 0))
    kept = ending.history[result_from(ending).best_epoch - 1]

    assert result_from(ending).best_val_loss == pytest.approx(kept["val_loss"], rel=1e-5)
    assert result_from(ending).best_val_loss < kept["loss"] - 0.1


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("segfaults", "crashed", "SIGSEGV"),
        ("is_killed", "crashed", "SIGKILL"),
        ("leaves", "crashed", "exit code 3"),
        ("raises", "error", "no such layer"),
        ("does_not_fit", "error", "this model takes text, received (8, 8, 1)"),
        ("gives_nan", "diverged", "loss=nan"),
    ],
)
def test_every_ending_has_its_class_and_reason(
    trainer: Trainer, name: str, state: str, reason: str
) -> None:
    """Whatever a model does, the supervisor goes on and says what happened."""
    ending = run(trainer, faulty(name))

    assert (ending.state, ending.result) == (state, None)
    assert reason in ending.reason


def test_time_that_the_supervisor_was_away_does_not_count(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training is not timed out because nobody listened, as while a database is away."""
    monkeypatch.setattr(module, "GRACE", 1.0)
    asked = job(training__time_limit=8.0, training__epochs=4)
    trainer.start(replace(asked, asks=True))
    while True:
        for training, event in trainer.wait():
            if isinstance(event, Ending):
                assert (event.state, len(event.history)) == ("complete", 4)
                return
            if event.number == 2:
                time.sleep(10)  # beyond the limit and its grace
            training.answer(prune=False)


def test_a_message_for_people_comes_without_a_traceback(trainer: Trainer) -> None:
    """A model that does not fit the data says so in one line; a bug keeps its traceback."""
    assert "Traceback" not in run(trainer, faulty("does_not_fit")).reason
    assert "Traceback" in run(trainer, faulty("raises")).reason


def test_a_model_that_sleeps_for_ever_is_ended(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time limit holds even where no epoch ever ends."""
    monkeypatch.setattr(module, "GRACE", 1.0)
    what = faulty("sleeps")
    what.config["training"]["time_limit"] = 1.0

    ending = run(trainer, what)

    assert (ending.state, ending.result, ending.history) == ("timed_out", None, [])
    assert ending.reason.startswith("0 of 3 epochs; then the process did not answer for 1 s")
    assert ending.seconds < 30


def test_a_process_that_hangs_says_how_far_it_had_come(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason has the epochs, the limit, and that no weights could be kept."""
    monkeypatch.setattr(module, "GRACE", 1.0)
    what = job(training__time_limit=10.0)
    what.config["packages"] = ["faulty"]
    what.config["augmentation"] = {"_target_": "faulty.stalls"}

    ending = run(trainer, what)

    assert (ending.state, ending.result, len(ending.history)) == ("timed_out", None, 2)
    assert ending.reason.startswith("2 of 3 epochs; then the process did not answer")
    assert "training.time_limit of 10 s" in ending.reason
    assert "no weights could be kept" in ending.reason


def test_a_training_that_ends_itself_in_order_is_not_killed(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To measure may take longer than a process that hangs is waited for."""
    monkeypatch.setattr(module, "GRACE", 4.0)
    what = faulty("measures_slowly")
    what.config["training"]["time_limit"] = 1e-3

    ending = run(trainer, what)

    assert ending.state == "timed_out"
    assert ending.counts, ending.reason
    assert ending.seconds > 8


def test_a_limit_shorter_than_one_epoch_leaves_a_model(trainer: Trainer, tmp_path: Path) -> None:
    """One step is enough for a result, whose losses are those of the model that is saved."""
    file = tmp_path / "model.keras"
    ending = run(trainer, job(save_to=file, training__time_limit=1e-3, training__epochs=40))

    assert ending.state == "timed_out"
    assert ending.reason == (
        "a part of the first of 40 epochs within training.time_limit of 0.001 s; "
        "another machine may reach others"
    )
    result, losses = result_from(ending), losses_of(file)
    assert [row["epoch"] for row in ending.history] == [result.best_epoch] == [1]
    assert losses["validation"] == pytest.approx(result.best_val_loss, rel=1e-4)
    assert losses["train"] == pytest.approx(result.train_loss_at_best, rel=1e-4)
    assert ending.history[0]["val_loss"] == pytest.approx(result.best_val_loss, rel=1e-5)


def test_a_limit_after_some_epochs_keeps_the_best_so_far(trainer: Trainer) -> None:
    """They are, bit for bit, those of a training of so many epochs without a limit."""
    same: dict[str, Any] = {"training__patience": None, "training__batch_size": 8}
    limited = run(trainer, job(training__time_limit=6.0, training__epochs=10_000, **same))
    epochs = len(limited.history)
    whole = run(trainer, job(training__epochs=epochs, **same))

    assert (limited.state, whole.state) == ("timed_out", "complete")
    assert limited.reason.startswith(f"{epochs} of 10000 epochs within training.time_limit of 6 s")
    assert limited.history == whole.history
    for key in ("weights_sha256", "best_epoch", "best_val_loss", "gap"):
        assert vars(limited.result)[key] == vars(whole.result)[key]


def test_a_limit_that_does_not_pass_changes_nothing(trainer: Trainer) -> None:
    """Looking at the clock between batches changes no weight and no value."""
    free, limited = run(trainer, job()), run(trainer, job(training__time_limit=1000.0))

    assert limited.state == "complete"
    assert limited.history == free.history
    assert result_from(limited).weights_sha256 == result_from(free).weights_sha256


def test_a_child_ends_with_its_supervisor(prepared: Path) -> None:
    """After `kill -9` of the supervisor no process of its trainings is left."""
    code = (
        "from test_training import *\n"
        "if __name__ == '__main__':\n"
        "    with Trainer('tensorflow', 'cpu') as t: run(t, faulty('sleeps'))\n"
    )
    Path("supervise.py").write_text(code)
    path = os.pathsep.join([str(ROOT / "src"), FAULTY])
    supervisor = subprocess.Popen(
        [sys.executable, "supervise.py"], env={**os.environ, "PYTHONPATH": path}
    )
    process = psutil.Process(supervisor.pid)
    deadline = time.monotonic() + 90
    while len(process.children(recursive=True)) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)  # the resource tracker, the fork server and the sleeping child
    children = process.children(recursive=True)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()

    _, alive = psutil.wait_procs(children, timeout=20)

    assert len(children) >= 3
    assert alive == []


def test_fine_tuning_thaws_the_last_frozen_layers_alone() -> None:
    """The last layers of a frozen part learn again, batch normalisation never, the head always."""
    base = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, name="early"),
            keras.layers.Dense(3, name="late"),
            keras.layers.BatchNormalization(name="normal"),
        ]
    )
    base.trainable = False
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="head")(base(inputs)))

    thaw(model, 1)

    learning = {weights.path.split("/")[-2] for weights in model.trainable_weights}
    assert learning == {"late", "head"}


@pytest.mark.parametrize("name", names("optimizer"))
def test_every_optimizer_is_made_as_configured(prepared: Path, name: str) -> None:
    """Each YAML of conf/optimizer gives a Keras optimizer with its learning rate."""
    block = resolve({"set": {"optimizer": name}})["optimizer"]

    made = make(block, "optimizer")

    assert isinstance(made, keras.optimizers.Optimizer)
    assert float(made.learning_rate) == pytest.approx(block["learning_rate"])


@pytest.mark.parametrize("name", names("search"))
def test_every_sampler_is_made_with_a_seed(prepared: Path, name: str) -> None:
    """Each YAML of conf/search names a sampler that suggests the same for the same seed."""
    if name == "gp":
        pytest.importorskip("torch", reason="Optuna's GPSampler needs torch, an extra")
    config = resolve({"set": {"search": name}})["search"]
    space = parse_space(config["space"])

    def draw() -> dict[str, Any]:
        return Window("study", 1, 4, space, samplers(config["sampler"], 7, space), None).suggest()

    assert draw() == draw()


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "out_of_memory"),
        ("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes", "out_of_memory"),
        ("[enforce fail at alloc_cpu.cpp:114] can't allocate memory", "out_of_memory"),
        ("mat1 and mat2 shapes cannot be multiplied", "error"),
    ],
)
def test_memory_that_runs_out_has_a_name_on_every_backend(said: str, state: str) -> None:
    """PyTorch and JAX raise errors of general classes; TensorFlow has one of its own."""

    def train() -> None:
        raise RuntimeError(said)

    assert _end(train, []).state == state
