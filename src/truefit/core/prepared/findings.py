"""What a source or `preprocess` noticed of files and rows: the lines of the data report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from truefit.core.errors import plain

Kind = Literal["skipped", "changed", "cut", "empty", "constant", "equal", "unknown", "doubtful"]
CLASSES, TOGETHER = 8, 5  # that a line names, and findings that stand in one
NOTES = 8  # of one sort that are printed each on a line of its own


def note(text: object) -> None:
    """Print a note on the data; the names in it are others', and move no cursor."""
    print(f"note: {plain(text)}")


def few_of(notes: Sequence[str], rest: str) -> list[str]:
    """Return the first notes, and a line on the others: a table may have thousands of columns.

    Args:
        notes: of one sort.
        rest: what is to be said of the others, after their number.
    """
    more = [f"{len(notes) - NOTES:,} {rest}"] if len(notes) > NOTES else []
    return [*notes[:NOTES], *more]


@dataclass(frozen=True)
class Finding:
    """`count` of `of` files, rows, words or columns, and in `what` the rest of the sentence.

    `noted` says that a note on the screen has said it already.
    """

    kind: Kind
    count: int
    of: int
    what: str
    noted: bool = False

    def __str__(self) -> str:
        return f"{self.count:,} of {self.of:,} {self.what}"


@dataclass(frozen=True)
class DataReport:
    """Rows of each split and class, and what was noticed; it stands in dataset.json as `report`.

    `labels` counts the rows that have each of several labels.
    """

    rows: dict[str, int]
    classes: dict[str, int]
    findings: list[Finding]
    labels: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What is said on the screen, a line for each kind; not what a note has said already."""
        new = [finding for finding in self.findings if not finding.noted]
        said = [
            _line(kind, [str(one) for one in new if one.kind == kind], TOGETHER, "; ")
            for kind in get_args(Kind)
            if any(one.kind == kind for one in new)
        ]
        counted = {"classes": self.classes, "rows with each label": self.labels}
        named = [
            _line(of, [f"{name} {count:,}" for name, count in counts.items()], CLASSES, ", ")
            for of, counts in counted.items()
            if counts
        ]
        others = " else" if self.findings else ""
        kinds = "skipped, changed, cut, empty, constant, equal, unknown or doubtful"
        nothing = f"  nothing{others} is {kinds}"
        return [*named, *(said or [nothing])]


def read_report(facts: Mapping[str, Any]) -> DataReport:
    """The record that stands in dataset.json; an empty one where an older version wrote it."""
    report = facts.get("report", {"rows": {}, "classes": {}, "findings": []})
    findings = [Finding(**finding) for finding in report["findings"]]
    return DataReport(report["rows"], report["classes"], findings, report.get("labels", {}))


def _line(begin: str, parts: Sequence[str], most: int, between: str) -> str:
    """One line, also where a name of the data has several."""
    return f"  {begin}: {' '.join(joined(parts, most, between).split())}"


def joined(parts: Sequence[str], most: int, between: str) -> str:
    """Return the first `most` parts, and how many more there are."""
    more = [f"and {len(parts) - most:,} more"] if len(parts) > most else []
    return between.join([*parts[:most], *more])
