from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

SRC = ROOT / "src" / "truefit"
# A module may import from its own level or a lower one; design: pipelines, cli -> search, train,
# evaluation -> trainer, tracking, datasets -> config.
LEVELS = [
    {
        "balance",
        "caps",
        "allowed",
        "errors",
        "endings",
        "evidence",
        "limits",
        "signatures",
        "mapped",
        "preload",
        "progress",
        "readable",
        "scores",
        "student",
        "targets",
        "trees",
        "files",
    },
    {"models", "augmentation", "tasks", "passes", "paths", "schema", "overfitting"},
    {"config", "leftovers"},
    {"experiment"},
    {"choices", "inputs"},
    {"edits"},
    {"datasets", "tracking", "stage", "search.space", "search.variants", "search.check", "report"},
    {
        "building",
        "raw",
        "regularization",
        "serving",
        "samples",
        "saved",
        "compose",
        "usage",
        "ui",
        "server",
    },
    {"kubernetes"},
    {"folds", "fitting"},
    {"checkpoint", "constant"},
    {"training", "scoring", "advice", "leaks", "drift", "symptoms"},
    {"intervals", "yardsticks"},
    {"beside"},
    {"judging"},
    {"cross_validation", "survival"},
    {"child"},
    {"trainer", "forkserver", "tryout"},
    {"search", "train", "repeats", "evaluation"},
    {"verify", "doctor", "promotion", "prediction", "init", "listing", "cleaning"},
    {"comparison", "continuation"},
    {"commands"},
    {"cli"},
]
SOURCES = sorted(SRC.rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [f"truefit.{alias.name}" for alias in node.names]
            yield from names if node.module == "truefit" else [str(node.module)]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def ours(file: Path) -> set[str]:
    return {n.removeprefix("truefit.") for n in imports(file) if n.startswith("truefit.")}


def level(module: str) -> int:
    names = [module, module.split(".", maxsplit=1)[0]]
    return next(i for name in names for i, group in enumerate(LEVELS) if name in group)


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(SRC).with_suffix("").parts)


@pytest.mark.parametrize("file", [f for f in SOURCES if f.name != "__init__.py"], ids=module_of)
def test_imports_go_one_way(file: Path) -> None:
    """No module imports from a level above its own."""
    here = level(module_of(file))

    assert [name for name in ours(file) if name != "__version__" and level(name) > here] == []


@pytest.mark.parametrize(
    "file",
    sorted([*SRC.glob("models/*.py"), *SRC.glob("augmentation/*.py"), SRC / "tasks.py"]),
    ids=module_of,
)
def test_leaf_functions_import_nothing_of_ours(file: Path) -> None:
    """Models and tasks are reached by `_target_` and know only libraries, and tasks a rule."""
    assert ours(file) <= ({"balance"} if file.stem == "tasks" else set())


SOURCES_OF_DATA = [
    "audio",
    "builtin",
    "downloads",
    "frames",
    "generated",
    "images",
    "npz",
    "ratings",
    "text",
]


@pytest.mark.parametrize("name", SOURCES_OF_DATA)
def test_data_sources_import_nothing_of_ours(name: str) -> None:
    """A data source is a function of its arguments; it may rest on others, and on their checks."""
    parts = ("checks", "columns", "delimited", "findings", "folders", "headers", "numerals")
    others = {f"datasets.{part}" for part in (*parts, *SOURCES_OF_DATA)}

    assert ours(SRC / "datasets" / f"{name}.py") <= others


@pytest.mark.parametrize(("package", "rooms"), [("mlflow", {"tracking"}), ("optuna", {"search"})])
def test_one_room_imports_the_library(package: str, rooms: set[str]) -> None:
    """Only tracking/ imports MLflow, only search/ imports Optuna."""
    users = {
        module_of(file).partition(".")[0]
        for file in SOURCES
        if any(name.split(".")[0] == package for name in imports(file))
    }

    assert users == rooms


@pytest.mark.parametrize("file", sorted(SRC.glob("models/*.py")), ids=module_of)
def test_models_use_keras_alone(file: Path) -> None:
    """A model runs on every backend because it names none, but for torch_mlp, which is torch's."""
    allowed = {"keras", "math", "typing", "annotated_types", "__future__"}
    allowed |= {"torch"} if file.stem == "torch_mlp" else set()

    assert {name.split(".")[0] for name in imports(file)} <= allowed


@pytest.mark.parametrize("file", sorted(ROOT.glob("pipelines/*.py")), ids=lambda f: f.stem)
def test_stages_are_short(file: Path) -> None:
    """A stage is one call into the library."""
    assert len(file.read_text().splitlines()) <= 15


def test_packages_export_nothing() -> None:
    """No `__init__` re-exports, which would tie modules into cycles."""
    texts = {module_of(file): file.read_text() for file in SOURCES if file.name == "__init__.py"}

    assert {name for name, text in texts.items() if text.strip()} == {"__init__"}
