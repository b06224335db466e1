"""What a `_target_` may name: in the configuration, in a training, in another's record."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from truefit.core.allowed import (
    CROSSOVER,
    HOLD_CODE,
    PARTS,
    PLACES,
    PRUNER,
    SAMPLER,
    Offered,
    fault,
    is_importable,
)
from truefit.core.errors import UserError
from truefit.core.signatures import signature
from truefit.core.targets import make
from truefit.serving.promote import _require_known
from truefit.stages.compose import resolve

RUNS_CODE = [
    "keras.src.utils.python_utils.func_load",
    "keras.saving.load_model",
    "keras.saving.deserialize_keras_object",
    "keras.optimizers.deserialize",
    "keras.optimizers.get",
    "keras.utils.get_file",
    "keras.utils.os.system",
    "keras.callbacks.CSVLogger",
    "keras.layers.Lambda",
    "keras.layers.TFSMLayer",
    "sklearn.utils._testing._delete_folder",
    "sklearn.datasets.load_files",
    "optuna.version",
    "optuna.samplers.nsgaii",
    "optuna.delete_study",
    "optuna.samplers._base.BaseSampler",
    "truefit.stages.preprocess.preprocess",
    "truefit.core.files.write_text",
    "truefit.cli.app",
    "os.system",
    "builtins.eval",
    "",
    "..",
    "keras",
]


@pytest.mark.parametrize("target", RUNS_CODE)
@pytest.mark.parametrize("place", [*PLACES, "optimizer.learning_rate", "model.body[0].x"])
def test_what_runs_other_code_stands_nowhere(place: str, target: str) -> None:
    """Neither the place's kind nor a part of one: refused with key, expectation and target."""
    said = fault(place, target, ["ourcompany"])

    assert said is not None
    assert said.startswith(f"{place}._target_: expected ")
    assert f"received {target!r}" in said


@pytest.mark.parametrize(
    "kind", [*PARTS, SAMPLER, CROSSOVER, PRUNER], ids=lambda kind: str(kind.module)
)
def test_the_source_tells_what_importing_tells(kind: Offered) -> None:
    """A public module offers its subclasses of the base, and nothing else that it holds."""
    module: Any = importlib.import_module(kind.module)
    base = getattr(module, kind.base)
    place = {"optuna.pruners": "pruner"}.get(kind.module, "optimizer.x")
    place = "search.sampler.x" if kind.module.startswith("optuna.samplers") else place

    real = {
        name
        for name, one in vars(module).items()
        if isinstance(one, type) and issubclass(one, base) and one is not base
    }
    allowed = {name for name in dir(module) if fault(place, f"{kind.module}.{name}", ()) is None}

    assert allowed == {name for name in real if not name.startswith("_")} - HOLD_CODE
    assert len(allowed) > 4


@pytest.mark.parametrize(
    ("place", "target", "expected"),
    [
        ("optimizer", "keras.optimizers.Adm", "`keras.optimizers.Adam`"),
        ("optimizer", "keras.layers.Dense", "a class of keras.optimizers"),
        ("pruner", "optuna.pruner.MedianPruner", "`optuna.pruners.MedianPruner`"),
        ("search.sampler", "optuna.pruners.MedianPruner", "a class of optuna.samplers"),
        ("model", "truefit.models.mlp.mlpp", "`truefit.models.mlp.mlp`"),
        ("model", "truefit.training.tasks.auto", "(input_shape, num_outputs)"),
        ("data", "truefit.datasets.frames.cvs", "`truefit.datasets.frames.csv`"),
        ("task", "truefit.models.mlp.mlp", "a function of truefit.training.tasks"),
    ],
)
def test_a_refusal_names_the_place_and_the_nearest(place: str, target: str, expected: str) -> None:
    """What was expected there, and the name that was probably meant."""
    assert expected.strip("()") in str(fault(place, target, ()))


