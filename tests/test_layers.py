"""The rooms of src/truefit: which one may import from which, and what each may import at all."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest
from conftest import ROOT

from truefit.core.reached import PACKAGE, imports

# A room imports from itself and from the rooms below it; docs/architecture.md says what is in each.
ROOMS = [
    "cli",
    "commands",
    "verify",
    "serving",
    "stages",
    "evaluation",
    "search",
    "training",
    "tracking",
    "config",
    "datasets",
    "models",
    "core",
]
SOURCES = sorted(file for file in PACKAGE.rglob("*.py") if file.name != "__init__.py")
LIBRARIES = [("mlflow", {"tracking"}), ("optuna", {"search"})]


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


def room_of(module: str) -> str:
    return module.partition(".")[0]


def libraries(file: Path) -> set[str]:
    """The first names of what a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    named = {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in plain | named}


@pytest.mark.parametrize("file", SOURCES, ids=module_of)
def test_imports_go_one_way(file: Path) -> None:
    """A module imports from its own room and from rooms below it."""
    below = ROOMS[ROOMS.index(room_of(module_of(file))) :]

    assert [name for name in imports(file) if room_of(name) not in below] == []


def test_an_import_for_mypy_alone_does_not_run(tmp_path: Path) -> None:
    """What stands under `if TYPE_CHECKING:` is no import of the module; all others are."""
    file = tmp_path / "module.py"
    file.write_text(
        "if TYPE_CHECKING:\n    from truefit.core.trees import get\n"
        "else:\n    from truefit.core.files import write_text\n"
        "def late():\n    from truefit.core.words import VerdictName\n"
    )

    assert {*imports(file)} == {"core.files", "core.words"}


def test_the_schema_runs_in_its_own_room_alone() -> None:
    """Other rooms read its types and do not run it, so that its edit runs no stage again."""
    users = {room_of(module_of(file)) for file in SOURCES if "config.schema" in imports(file)}

    assert users == {"config"}


def test_no_module_imports_itself() -> None:
    """Within a room too, imports make no circle."""
    graph = {module_of(file): set(imports(file)) for file in SOURCES}

    assert len([*graphlib.TopologicalSorter(graph).static_order()]) == len(SOURCES)


def test_every_module_has_a_room() -> None:
    """Nothing but the command line lies beside the rooms."""
    assert {room_of(module_of(file)) for file in SOURCES} == set(ROOMS)
    assert [file.name for file in SOURCES if file.parent == PACKAGE] == ["cli.py"]


@pytest.mark.parametrize(
    "file",
    sorted([*PACKAGE.glob("models/*.py"), *PACKAGE.glob("training/augmentation/*.py")]),
    ids=module_of,
)
def test_models_and_augmentations_import_nothing_of_ours(file: Path) -> None:
    """They are reached by `_target_` and know only libraries."""
    assert [*imports(file)] == []


def test_tasks_import_one_rule() -> None:
    """A task is reached by `_target_` too, and knows which score a classifier shows first."""
    assert {*imports(PACKAGE / "training/tasks.py")} == {"core.balance"}


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
    parts = (
        "checks", "delimited", "features", "folders", "headers", "layouts", "lines", "numerals",
        "parquets", "signs", "target_columns",
    )  # fmt: skip
    others = {f"datasets.{part}" for part in (*parts, *SOURCES_OF_DATA)}
    records = {"core.prepared.columns", "core.prepared.findings"}

    assert {*imports(PACKAGE / "datasets" / f"{name}.py")} <= others | records


@pytest.mark.parametrize(("package", "rooms"), LIBRARIES)
def test_one_room_imports_the_library(package: str, rooms: set[str]) -> None:
    """Only tracking/ imports MLflow, only search/ imports Optuna."""
    users = {room_of(module_of(file)) for file in SOURCES if package in libraries(file)}

    assert users == rooms


@pytest.mark.parametrize("file", sorted(PACKAGE.glob("models/*.py")), ids=module_of)
def test_models_use_keras_alone(file: Path) -> None:
    """A model runs on every backend because it names none, but for torch_mlp, which is torch's."""
    allowed = {"keras", "math", "typing", "collections", "annotated_types", "__future__"}
    allowed |= {"torch"} if file.stem == "torch_mlp" else set()

    assert libraries(file) <= allowed


@pytest.mark.parametrize("file", sorted(ROOT.glob("pipelines/*.py")), ids=lambda f: f.stem)
def test_stages_are_short(file: Path) -> None:
    """A stage's script is one call into the library."""
    assert len(file.read_text().splitlines()) <= 15


def test_packages_export_nothing() -> None:
    """No `__init__` re-exports, which would tie modules into cycles.

    The package's own has the version and the old names; serving's has the loader that models which
    were logged before it was a package name.
    """
    texts = {module_of(f): f.read_text() for f in PACKAGE.rglob("__init__.py")}

    assert {name for name, text in texts.items() if text.strip()} == {
        "__init__",
        "serving.__init__",
    }
