"""A run as it was recorded, read back from MLflow or from the journals of its stages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from truefit.core.errors import UserError
from truefit.core.paths import RESOLVED, TRAIN
from truefit.core.resolved import plain_yaml, read_yaml
from truefit.core.run import Run
from truefit.tracking import events
from truefit.tracking.artifacts import require_own
from truefit.tracking.events import Event, Metrics, Start
from truefit.tracking.journal import attachments, journals, read
from truefit.tracking.store import Store, patient, tracking_uri
from truefit.tracking.values import Fitted

if TYPE_CHECKING:
    from mlflow import entities

# What a verification looks at; pictures and reports are drawn from it.
FILES = (
    "config.yaml", "environment.json", "uncommitted.diff.txt", "inputs", "history.csv", "search",
    "metrics.json", "evaluate", "predictions.npy", "repeats.csv", "report.html", "trials.csv",
)  # fmt: skip
MODEL = "model.keras"
LARGEST = 64 * 2**20  # bytes of a text; the longest, the report, has a few MiB
Series = dict[str, dict[int, float]]  # by key and step


@dataclass(frozen=True)
class Record:
    """One run: what MLflow's UI shows, and its files in a folder."""

    id: str
    name: str  # the journal's
    experiment: str
    status: str
    tags: dict[str, str]
    params: dict[str, str]
    series: Series
    folder: Path

    @property
    def metrics(self) -> dict[str, float]:
        """Each metric's value at its last step."""
        return {key: steps[max(steps)] for key, steps in self.series.items()}

    def text(self, name: str) -> str | None:
        """A file of the run, if it has it.

        Raises:
            UserError: it is larger than truefit writes any text.
        """
        file = self.folder / name
        if not file.exists():
            return None
        if (size := file.stat().st_size) > LARGEST:
            raise UserError(
                f"the record's {name} has {size / 2**20:.0f} MiB, expected at most "
                f"{LARGEST / 2**20:.0f}: truefit writes no such record"
            )
        return file.read_bytes().decode()

    def json(self, name: str) -> Any:  # whoever wrote it: its reader checks it
        """A JSON file of the run; `None` if it has none that can be read."""
        try:
            return json.loads(self.text(name) or "null")
        except ValueError:
            return None

    def yaml(self, name: str) -> Any:  # as `json`
        """A YAML file of the run; nothing in it stands for more than it says.

        Raises:
            ValueError: it has a tag, or an anchor, by which few bytes can name more than memory
                holds.
            yaml.YAMLError: it is no YAML.
        """
        return plain_yaml(self.text(name) or "")

    def config(self) -> Any:  # as `json`: of whichever version
        """The configuration that the run was made with.

        Raises:
            UserError: the file is there and is no plain YAML.
        """
        try:
            return self.yaml("config.yaml") or {}
        except (ValueError, yaml.YAMLError) as error:
            raise UserError(f"run {self.id}: its config.yaml cannot be read: {error}") from None


def from_mlflow(store: Store, run_id: str, folder: Path) -> Record:
    """The run with its files in `folder`.

    Raises:
        UserError: MLflow cannot be reached, has no such run, or keeps files where it should not.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - a second that only few pay

    try:
        run = store.client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise store.refusal(error) from None
        raise UserError(
            f"MLflow at {store.uri} has no run {run_id}: it was deleted, is not sent yet (`truefit "
            "sync`), or lies in another store (MLFLOW_TRACKING_URI; unset: the project's own). "
            "`dvc repro -f -s train evaluate` records the model that is here again"
        ) from None
    except store.away as error:
        raise store.refusal(error) from None
    try:
        _download(store, run, folder)
        series = {
            key: {point.step: point.value for point in store.client.get_metric_history(run_id, key)}
            for key in run.data.metrics
            if not key.startswith("system/")
        }
    except store.away as error:
        raise store.refusal(error) from None
    return Record(
        run_id,
        run.data.tags.get("truefit.run", ""),
        run.info.experiment_id,
        run.info.status,
        dict(run.data.tags),
        dict(run.data.params),
        series,
        folder,
    )


def children(store: Store, study: Record, kind: str = "trial") -> list[entities.Run]:
    """A study's trials in MLflow, or its finalists."""
    found = store.search(study.experiment, f"tags.`mlflow.parentRunId` = '{study.id}'")
    return [run for run in found if run.data.tags.get("truefit.kind") == kind]


def newest(store: Store, project: str, name: str | None = None) -> str | None:
    """The id of the project's last training that completed, or of the one that is named.

    Raises:
        UserError: MLflow cannot be reached.
    """
    condition = "tags.`truefit.kind` = 'train' and attributes.status = 'FINISHED'"
    condition += f" and tags.`truefit.run` = '{name}'" if name else ""
    try:
        found = store.search(store.experiment(project), condition)
    except store.away as error:
        raise store.refusal(error) from None
    return str(found[0].info.run_id) if found else None