def test_own_code_may_stand_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that a package of the user's defines, and not what it happens to import."""
    (tmp_path / "atelier").mkdir()
    (tmp_path / "atelier" / "__init__.py").write_text("from atelier.nets import wide\n")
    (tmp_path / "atelier" / "nets.py").write_text(
        "import os\nfrom subprocess import run\n\ndef wide(input_shape, num_outputs):\n"
        "    return (input_shape, num_outputs)\n\ndef _hidden(): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    for place in PLACES:
        assert fault(place, "atelier.nets.wide", ["atelier"]) is None
        assert fault(place, "atelier.wide", ["atelier"]) is None
        assert "not yours" in str(fault(place, "atelier.nets.run", ["atelier"]))
        assert "cannot be found" in str(fault(place, "atelier.nets.os.system", ["atelier"]))
        assert "does not begin with" in str(fault(place, "atelier.nets._hidden", ["atelier"]))
        assert "not allowed" in str(fault(place, "atelier.nets.wide", []))
    made = make({"_target_": "atelier.wide"}, "model", ["atelier"], input_shape=(3,), num_outputs=1)
    assert made == ((3,), 1)


@pytest.mark.parametrize(
    "block",
    [
        {"_target_": "keras.saving.load_model", "filepath": "x.keras", "safe_mode": False},
        {"_target_": "keras.optimizers.SGD", "learning_rate": {"_target_": "os.getcwd"}},
        {"_target_": "keras.optimizers.SGD", "clipnorm": [{"_target_": "builtins.exit"}]},
        {"_target_": "optuna.version"},
    ],
)
def test_one_check_holds_everywhere(project: Path, block: dict[str, Any]) -> None:
    """Compose, the call itself (in a training's own process too), and a record of others."""
    with pytest.raises(UserError, match=r"optimizer.*_target_: expected"):
        resolve({"set": {"optimizer": block}})
    with pytest.raises(UserError, match=r"optimizer.*_target_: expected"):
        make(block, "optimizer")
    ours, theirs = resolve({}), resolve({})
    theirs |= {"optimizer": block, "packages": ["os", "builtins"]}
    with pytest.raises(UserError, match=r"run 7: optimizer.*_target_: expected"):
        _require_known(ours, theirs, "7")


@pytest.mark.filterwarnings("ignore:PatientPruner is experimental")
def test_nested_parts_are_made() -> None:
    """A schedule in an optimizer, a pruner in a pruner, however deep, also in lists."""
    optimizer = make(
        {
            "_target_": "keras.optimizers.SGD",
            "learning_rate": {
                "_target_": "keras.optimizers.schedules.CosineDecay",
                "initial_learning_rate": 0.5,
                "decay_steps": 10,
            },
        },
        "optimizer",
    )
    inner = {"_target_": "optuna.pruners.MedianPruner"}
    pruner = make(
        {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": inner, "patience": 2},
        "pruner",
    )

    assert float(optimizer.learning_rate) == pytest.approx(0.5)
    assert type(pruner._wrapped_pruner).__name__ == "MedianPruner"


def test_a_module_is_no_function() -> None:
    """A package that imports a module of its own is not followed in a circle."""
    with pytest.raises(LookupError, match="is a module"):
        signature("optuna.samplers.nsgaii")


@pytest.mark.parametrize(
    ("module", "is_ours"),
    [
        ("truefit.training.raw", True),
        ("truefit.models.speech", True),
        ("atelier.nets", True),
        ("truefit.cli", False),
        ("sklearn.conftest", False),
        ("keras.src.utils.python_utils", False),
        ("antigravity", False),
        ("atelier._hidden", False),
    ],
)
def test_a_saved_model_imports_its_layers_alone(module: str, is_ours: bool) -> None:
    """The modules that truefit itself lists for a model, and the user's own packages."""
    assert is_importable(module, ["atelier"]) is is_ours


def test_every_target_in_use_is_allowed() -> None:
    """Those that conf/ and the pages name; composing tries each file too."""
    named = (ROOT / "docs").glob("*.md"), (ROOT / "conf").rglob("*.yaml")
    texts = [file.read_text() for files in named for file in files]
    found = {
        line.partition("_target_:")[2].split("#")[0].strip()
        for text in texts
        for line in text.splitlines()
        if line.strip().startswith("_target_: ")
    }
    mine = {"truefit.models.wide.wide"}  # docs/own-model.md makes it

    refused = [
        target
        for target in sorted(found - mine)
        if all(fault(place, target, ["ourcompany"]) for place in PLACES)
        and not target.startswith("ourcompany.")
    ]

    assert refused == []
    assert len(found) > 40
