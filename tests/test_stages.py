"""dvc.yaml names what each stage uses: code by following imports, configuration by reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from truefit.core.reached import file_of, reached
from truefit.core.resolved import read_yaml

SRC = ROOT / "src"
STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]


def dependencies(stage: str) -> list[Path]:
    return [ROOT / name for name in STAGES[stage]["deps"] if "$" not in name]


def named_for(stage: str) -> list[Path]:
    """The stage's dependencies, and those of `train` where it reads what each training writes."""
    own = dependencies(stage)
    run = ROOT / "outputs/train/run.json"
    reads_it = any(path == run or path in run.parents for path in own)
    return [*own, *dependencies("train")] if reads_it else own


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_it_runs(stage: str) -> None:
    """Every module that the stage reaches lies in one of its dependencies."""
    named, used = named_for(stage), reached(f"stages.{stage}")

    missing = [f for f in used if not any(f == path or path in f.parents for path in named)]

    assert len(used) > 1
    assert [str(f.relative_to(ROOT)) for f in missing] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_nothing_that_it_does_not_run(stage: str) -> None:
    """Each dependency of code is there, and the stage reaches it or names it by `_target_`."""
    code = [path for path in dependencies(stage) if path.is_relative_to(SRC)]
    used = reached(f"stages.{stage}")
    by_name = {SRC / "truefit/config", SRC / "truefit/models"}  # models, and what checks conf/

    assert [
        path
        for path in code
        if path not in by_name and not any(f == path or path in f.parents for f in used)
    ] == []
    assert all(path.exists() for path in [*code, ROOT / f"pipelines/{stage}.py"])


def test_dependencies_are_few() -> None:
    """A person can read them."""
    assert sum(len(stage["deps"]) for stage in STAGES.values()) <= 45


def test_a_threshold_of_the_verdict_does_not_train() -> None:
    """What judges, shows and records a training is no dependency of search, train or repeat."""
    later = [SRC / "truefit/evaluation", SRC / "truefit/tracking", SRC / "truefit/commands"]

    for stage in ("preprocess", "search", "train", "repeat"):
        for path in named_for(stage):
            assert not any(path == room or room in path.parents for room in later)


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


def test_models_train_again() -> None:
    """A saved model's layers and the judge of generated rows come from there, by `_target_`."""
    named = [read_yaml(file) for file in (ROOT / "conf/task").glob("*.yaml")]
    judges = [task["judge"]["_target_"].rpartition(".")[0] for task in named if "judge" in task]

    files = [file_of(module.removeprefix("truefit.")) for module in judges]

    assert files
    assert {file.parent for file in files} <= set(dependencies("train"))


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
