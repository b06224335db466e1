"""`truefit compare`: what differs between two trainings, in settings and in results."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from truefit.commands.listing import SHORT, columns, run_id_of
from truefit.core.errors import UserError
from truefit.core.readable import NONE, readable
from truefit.core.resolved import load
from truefit.core.trees import flatten
from truefit.serving.promote import Pair, is_of_rows_here, pair
from truefit.tracking.records import Record, from_mlflow
from truefit.tracking.store import Store

if TYPE_CHECKING:
    from truefit.config.schema import Config
    from truefit.evaluation.metrics import Metrics, Scores

Shown = str | list[float | None]  # a word, or a number and the ends of its interval
LONGEST = 40  # characters of a value in the table


@dataclass(frozen=True)
class Comparison:
    """Two trainings side by side; each pair has the first one's value and the second's."""

    runs: tuple[str, str]
    settings: dict[str, tuple[object, object]]  # those that differ, by dotted key
    results: dict[str, tuple[Shown, Shown]]  # test scores with intervals, gap, verdict, commit
    paired: str  # the first against the second on the same test rows, or why they are not


def compare(first: str, second: str) -> Comparison:
    """Compare two trainings that MLflow has.

    Args:
        first: id of a run or its first characters, `latest` or `champion`.
        second: the same of the other.

    Raises:
        UserError: MLflow cannot be reached, or a run is not there or not evaluated.
    """
    config, store = load(), Store.open()
    ids = [run_id_of(text, store, config["mlflow_experiment"]) for text in (first, second)]
    with tempfile.TemporaryDirectory(prefix="truefit-compare-") as place:
        ours, theirs = (from_mlflow(store, one, Path(place, str(n))) for n, one in enumerate(ids))
        for record in (ours, theirs):
            _require_evaluated(record)
        return Comparison(
            runs=(ours.id, theirs.id),
            settings=_differing(*(flatten(record.config()) for record in (ours, theirs))),
            results=_results(ours, theirs),
            paired=_paired(config, ours, theirs),
        )


def _require_evaluated(record: Record) -> None:
    if record.tags.get("truefit.kind") != "train" or not record.json("metrics.json"):
        raise UserError(
            f"run {record.id} has no scores: expected a training that was evaluated, received one "
            f"of kind {record.tags.get('truefit.kind', '?')!r} in state "
            f"{record.tags.get('truefit.state', '?')!r}. `truefit runs` lists trainings"
        )


def _differing(
    ours: Mapping[str, object], theirs: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    keys = sorted({*ours} | {*theirs})
    return {
        key: (ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)
    }


def _results(ours: Record, theirs: Record) -> dict[str, tuple[Shown, Shown]]:
    """Test scores that both have, each as (value, low, high); gap and verdict; the commit."""
    pairs: list[Metrics] = [record.json("metrics.json") for record in (ours, theirs)]
    tests = [metrics["test"] for metrics in pairs]
    names = [name for name in tests[0] if name in tests[1] and f"{name}_low" in tests[0]]
    names.sort(key=lambda name: name != pairs[0]["headline"])
    found: dict[str, tuple[Shown, Shown]] = {f"test {n}": _both(tests, n) for n in names}
    gaps = [[of.get("gap"), of.get("gap_low"), of.get("gap_high")] for of in pairs]
    found["gap"] = (gaps[0], gaps[1])
    found["verdict"] = (pairs[0]["verdict"], pairs[1]["verdict"])
    commits = [record.tags.get("git.commit", "")[:SHORT] for record in (ours, theirs)]
    return {**found, "commit": (commits[0], commits[1])}


def _both(values: list[Scores], name: str) -> tuple[Shown, Shown]:
    one, other = ([of.get(f"{name}{end}") for end in ("", "_low", "_high")] for of in values)
    return one, other


def _paired(config: Config, ours: Record, theirs: Record) -> str:
    """The difference on the same resamples of the test rows, where these rows are here."""
    if ours.tags.get("truefit.test") != theirs.tags.get("truefit.test"):
        return "not compared row by row: they were measured on different test rows"
    try:
        if not is_of_rows_here(ours):
            return "not compared row by row: data/prepared has other test rows than both"
        found = pair(config, ours, theirs)
    except UserError as error:
        return f"not compared row by row: {error}"
    return f"on the same test rows {_said(ours.id[:SHORT], found)}"


def _said(who: str, found: Pair) -> str:
    """Which way the difference goes, its size with its interval, and whether it may be luck."""
    sign, word = (1, "better") if found.better >= 0 else (-1, "worse")
    low, high = sorted((sign * found.low, sign * found.high))
    size, low_said, high_said = map(readable, (sign * found.better, low, high))
    luck = ", which may be luck of the test rows" if low <= 0 <= high else ""
    return f"{who} is {word} in {found.score} by {size} [{low_said}, {high_said}]{luck}"


def table(found: Comparison) -> str:
    """Return the settings that differ, then the results, then the paired difference."""
    head = ("", *(run[:SHORT] for run in found.runs))
    settings = [(key, *map(_value, pair)) for key, pair in found.settings.items()]
    results = [(key, *(_shown(key, one) for one in pair)) for key, pair in found.results.items()]
    same = [] if settings else [("(no setting differs)", "", "")]
    return f"{columns([head, *settings, *same, ('', '', ''), *results])}\n\n{found.paired}"


def _value(value: object) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _shown(key: str, value: Shown) -> str:
    if not isinstance(value, list):
        return value or NONE
    middle, low, high = (readable(number, "+" if key == "gap" else "") for number in value)
    return f"{middle} [{low}, {high}]"
