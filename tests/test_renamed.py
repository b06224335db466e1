"""Keys that were renamed are refused with their new names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from truefit.core.errors import UserError
from truefit.core.renamed import RENAMED
from truefit.core.resolved import load
from truefit.core.trees import flatten
from truefit.stages.compose import resolve

OWN: dict[str, Any] = {"path": "data/raw/t.csv", "set": {"data": {"target": "y"}}}


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_key_is_refused_with_its_new_name(project: Path, old: str) -> None:
    """One sentence names the new one, which has the old one's place and takes its value."""
    (project / "data/raw/t.csv").write_text("x,y\n1,2\n")
    *sections, last = old.split(".")
    block: Any = {last: 3}
    for section in reversed(sections):
        block = {section: block}
    block = {**block, "data": {**block.get("data", {}), "target": "y"}}

    with pytest.raises(UserError, match=f"{old}: this key is called {RENAMED[old]} now") as refused:
        resolve({"data": "csv", "path": "data/raw/t.csv", "set": block})

    assert len(str(refused.value).splitlines()) <= 2
    assert ".".join([*sections, RENAMED[old]]) in flatten(resolve({"data": "csv", **OWN}))


def test_a_configuration_of_an_earlier_version_is_refused(project: Path) -> None:
    """A command says which key to rename, in place of a traceback."""
    file = project / "resolved.yaml"
    file.write_text(file.read_text().replace("mlflow_experiment: truefit", "project: truefit"))

    with pytest.raises(UserError, match="project: this key is called mlflow_experiment now"):
        load()
