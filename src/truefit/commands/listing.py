"""`truefit runs`: the trainings of this project, as MLflow has them."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from truefit.core.errors import UserError
from truefit.core.paths import RESOLVED
from truefit.core.readable import NONE, readable
from truefit.core.resolved import read_yaml
from truefit.tracking.records import latest
from truefit.tracking.registry import champion, model_name
from truefit.tracking.store import MlflowRun, Store

SHORT = 8  # characters of an id that a table shows; a command takes them for the run
WHOLE = re.compile(r"[0-9a-f]{32}")
COLUMNS = ("run", "when", "score", "gap", "verdict", "commit", "set")


@dataclass(frozen=True)
class ListedTraining:
    """One training: how good it is, where it comes from, and what params.yaml set for it."""

    run_id: str
    when: str
    score: str  # with its name and interval; empty where the run is not evaluated
    gap: float | None
    verdict: str  # how it ended where there is none
    commit: str
    set: str


def trainings(store: Store, project: str) -> list[ListedTraining]:
    """Return every training of the project, the newest first.

    Raises:
        UserError: MLflow cannot be reached.
    """
    try:
        found = store.search(store.experiment(project), "tags.`truefit.kind` = 'train'")
    except store.away as error:
        raise store.refusal(error) from None
    return [_training(run) for run in found]


def _training(run: MlflowRun) -> ListedTraining:
    tags, metrics = run.data.tags, run.data.metrics
    began = time.localtime(run.info.start_time / 1000)
    changed = "+" if tags.get("git.dirty") == "true" else ""
    commit = tags.get("git.commit", "")[:SHORT]
    return ListedTraining(
        run_id=run.info.run_id,
        when=time.strftime("%Y-%m-%d %H:%M", began),
        score=_score(tags.get("truefit.headline", ""), metrics),
        gap=metrics.get("gap"),
        verdict=tags.get("truefit.verdict") or tags.get("truefit.state", "running"),
        commit=f"{commit}{changed}" if commit else "",
        set=tags.get("truefit.set", ""),
    )


def _score(name: str, metrics: dict[str, float]) -> str:
    if "score" not in metrics:
        return ""
    value, low, high = (readable(metrics.get(f"score{end}")) for end in ("", "_low", "_high"))
    return f"{name} {value} [{low}, {high}]"


def table(found: list[ListedTraining]) -> str:
    """Return a line for each training, under a line of names."""
    rows = [
        (
            one.run_id[:SHORT],
            one.when,
            one.score or NONE,
            readable(one.gap, "+"),
            one.verdict,
            one.commit or NONE,
            one.set or NONE,
        )
        for one in found
    ]
    return columns([COLUMNS, *rows])


def columns(rows: list[tuple[str, ...]]) -> str:
    """Return lines of texts below each other, each column as wide as its longest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (map(str.ljust, row, widths) for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)


def whole_id(text: str) -> str:
    """Return the id that `text` means; `latest` and whole ids are not looked up.

    Raises:
        UserError: as `run_id_of`.
    """
    if text == "latest" or WHOLE.fullmatch(text):
        return text
    project = (read_yaml(RESOLVED) or {}).get("mlflow_experiment", "")
    return run_id_of(text, Store.open(), project)


def run_id_of(text: str, store: Store, project: str) -> str:
    """Return MLflow's id of a training: `latest`, `champion`, an id or its first characters.

    Raises:
        UserError: there is no such training, or there are several.
    """
    if text == "latest":
        return latest(store)
    if WHOLE.fullmatch(text):
        return text
    if text == "champion":
        return _champion(store, project)
    fitting = [one.run_id for one in trainings(store, project) if one.run_id.startswith(text)]
    if len(fitting) == 1:
        return fitting[0]
    which = f"{len(fitting)} trainings begin so" if fitting else "there is no such training"
    raise UserError(
        f"run {text!r}: expected the id of a training or its first characters, `latest` or "
        f"`champion`; {which}. `truefit runs` lists them"
    )


def _champion(store: Store, project: str) -> str:
    name = model_name({"mlflow_experiment": project, **(read_yaml(RESOLVED) or {})})
    if found := champion(store, name):
        return found.run_id
    raise UserError(f"{name} has no champion yet: `truefit promote` makes a training the champion")
