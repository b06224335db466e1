"""A model that would be lost by saving it is refused before anything is trained."""

from __future__ import annotations

import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import unsaved
from conftest import ROOT, edit, run

from truefit.tracking.models import REQUIRED
from truefit.training.saved import load_saved, save
from truefit.training.survival import lost_by_saving
from truefit.verify.environment import dependencies

# Imports what a served model imports, with no packages but those that are named.
BARE = """
import importlib, sys
from importlib.metadata import packages_distributions
from pathlib import Path
from packaging.utils import canonicalize_name

known, wanted = packages_distributions(), set(sys.argv[2:])

class Bare:
    def find_spec(self, name, path=None, target=None):
        of = {canonicalize_name(one) for one in known.get(name.partition(".")[0], [])}
        if of and not of & {"truefit", *wanted}:
            raise ModuleNotFoundError(f"no {name}", name=name)

sys.meta_path.insert(0, Bare())
models = sorted(file.stem for file in Path(sys.argv[1]).glob("[!_]*.py"))
ours = ["serving.pyfunc", "training.saved", "training.raw"]
for module in [*ours, *(f"models.{name}" for name in models)]:
    importlib.import_module(f"truefit.{module}")
"""

ROWS = np.random.default_rng(0).standard_normal((8, 5)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`:UserWarning")
@pytest.mark.parametrize("part", unsaved.KINDS)
def test_a_part_that_is_lost_is_named_in_one_sentence(part: str) -> None:
    """Whatever Keras writes about it, what is lost and the way out fit in one short line."""
    lost = lost_by_saving(unsaved.with_part((5,), 3, part=part), ROWS)

    assert unsaved.KINDS[part][1] in lost
    assert "\n" not in lost
    assert len(lost) < 200


def test_a_model_that_survives_is_not_refused() -> None:
    """Built of Keras' own parts it loads again and predicts the same."""
    assert lost_by_saving(unsaved.with_part((5,), 3, part="relu"), ROWS) == ""


def rewritten(file: Path, config: bytes) -> Path:
    """The model's file with other layers."""
    other = file.with_name("other.keras")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            new.writestr(name, config if name == "config.json" else old.read(name))
    return other


def many_units(config: bytes) -> bytes:
    """A layer with 10^11 units."""
    return re.sub(rb'"units": \d+', b'"units": 100000000000', config)


def no_class(config: bytes) -> bytes:
    """The layers' own entries are missing."""
    return config.replace(b'"layers"', b'"others"')


@pytest.mark.parametrize(
    "change", [lambda _: b"[" * 2**20, lambda _: b"{}", lambda _: b"[]", no_class, many_units]
)
def test_a_file_that_cannot_be_a_model_is_refused_in_one_sentence(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    """Whatever Keras or Python raise about it."""
    file = tmp_path / "model.keras"
    save(unsaved.with_part((5,), 3, part="relu"), file)
    with zipfile.ZipFile(file) as stored:
        config = stored.read("config.json")

    with pytest.raises(ValueError, match=r"^\w.{10,300}$"):
        load_saved(rewritten(file, change(config)))
    assert load_saved(rewritten(file, config)).count_params()


@pytest.mark.slow
@pytest.mark.parametrize(("trials", "stage"), [(1, "search"), (0, "train")])
def test_a_model_that_is_lost_is_refused_before_the_first_trial(
    project: Path, trials: int, stage: str
) -> None:
    """By the search, also for a choice of a later trial, and by a training without a search."""
    part = "relu" if trials else "layer"
    space = "{part: 'choice(relu, activation)'}" if trials else "{}"
    Path("conf/model/own.yaml").write_text(
        f"# own\n_target_: unsaved.with_part\npart: {part}\nspace: {space}\n"
    )
    (project / "unsaved.py").write_text((ROOT / "tests" / "unsaved.py").read_text())
    edit("params.yaml", "model: null", "model: own")
    edit("params.yaml", "  model: {units: 16}\n", "  packages: [unsaved]\n")
    edit("params.yaml", "n_trials: 2", f"n_trials: {trials}")
    python_path = f"{project / 'src'}:{project}"
    for name in ("compose", "preprocess", "search", "train")[: 3 + (stage == "train")]:
        done = run(sys.executable, f"pipelines/{name}.py", PYTHONPATH=python_path, DVC_STAGE=name)
        if name != stage:
            assert done.returncode == 0, done.stderr

    assert done.returncode == 1
    assert "is not registered: write @keras.saving.register" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "trial 0" not in done.stdout
    assert not Path("outputs/train/model.keras").exists()


def test_a_model_is_served_with_the_packages_that_it_names() -> None:
    """MLflow makes an environment of the recorded requirements, where no pipeline is installed."""
    models = ROOT / "src/truefit/models"

    done = run(
        sys.executable, "-c", BARE, str(models), *sorted(dependencies(*REQUIRED)),
        PYTHONPATH=str(ROOT / "src"), KERAS_BACKEND="tensorflow",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-600:]