def latest(store: Store) -> str:
    """The id of the training whose outputs lie here, else of the project's last one in MLflow.

    Raises:
        UserError: MLflow cannot be reached, or has none.
    """
    run = Run.find(TRAIN / "run.json")
    if run and run.run_id:
        return run.run_id
    name = run.run if run else None
    project = (read_yaml(RESOLVED) or {}).get("mlflow_experiment", "")
    found = newest(store, project, name)
    if found is None:
        lacks = (
            "this training yet: `truefit sync` sends it"
            if name
            else "a training that completed: `dvc repro` makes one"
        )
        raise UserError(f"MLflow at {store.uri} does not have {lacks}")
    return found


def _download(store: Store, run: entities.Run, folder: Path) -> None:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import artifacts  # noqa: PLC0415 - see `from_mlflow`

    uri = tracking_uri()  # with its password
    folder.mkdir(parents=True, exist_ok=True)
    client, root = store.client, str(run.info.artifact_uri)
    require_own(root, uri)
    # By the address that was looked at, as a tracker may name another one when it is asked again.
    listed = patient(artifacts.list_artifacts)(artifact_uri=root, tracking_uri=uri)
    there = {PurePosixPath(file.path).name for file in listed}  # MLflow's are from the folder above
    for name in FILES:
        if name in there:
            download = patient(artifacts.download_artifacts)
            download(f"{root}/{name}", dst_path=str(folder), tracking_uri=uri)
    for made in run.outputs.model_outputs if run.outputs else []:
        place = str(client.get_logged_model(made.model_id).artifact_location)
        require_own(place, uri)
        try:
            fetched = artifacts.download_artifacts(
                f"{place}/data/{MODEL}", dst_path=str(folder / "model"), tracking_uri=uri
            )
        except store.away:
            client.get_run(run.info.run_id)  # it answers: the file is gone, which is for `weights`
        else:
            Path(fetched).rename(folder / MODEL)


@dataclass
class _Told:
    """What a journal's events come to."""

    start: Start = field(default_factory=lambda: Start(name=""))
    tags: dict[str, str | float] = field(default_factory=dict)
    series: Series = field(default_factory=dict)
    fitted: Fitted = field(default_factory=Fitted)
    state: str = ""

    def add(self, metrics: Metrics, step: int = 0) -> None:
        """Values at a step; a later event's count."""
        for key, value, _, step_of in self.fitted.points(metrics, 0, step):
            self.series.setdefault(key, {})[step_of] = value


def from_journals(name: str, folder: Path) -> Record:
    """The run that stages have told this project's journals of, which need not be sent."""
    told = _Told()
    for journal, event in _events(name):
        _take(told, event, attachments(journal), folder)
    tags = {key: str(value) for key, value in {**told.start.tags, **told.tags}.items()}
    params = told.fitted.params(told.start.params)
    return Record("", name, "", told.state, tags, params, told.series, folder)


def told_text(name: str, path: str) -> str | None:
    """A text that this project's own journals, sent or not, have as a file of the run."""
    found = None
    for _, event in _events(name):
        if isinstance(event, events.Text) and event.path == path:
            found = event.text
    return found


def told_tags(name: str) -> dict[str, str]:
    """The tags that this project's own journals have of a run."""
    found: dict[str, str | float] = {}
    for _, event in _events(name):
        if isinstance(event, Start | events.Log):
            found |= event.tags or {}
    return {key: str(value) for key, value in found.items()}


def _events(name: str) -> Iterator[tuple[Path, Event]]:
    kept = sorted(
        [*journals().glob("*.jsonl"), *journals().glob("sent/*.jsonl")], key=attrgetter("name")
    )
    for journal in kept:
        if name.encode() in journal.read_bytes():
            for event, _ in read(journal):
                if event and event.run == name:
                    yield journal, event


def _take(told: _Told, event: Event, files: Path, folder: Path) -> None:
    match event:
        case Start():
            told.start = event
        case events.Text(path=path, text=text):
            _write(folder / path, text)
        case events.File(kept=kept):
            target = folder / (event.folder or "") / Path(kept).name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (files / kept).is_file():
                shutil.copyfile(files / kept, target)
        case events.Model(kept=kept):
            shutil.copyfile(files / kept / "data" / MODEL, folder / MODEL)
        case events.Epoch() | events.Log():
            told.add(event.metrics, event.step)
        case events.Scores():
            told.add(event.metrics)
        case events.End():
            told.state = event.state
            told.add(event.metrics or {})
    told.tags |= (event.tags or {}) if isinstance(event, events.Log) else {}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
