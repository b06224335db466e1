"""The journal, and what of it MLflow can hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name
from telling import study

from truefit.tracking import provenance
from truefit.tracking.events import Close, End, Start, as_line, parse
from truefit.tracking.journal import Journal, journals, read, take_over
from truefit.tracking.redaction import redact
from truefit.tracking.store import tracking_uri
from truefit.tracking.values import LONGEST, MOST_KEYS, Fitted


def test_the_store_lies_at_the_root_of_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage in a temporary work tree records into the main one, which DVC names."""
    monkeypatch.setenv("DVC_ROOT", str(project))
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")

    assert tracking_uri() == f"sqlite:///{project / 'mlflow.db'}"
    assert journals() == project / ".truefit" / "journal"


@given(cut=st.integers(min_value=0), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_journal_that_was_cut_anywhere_is_read(
    project: Path, cut: int, data: st.DataObject
) -> None:
    """Whole events before the cut are read; a dead process' runs end as killed, once."""
    journal = Journal.create("truefit", "search")
    study(journal, 2)
    journal.close()
    journal.release()
    whole = [event for event, _ in read(journal.path)]
    content = journal.path.read_bytes()
    cut %= len(content)
    journal.path.write_bytes(content[:cut])

    assert take_over(journal.path)
    events = [event for event, _ in read(journal.path) if event]

    told = content[:cut].count(b"\n")
    assert events[:told] == whole[:told]
    ended = [event.run for event in events if isinstance(event, End)]
    assert len(ended) == len(set(ended))
    assert {event.run for event in events if isinstance(event, Start)} == set(ended)
    assert isinstance(events[-1], Close)
    journal.path.unlink()


LINES = r"""
{"op": "open", "run": "", "t": 1, "project": "p", "stage": "search", "pid": 7}
{"op": "start", "run": "s", "t": 2, "kind": "study", "name": "n", "project": "p", "tags": {"seed": 3}, "params": {"a": [1, null]}, "dataset": null, "tries": 0, "if_missing": false, "taken_over": false}
{"op": "start", "run": "r", "t": 3, "kind": "trial", "name": "t0", "project": "p", "tags": {}, "params": {}, "dataset": {"name": "digits", "digest": "d", "source": {"path": "data", "md5": null, "sha256": "e"}, "profile": {"rows": {"train": 3}, "shape": [2], "target": "y"}, "context": "search"}, "tries": 1, "if_missing": true, "taken_over": true, "study": "s", "key": "0"}
{"op": "epoch", "run": "r", "t": 4, "step": 1, "metrics": {"loss": 0.1, "epoch_gap": NaN}}
{"op": "log", "run": "r", "t": 5, "metrics": {"system/x": 1.0}, "step": 2}
{"op": "log", "run": "r", "t": 6, "metrics": {}, "tags": {"q": 1}, "step": 0}
{"op": "scores", "run": "r", "t": 7, "metrics": {"acc": 0.5}, "on": null}
{"op": "text", "run": "r", "t": 8, "path": "a/b.txt", "text": "h\u00e9"}
{"op": "file", "run": "r", "t": 9, "kept": "1/p.txt", "folder": null}
{"op": "model", "run": "r", "t": 10, "kept": "3/fold"}
{"op": "card", "run": "r", "t": 11, "kept": "4/p.txt"}
{"op": "view", "run": "s", "t": 12, "columns": ["a"], "winner": 0}
{"op": "view", "run": "s", "t": 12, "columns": ["a"]}
{"op": "end", "run": "r", "t": 13, "state": "complete", "reason": "", "metrics": {"value": 3}, "has_result": true}
{"op": "end", "run": "s", "t": 14, "state": "killed", "reason": "process 7 is gone"}
{"op": "close", "run": "", "t": 15}
""".strip().splitlines()  # noqa: E501 - as they are in a file


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_an_earlier_version_is_read_and_written_as_it_was(line: str) -> None:
    """What MLflow had not received before an update is sent after it, with nothing lost."""
    event = parse(line.encode(), 0)

    assert event is not None
    assert as_line(event).decode() == f"{line}\n"


@pytest.mark.parametrize(
    ("line", "t"),
    [('{"op": "start", "run": "r"}', 5), ('{"op": "log", "run": "r", "of_later": 1, "t": 3}', 3)],
)
def test_an_event_of_another_version_is_read_as_far_as_it_goes(line: str, t: int) -> None:
    """What it leaves out has a default, and what it has besides is left out."""
    event = parse(line.encode(), 5)

    assert event is not None
    assert (event.run, event.t) == ("r", t)


NUMBERS = st.floats() | st.integers(-10, 10)


@given(st.dictionaries(st.text(max_size=300), NUMBERS | st.text(max_size=9000), max_size=30))
def test_whatever_is_told_fits_into_mlflow(told: dict[str, Any]) -> None:
    """Names are valid and distinct, texts short, numbers finite; what is changed is named."""
    fitted = Fitted()

    points, params = fitted.points(told, 5, 1), fitted.params(told)

    numbers = {name: v for name, v in told.items() if not isinstance(v, str)}
    finite = [value for value in numbers.values() if math.isfinite(value)]
    for key, *_ in points:
        _validate_metric_name(key)  # type: ignore[no-untyped-call]
    for key in params:
        _validate_param_name(key)  # type: ignore[no-untyped-call]
    assert sorted(value for _, value, _, _ in points) == sorted(finite)
    assert len({key for key, *_ in points}) == len(finite)
    assert len(params) == len(told)
    assert all(len(text) <= LONGEST for text in params.values())
    altered = len(finite) < len(numbers) or any(
        len(redact(str(value))) > LONGEST for value in told.values()
    )
    assert not altered or "the journal has all" in fitted.note()


def test_a_name_that_is_like_a_numbered_one_gets_another_number() -> None:
    """A name that MLflow refuses never takes the key of one that it takes, and is never lost."""
    fitted = Fitted()

    params = fitted.params({"a?": "first", "a__2": "second", "a!": "third"})

    assert params == {"a_": "first", "a__2": "second", "a__3": "third"}


def test_more_keys_than_the_ui_survives_are_counted() -> None:
    """The first thousand are sent, over all epochs, and the note says how many are not."""
    fitted = Fitted()
    metrics = {f"m{number}": 1.0 for number in range(1500)}

    sizes = [len(fitted.points(metrics, 0, step)) for step in (1, 2)]

    assert sizes == [MOST_KEYS, MOST_KEYS]
    assert "500 metrics beyond the first 1000 left out" in fitted.note()


@pytest.mark.slow
def test_new_code_is_an_uncommitted_change(repository: Path) -> None:
    """A model that git does not know yet makes the work tree dirty, and its code is on record."""
    for cached in (provenance._changes, provenance.environment_tags):
        cached.cache_clear()
    assert provenance.environment_tags()["git.dirty"] == "false"
    Path("src/truefit/models/wide.py").write_text("WIDE = 1\n")
    Path("notes.csv").write_bytes("h\xe4".encode("latin-1"))
    for cached in (provenance._changes, provenance.environment_tags):
        cached.cache_clear()

    tags, changes = provenance.environment_tags(), provenance.uncommitted()

    provenance._changes.cache_clear()
    provenance.environment_tags.cache_clear()
    assert tags["git.dirty"] == "true"
    assert "+WIDE = 1" in changes
    assert "notes.csv" not in changes


@pytest.mark.parametrize("secret", ["p", "p@ss:w/rd".replace("/", "%2F"), "a:b"])
def test_passwords_are_redacted(secret: str) -> None:
    """No part of an address' password survives."""
    assert redact(f"x postgresql://me:{secret}@host/db y") == "x postgresql://***@host/db y"


@pytest.mark.parametrize("secret", ["one of your own", "p@ss/w", "a?b#c", "why? not", "a/b?c d"])
def test_the_password_of_a_configured_address_is_redacted_whatever_it_holds(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spaces and slashes end other addresses; the ones in the environment are known."""
    address = f"postgresql+psycopg://me:{secret}@host/db"
    monkeypatch.setenv("TRUEFIT_STORAGE", address)

    assert redact(f"x {address} y") == "x postgresql+psycopg://***@host/db y"
