"""What README and docs name exists."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait
from test_layers import ROOMS
from typer.main import get_command

from truefit.cli import app
from truefit.config.choices import read_choices
from truefit.core.resolved import read_yaml
from truefit.training.tasks import Task

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def texts(pattern: str) -> list[str]:
    return sorted({found for page in PAGES for found in re.findall(pattern, page.read_text())})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page is there."""
    links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short_and_names_the_stages() -> None:
    """At most 110 lines of 100 columns and 700 words; its table has the stages in their order."""
    text = (ROOT / "README.md").read_text()
    table = text.partition("## Quick start")[2].partition("##")[0]

    assert text.count("\n") <= 110
    assert len(text.split()) <= 700
    assert [line for line in text.splitlines() if len(line) > 100 and "![" not in line] == []
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE)[1:] == [
        *read_yaml(ROOT / "dvc.yaml")["stages"]
    ]


def script(name: str) -> Any:
    """A script of docs/ as a module."""
    place = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert place
    assert place.loader
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """commands.md and keys.md are those that `python docs/reference.py` writes."""
    monkeypatch.chdir(ROOT)
    reference = script("reference")

    assert (ROOT / "docs/commands.md").read_text() == reference.commands()
    assert (ROOT / "docs/keys.md").read_text() == reference.keys()


def test_the_page_on_the_code_is_true() -> None:
    """The drawing is made from the imports; the table has the rooms in order; files are there."""
    text = (ROOT / "docs/architecture.md").read_text()
    table, _, rest = text.partition("## Where is it?")

    assert (ROOT / "docs/rooms.svg").read_text() == script("rooms").picture()
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == ROOMS
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", rest)
    assert len(named) > 20
    assert [
        n for n in named if not any((ROOT / d / n).exists() for d in ("src/truefit", "."))
    ] == []


SHOWN = r"(?:`|\$ |&& |\| )truefit ([a-z]+(?: [^\s`|&#;]+)*)"


@pytest.mark.parametrize("line", texts(SHOWN))
def test_commands_that_are_shown_exist(line: str) -> None:
    """Each `truefit COMMAND --option` of a page is one that the command line takes."""
    name, *words = line.split()
    command = get_command(app).commands[name]  # type: ignore[attr-defined]

    known = {word for option in command.params for word in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known | {"--help"}


def test_code_that_is_shown_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """README's model builds; the tasks of the pages are tasks."""
    import keras  # noqa: PLC0415 - set up by conftest

    model = shown("README.md", "wide.py")["wide"]((8, 8, 1), 10)
    assert isinstance(model, keras.Model)
    assert model.output_shape == (None, 10)
    facts: dict[str, Any] = {"target": {"kind": "number", "name": "y"}}
    task = shown("docs/own-task.md", "tasks.py")["robust"](facts=facts)
    assert isinstance(task, Task)
    assert task.loss()(np.ones((1, 1)), np.zeros((1, 1))) > 0
    assert importlib.import_module(task.scoring).scores
    classes = {"no": 90, "yes": 10}
    facts = {
        "target": {"kind": "classes", "classes": [*classes]},
        "splits": {"train": {"classes": classes}},
    }
    loss = shown("docs/unbalanced.md", "tasks.py")["weighted"](facts=facts).loss()
    missed, alarmed = (
        float(loss(np.full((1, 1), y), np.full((1, 1), z))) for y, z in ((1.0, -2.0), (0.0, 2.0))
    )
    assert missed == pytest.approx(9 * alarmed, rel=1e-4)


def shown(page: str, file: str) -> dict[str, Any]:
    """What the block of a page defines whose docstring names `file`."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    (block,) = [block for block in blocks if file in block.splitlines()[0]]
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - of our own pages
    return names


@pytest.mark.slow
def test_the_site_builds_whole(tmp_path: Path, browser: webdriver.Chrome) -> None:
    """No warning, such as of a link that leads nowhere; every page opens in a browser."""
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    built = subprocess.run(
        [*build, "docs", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr

    for page in sorted((ROOT / "docs").glob("*.md")):
        browser.get((tmp_path / f"{page.stem}.html").as_uri())
        heading = WebDriverWait(browser, 60).until(lambda b: b.find_element("css selector", "h1"))
        title = browser.execute_script("return arguments[0].firstChild.data", heading)
        assert title == page.read_text().partition("# ")[2].partition("\n")[0]
        pictures = "return [...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
        assert browser.execute_script(pictures) == []
        assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


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


def test_what_installs_is_pinned_as_the_rest() -> None:
    """Uv has one version and its hashes, here and among the requirements of developers."""
    pinned = (ROOT / "requirements-uv.txt").read_text()

    assert pinned.startswith("uv==")
    assert pinned in (ROOT / "requirements-dev.txt").read_text()


def test_yaml_fits_the_page() -> None:
    """No line of conf/, params.yaml or dvc.yaml is over 100 columns."""
    files = [*(ROOT / "conf").rglob("*.yaml"), ROOT / "params.yaml", ROOT / "dvc.yaml"]

    assert [f.name for f in files if max(map(len, f.read_text().splitlines())) > 100] == []


GENERATED = ["commands.md", "keys.md"]  # of docs/reference.py


def test_markdown_fits_the_page() -> None:
    """No line of a page is over 100 columns, but pictures and what the code writes."""
    kept = {
        row
        for result in (ROOT / "benchmarks/results").glob("*.md")
        for row in result.read_text().splitlines()
    }
    pages = [page for page in (*PAGES, ROOT / "CHANGELOG.md") if page.name not in GENERATED]
    wide = [
        (page.name, line)
        for page in pages
        for line in page.read_text().splitlines()
        if len(line) > 100 and line not in kept and not line.startswith("![")
    ]

    assert wide == []
