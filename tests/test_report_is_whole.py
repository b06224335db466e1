"""The data report is whole: what a note says while the data are read stands in dataset.json too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from truefit.core.prepared.facts import Facts
from truefit.core.prepared.findings import read_report
from truefit.core.prepared.table import fit_coding
from truefit.datasets.checks import Source
from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.prepare import prepare
from truefit.datasets.source import check_source
from truefit.datasets.summary import summary
from truefit.evaluation.report.page import taken_for

SPLIT: Any = {"split": {"validation": 0.2, "test": 0.2, "stratify": False}, "normalize": True}
ROWS = 200
A = np.random.default_rng(0).normal(size=ROWS).tolist()
Y = [["yes", "no"][n % 2] for n in range(ROWS)]


def prepared(folder: Path, source: Source, kind: str = "auto") -> Facts:
    return prepare(check_source(source, "truefit.source"), SPLIT, kind, 0, folder / "prepared")


def table(folder: Path, target: str = "y", **columns: Any) -> Source:
    frame = pd.DataFrame({"a": A, "y": Y} | columns)
    frame.to_csv(folder / "t.csv", index=False)
    return csv(path=str(folder / "t.csv"), target=target, missing_target="drop")


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no target": ({"y": [y if n % 9 else "" for n, y in enumerate(Y)]}, "skipped",
                  "23 of 200 rows are left out: they have no target"),
    "marks": ({"b": [str(n % 7) if n % 4 else "?" for n in range(ROWS)]}, "changed",
              "50 of 200 values of 'b' are no numbers and count as missing, such as '?'"),
    "NA": ({"b": ["k" if n % 5 else "NA" for n in range(ROWS)]}, "changed",
           "40 of 200 values of 'b' are 'NA' or the like and count as missing"),
    "times": ({"b": [f"{n % 24}:30" for n in range(ROWS)]}, "changed",
              "200 of 200 values of 'b' are times of day, such as '0:30'"),
    "money": ({"b": [f"${n % 7}" for n in range(ROWS)]}, "doubtful",
              "200 of 200 values of 'b' are numbers with a sign, a unit or groups, such as '$0'"),
    "codes": ({"b": [f"0{n % 7}1" for n in range(ROWS)]}, "doubtful",
              "200 of 200 values of 'b' begin with a zero"),
    "words": ({"b": [str(n % 7) if n % 4 else "low" for n in range(ROWS)]}, "doubtful",
              "50 of 200 values of 'b' are no numbers, such as 'low', so it is taken for a"),
    "lines": ({"b": ["k\nm" if n % 4 else "k" for n in range(ROWS)]}, "doubtful",
              "150 of 200 texts go over several lines"),
    "cap": ({"y": [min(n / 3, 40) for n in range(ROWS)]}, "doubtful",
            "80 of 200 values of y are 40, the end of their range"),
    "capitals": ({"y": [["yes", "Yes", "no"][n % 3] for n in range(ROWS)]}, "doubtful",
                 "2 of 3 classes of y look alike ('Yes', 'yes'), as they differ in capital"),
    "amounts": ({"y": [["10%", "20%"][n % 2] for n in range(ROWS)]}, "doubtful",
                "200 of 200 values of y are numbers with a sign, a unit or groups, such as '10%'"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_note_says_stands_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    """It is said once on the screen, and is in dataset.json by its kind."""
    columns, kind, said = CASES[case]

    facts = prepared(tmp_path, table(tmp_path, **columns))

    notes = capsys.readouterr().out
    assert notes.count(f"note: {said}") == 1
    found = [one for one in read_report(facts).findings if str(one).startswith(said)]
    assert [one.kind for one in found] == [kind]
    assert said not in summary(facts)


def test_rows_without_a_target_are_skipped_rows(tmp_path: Path) -> None:
    """Below the note that rows are left out no line says that nothing is skipped."""
    sources: dict[str, Any] = {"csv": csv, "parquet": parquet}
    for name, read in sources.items():
        frame = pd.DataFrame({"a": A, "y": [y if n % 9 else None for n, y in enumerate(Y)]})
        file = tmp_path / f"t.{name}"
        frame.to_csv(file, index=False) if name == "csv" else frame.to_parquet(file)
        facts = prepared(tmp_path, read(path=str(file), target="y", missing_target="drop"))
        assert "nothing else is skipped" in summary(facts)
    frame.assign(a=[f"word{n % 9} said" for n in range(ROWS)]).to_csv(tmp_path / "w.csv")
    said = text_csv(path=str(tmp_path / "w.csv"), text="a", target="y", missing_target="drop")

    assert [one.kind for one in said["findings"]] == ["skipped"]


def test_an_own_table_has_its_findings_too(tmp_path: Path) -> None:
    """What is read of a frame is in the report beside the findings of the function itself."""
    x = pd.DataFrame({"a": A, "b": [str(n % 7) if n % 4 else "?" for n in range(ROWS)]})

    source = check_source({"x": x, "y": Y}, "mine.load")

    assert [str(one)[:41] for one in source["findings"]] == [
        "50 of 200 values of 'b' are no numbers an"
    ]


def test_rows_of_each_label_are_counted(tmp_path: Path) -> None:
    """With several labels, screen and file have the rows of each label."""
    labels = {"red": [n % 2 for n in range(ROWS)], "blue": [int(n % 9 == 0) for n in range(ROWS)]}
    pd.DataFrame({"a": A} | labels).to_csv(tmp_path / "t.csv", index=False)

    facts = prepared(tmp_path, csv(path=str(tmp_path / "t.csv"), target=["red", "blue"]), "labels")

    assert read_report(facts).labels == {"red": 100, "blue": 23}
    assert "  rows with each label: red 100, blue 23" in summary(facts).splitlines()
    assert Facts.read(tmp_path / "prepared").report == facts.report


def test_each_column_is_said_with_its_type_and_what_fills_it() -> None:
    """A number's median where some are missing, a category's levels, and nothing where none is."""
    frame = pd.DataFrame(
        {"age": [1.5, None, 3.5, 4.5], "town": ["a", "b", None, "a"], "size": [1.5, 2.5, 3.5, 4.5]}
    )
    said = [[*taken_for(column).values()] for column in fit_coding(frame, types={})]
    assert said == [
        ["age", "number", "1", "3.5, the median; a feature says where"],
        ["town", "category of 2 levels, and (other)", "1", "(other)"],
        ["size", "number", "0", ""],
    ]
