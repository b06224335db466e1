"""Names of modules before they moved, which conf/, own code and saved models still say."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run

from truefit.core.allowed import fault, is_importable
from truefit.core.moved import current
from truefit.core.targets import make
from truefit.serving import pyfunc


def test_an_old_name_is_the_module_of_the_new_one() -> None:
    """Both names give one module, so that what it registers is registered once."""
    code = (
        "from importlib import import_module as load; from truefit.core.moved import MOVED\n"
        "below = {'truefit.scoring.regression': 'truefit.evaluation.scoring.regression',"
        " 'truefit.augmentation.images': 'truefit.training.augmentation.images'}\n"
        "for old, new in {**MOVED, **below}.items(): assert load(old) is load(new), old"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_an_old_name_is_run_as_the_new_one(project: Path) -> None:
    """The Makefile of a project from before calls a module by its old name."""
    done = run(sys.executable, "-m", "truefit.leftovers", PYTHONPATH=str(ROOT / "src"))

    assert done.returncode == 0, done.stderr


def test_an_old_name_stands_where_the_new_one_may() -> None:
    """A `_target_` of a project's conf/ from before is checked, and called, as the new one."""
    facts = {"target": {"kind": "number", "scale": 1.0}}

    assert fault("task", "truefit.tasks.regression", ()) is None
    assert make({"_target_": "truefit.tasks.regression"}, "task", facts=facts).name == "regression"
    assert fault("model", "truefit.tasks.regression", ()) is not None
    assert is_importable("truefit.raw", ())
    assert not is_importable("truefit.errors", ())


def test_names_that_did_not_move_stay() -> None:
    """Only whole parts of a name are replaced."""
    assert current("truefit.models.mlp.mlp") == "truefit.models.mlp.mlp"
    assert current("truefit.taskset.x") == "truefit.taskset.x"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("truefit.nothing")


def test_models_that_were_logged_before_find_their_loader() -> None:
    """MLflow asks the module that the MLmodel file names, which has become a package."""
    assert importlib.import_module("truefit.serving")._load_pyfunc is pyfunc._load_pyfunc
