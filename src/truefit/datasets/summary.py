"""What `preprocess` says in the end."""

from __future__ import annotations

from truefit.core.balance import warning
from truefit.core.paths import PREPARED
from truefit.core.prepared.facts import Facts
from truefit.core.prepared.findings import NOTES, joined
from truefit.core.prepared.folder import SPLITS

NAMES = 3  # columns that one line names, each with its reason


def summary(facts: Facts) -> str:
    """Return rows, target, what is left out or unbalanced, and the data report."""
    rows = ", ".join(f"{name} {facts.splits[name].rows}" for name in SPLITS)
    target = facts.target
    what = {
        "classes": f"{len(target.classes)} classes",
        "number": "a number",
        "labels": f"{len(target.labels)} labels",
        "input": "the row itself",
        "next": "the next code at each place",
    }[target.kind]
    notes = [f"\nnote: {one}" for one in _dropped(facts)]
    if target.kind == "classes":
        counts = facts.splits["train"].classes
        unbalanced = warning([*counts], [*counts.values()])
        notes += [f"\nnote: {unbalanced}"] if unbalanced else []
    for name, split in facts.splits.items():
        notes += [
            f"\nnote: {count} of {split.rows} {name} rows have a {column} that training has not "
            f"seen; {_known_of(facts, column)}"
            for column, count in split.unseen.items()
            if count
        ]
    shape = " x ".join(map(str, facts.input_shape))
    said = [f"prepared: {rows} rows of {shape}; {target.name} is {what}{''.join(notes)}"]
    said += [f"data report (whole in {PREPARED}/dataset.json):", *facts.report.lines()]
    return "\n".join(said)


def _dropped(facts: Facts) -> list[str]:
    """A note for each column that is left out, or of very many one that names the first few."""
    dropped = [c for c in facts.columns or [] if c["kind"] == "drop"]
    if len(dropped) <= NOTES:
        return [f"column {c['name']!r} is left out: {c['why']}" for c in dropped]
    named = joined([f"{c['name']!r} ({c['why']})" for c in dropped], NAMES, ", ")
    where = f"{PREPARED}/dataset.json has them all under columns"
    return [
        f"{len(dropped):,} of {len(facts.columns or []):,} columns are left out: {named}; {where}"
    ]


def _known_of(facts: Facts, name: str) -> str:
    """What is left of a code that is in no training row."""
    codes = (column for column in facts.columns or [] if column["kind"] == "code")
    column = next(column for column in codes if column["name"] == name)
    featured = len(column["levels"]) > column["trained"]
    return "only its features tell of it" if featured else "it is coded as unseen"
