"""The record of dataset.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sections

from truefit.core.errors import UserError
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.folder import read_facts
from truefit.datasets.prepare import prepare

DATA = sections.data()


def test_the_record_keeps_every_value_of_dataset_json(tmp_path: Path) -> None:
    """Read and written again it is the same file, and own scorings may read it as plain values."""
    x = np.random.default_rng(0).integers(0, 255, (60, 4, 4, 1)).astype(np.uint8)
    prepare({"x": x, "y": np.arange(60) % 2}, DATA, "classes", 0, tmp_path / "p")
    (tmp_path / "again").mkdir()

    facts = read_facts(tmp_path / "p")
    facts.write(tmp_path / "again")

    assert (tmp_path / "again/dataset.json").read_bytes() == (
        tmp_path / "p/dataset.json"
    ).read_bytes()
    assert {**facts} == json.loads((tmp_path / "p/dataset.json").read_text())


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Keys that came later have values that say nothing."""
    prepare({"x": np.arange(60.0)[:, None], "y": np.arange(60) % 2}, DATA, "classes", 0, tmp_path)
    old = json.loads((tmp_path / "dataset.json").read_text())
    for key in ("report", "raw", "tables", "in_order", "grouped", "stratified"):
        del old[key]
    del old["splits"]["test"]["source"]
    (tmp_path / "dataset.json").write_text(json.dumps(old))

    facts = read_facts(tmp_path)

    assert facts.target.classes == ["0", "1"]
    assert (facts.report.findings, facts.raw, facts.in_order) == ([], {}, False)


@pytest.mark.parametrize("text", ["{}", "[]", '{"target": 3, "splits": {}}', "{"])
def test_facts_that_are_no_facts_are_said(tmp_path: Path, text: str) -> None:
    """A dataset.json that something else wrote is named, whatever it lacks."""
    (tmp_path / "dataset.json").write_text(text)

    with pytest.raises(UserError, match=r"dataset\.json: expected .*`dvc checkout`"):
        Facts.read(tmp_path)
