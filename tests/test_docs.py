"""What README and docs name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

from truefit.compose import read_choices
from truefit.config import read_yaml
from truefit.trees import flatten

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def texts(pattern: str) -> list[str]:
    return sorted({found for page in PAGES for found in re.findall(pattern, page.read_text())})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page is there."""
    links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_documented_keys_exist() -> None:
    """Each key in the reference's table stands in resolved.yaml."""
    resolved = read_yaml(ROOT / "resolved.yaml")
    known = {*flatten(resolved), *(f"search.{key}" for key in resolved["search"])}
    table = (ROOT / "docs/configuration.md").read_text().partition("## Keys")[2].partition("##")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    keys = []
    for row in rows:
        named = re.findall(r"`([\w.]+)`", row)
        prefix = named[0].rpartition(".")[0]
        keys += [name if not name.startswith(".") else prefix + name for name in named]

    assert len(keys) > 20
    assert set(keys) - known == set()


@pytest.mark.parametrize("choice", texts(r"-S '?(?:\+\+)?([\w.]+=[\w.,/]+)"))
def test_documented_choices_are_understood(project: Path, choice: str) -> None:
    """What a page sets with -S is a key that params.yaml may hold, a file there or on the page."""
    for file in texts(r"# (conf/\w+/\w+\.yaml):"):
        Path(file).touch()
    dotted, _, values = choice.partition("=")
    for value in values.split(","):
        params: object = int(value) if value.isdigit() else value
        for part in reversed(dotted.split(".")):
            params = {part: params}
        read_choices(params)


def test_conf_names_no_score_that_was_not_measured() -> None:
    """No placeholder is left in a comment of conf/ or in a page."""
    files = [*PAGES, *(ROOT / "conf").rglob("*.yaml")]
    left = re.compile(
        r"\b(SCORE|TIME|NOOP|TRANSCRIPT|PICTURE|\w+_TABLE|\w+_README)|accuracy \?\?\?"
    )

    assert [file.name for file in files if left.search(file.read_text())] == []
