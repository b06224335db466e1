"""dvc.yaml names what each stage uses: code by following imports, configuration by reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from test_layers import imports

from truefit.core.resolved import read_yaml

SRC = ROOT / "src"
# They refuse, record, show or word what was computed, and do not change it: an edit need not train
# again.
SPECTATORS = {
    "__init__", "allowed", "choices", "cli", "errors", "files", "inputs", "paths", "preload",
    "progress", "report.plots", "report.summary", "signatures", "stage", "tracking", "trees", "ui",
    "usage",
}  # fmt: skip
STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]


def file_of(module: str) -> Path | None:
    base = SRC.joinpath(*module.split("."))
    return next((f for f in (base.with_suffix(".py"), base / "__init__.py") if f.is_file()), None)


def used_by(script: Path) -> set[Path]:
    """Every file of ours that the script imports, directly or not."""
    seen: set[Path] = set()
    queue = [script]
    while queue:
        for name in imports(queue.pop()):
            file = file_of(name) if name.startswith("truefit") else None
            if file and file not in seen and not is_spectator(name):
                seen.add(file)
                queue.append(file)
    return seen


def is_spectator(module: str) -> bool:
    short = module.removeprefix("truefit.")
    return any(short == name or short.startswith(f"{name}.") for name in SPECTATORS)


def dependencies(stage: str) -> list[Path]:
    return [ROOT / name for name in STAGES[stage]["deps"] if "$" not in name]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_runs(stage: str) -> None:
    """Every module that the stage's script reaches is among its dependencies, or a spectator."""
    listed = dependencies(stage)
    used = used_by(ROOT / f"pipelines/{stage}.py")

    missing = [f for f in used if not any(f == d or d in f.parents for d in listed)]

    assert used
    assert [str(f.relative_to(ROOT)) for f in missing] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_nothing_that_is_not_there(stage: str) -> None:
    """No dependency of code is left over from a file that moved."""
    code = [d for d in dependencies(stage) if d.is_relative_to(SRC) or d.parent.name == "pipelines"]

    assert [str(d) for d in code if not d.exists()] == []


@pytest.mark.parametrize("stage", [s for s in STAGES if s != "compose"])
def test_parameters_exist_for_every_choice(stage: str) -> None:
    """Each key that a stage lists stands in resolved.yaml, so no choice makes DVC fail."""
    resolved = read_yaml(ROOT / "resolved.yaml")
    keys = STAGES[stage]["params"][0]["resolved.yaml"]
    known = {
        *resolved,
        "task.target",
        "evaluation.repeats",
        *(f"search.{key}" for key in resolved["search"]),
    }

    assert set(keys) <= known


def test_what_changes_no_result_does_not_search_again() -> None:
    """The stage leaves out those keys of the search, and only those, that no result shows."""
    resolved = read_yaml(ROOT / "resolved.yaml")
    keys = STAGES["search"]["params"][0]["resolved.yaml"]

    left_out = {key for key in resolved["search"] if f"search.{key}" not in keys}

    assert left_out == {"engine", "lease", "workers", "trials_per_gpu", "retries"}


def test_evaluate_depends_on_the_models() -> None:
    """A saved model's layers and the judge of generated rows come from there, by `_target_`."""
    named = [read_yaml(file) for file in (ROOT / "conf/task").glob("*.yaml")]
    judges = [task["judge"]["_target_"].rpartition(".")[0] for task in named if "judge" in task]

    files = [file_of(module) for module in judges]

    assert files
    assert {file.parent for file in files if file} <= set(dependencies("evaluate"))


def test_only_evaluate_reads_the_test_split() -> None:
    """The test split is a dependency of evaluate alone."""
    readers = {name for name, stage in STAGES.items() if "data/prepared/test" in stage["deps"]}
    whole = {name for name, stage in STAGES.items() if "data/prepared" in stage["deps"]}

    assert readers == {"evaluate"}
    assert whole == set()


def test_the_winner_alone_connects_search_and_train() -> None:
    """Train reads best.yaml and neither trials.csv nor study.json, which change at every search."""
    outs = {name for name in STAGES["train"]["deps"] if name.startswith("outputs/search")}

    assert outs == {"outputs/search/best.yaml"}
    assert not {"search"} & set(STAGES["train"]["params"][0]["resolved.yaml"])
