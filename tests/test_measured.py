"""Figures of pages come from benchmarks whose output was kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT
from test_docs import PAGES

RESULTS = sorted((ROOT / "benchmarks/results").glob("*.md"))
COMMAND = "python benchmarks/"
DATED = re.compile(r"on \d{4}-\d\d-\d\d at [0-9a-f]{7}")
MEASURED = re.compile(
    r"Measured on (\d{4}-\d\d-\d\d) at ([0-9a-f]{7,}) by `python benchmarks/(\w+\.py).*`\."
)


def words(text: str) -> str:
    """A text whatever its line breaks."""
    return " ".join(text.split())


@pytest.mark.parametrize("kept", RESULTS, ids=lambda path: path.stem)
def test_a_page_has_what_was_measured(kept: Path) -> None:
    """Each kept table is on a page word for word, and below it the date, commit and command."""
    text = kept.read_text()
    rows = {line for line in text.splitlines() if line.startswith("|")}
    stamp = MEASURED.search(text)

    assert stamp
    assert [
        page.name
        for page in PAGES
        if stamp[0] in words(page.read_text()) and rows <= {*page.read_text().splitlines()}
    ]


def test_no_page_names_a_benchmark_without_a_date() -> None:
    """A benchmark that a page names has a kept result, or the same line has date and commit."""
    kept = {MEASURED.findall(path.read_text())[0][2] for path in RESULTS}
    named = [line for page in PAGES for line in page.read_text().splitlines() if COMMAND in line]
    others = [line for line in named if not any(f"{COMMAND}{name}" in line for name in kept)]

    assert kept
    assert [line for line in others if not DATED.search(line)] == []
