"""Where runs are recorded: the project's own MLflow database, or the server that is configured."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from truefit.core.errors import UserError
from truefit.core.paths import anchored, project_root, sqlite_url
from truefit.tracking import database
from truefit.tracking.events import Dataset
from truefit.tracking.faults import is_final, meaning, timed_out
from truefit.tracking.redaction import redact
from truefit.tracking.values import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient, entities

MlflowRun: TypeAlias = "entities.Run"  # for rooms that may not import MLflow
MAKE = {"create_run", "create_logged_model"}
P = ParamSpec("P")
R = TypeVar("R")
PAUSES = (0.1, 0.3, 0.9, None)  # seconds between tries


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or `mlflow.db` in the project's root, as an absolute address.

    To MLflow a relative one is one below the working directory, so a temporary DVC work tree would
    take its records with it when it is removed.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    return anchored(given or sqlite_url(project_root() / "mlflow.db"))


def patient(method: Callable[P, R]) -> Callable[P, R]:
    """The method, whose calls are tried a few times: a lost packet is no outage."""

    def call(*arguments: P.args, **named: P.kwargs) -> R:
        for pause in PAUSES:
            try:
                return method(*arguments, **named)
            except Exception as error:
                if pause is None or is_final(error) or timed_out(error):
                    raise
                time.sleep(pause)
        raise AssertionError

    return call


class Patient:
    """A client whose calls are patient; not the ones that would make two runs or models of one."""

    def __init__(self, client: object) -> None:
        """Around MLflow's own."""
        self._client = client

    def __getattr__(self, name: str) -> Any:  # whatever the client has
        """The client's method."""
        method = getattr(self._client, name)
        return method if name in MAKE or not callable(method) else patient(method)


@dataclass
class Store:
    """MLflow at one address."""

    client: MlflowClient
    uri: str  # without its password
    away: tuple[type[Exception], ...]  # what says that MLflow is not there, or not well
    mark: tuple[int, int] | None = None  # which file the database is, if it is one
    _experiments: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls) -> Store:
        """A client of the configured store, which need not be there yet.

        Raises:
            UserError: the address is none.
        """
        # Trying again is the sender's: a client that repeats a create_run makes two runs.
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
        os.environ["MLFLOW_ALLOW_HTTP_REDIRECTS"] = "false"  # into its reader's own network
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient  # noqa: PLC0415 - a second that only few pay
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

        for name in ("mlflow", "alembic", "alembic.runtime.migration"):
            logging.getLogger(name).setLevel(logging.ERROR)
        # It writes a traceback of each refused call, which `explain` says in one line.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
        uri = tracking_uri()
        if uri.startswith("sqlite:") and "'" in str(Path.cwd()):
            raise UserError(
                f"MLflow cannot keep runs in an SQLite file below {Path.cwd()}: its SQL breaks at "
                "the apostrophe in that path. Rename the folder, or set MLFLOW_TRACKING_URI to a "
                "server"
            )
        away = (MlflowException, SQLAlchemyError, OSError, ImportError, ValueError, UserError)
        try:
            with database.alone(uri), database.no_stray_folder(uri):
                database.write_ahead(uri)
                # A new SQLite file is made here: processes that make it at once can spoil it.
                client = MlflowClient(uri)
        except away as error:
            raise UserError(meaning(uri, error).text) from None
        patiently: Any = Patient(client)  # it has what the client has
        return cls(patiently, redact(uri), away, database.mark(uri))

    def experiment(self, project: str) -> str:
        """The id of the experiment `project`, made if it is not there.

        Raises:
            UserError: the experiment was deleted.
        """
        if project not in self._experiments:
            with database.alone(tracking_uri()):
                found = self.client.get_experiment_by_name(project)
                if found is None:
                    place = database.artifacts(tracking_uri())
                    self._experiments[project] = self._made(project, place)
                    return self._experiments[project]
            if found.lifecycle_stage != "active":
                raise UserError(
                    f"the MLflow experiment {project!r} was deleted; restore it with `mlflow "
                    f"experiments restore -x {found.experiment_id}`, or set "
                    "`mlflow_experiment:` to another name"
                )
            self._experiments[project] = str(found.experiment_id)
        return self._experiments[project]

    def _made(self, project: str, place: str | None) -> str:
        try:
            return str(self.client.create_experiment(project, artifact_location=place))
        except self.away as error:
            if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise
        if found := self.client.get_experiment_by_name(project):  # another process was faster
            return str(found.experiment_id)
        raise UserError(  # a server does not tell whose it is
            f"mlflow_experiment: expected one of MLflow that this account may read, received "
            f"{project!r}: have it granted (`truefit account NAME --experiment {project}`), or set "
            "`mlflow_experiment:` to another name"
        )

    def is_replaced(self) -> bool:
        """Whether the database's file is gone or another one; open connections keep the old one."""
        return database.mark(tracking_uri()) != self.mark

    def search(
        self, experiment: str, condition: str, *, deleted: bool = False
    ) -> list[entities.Run]:
        """Every run that fits, the newest first; also those that somebody `deleted`, if wanted."""
        from mlflow.entities import ViewType  # noqa: PLC0415 - see `open`

        view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
        found: list[entities.Run] = []
        token = None
        while True:
            page = self.client.search_runs(
                [experiment], condition, view, max_results=1000, page_token=token
            )
            found, token = [*found, *page], page.token
            if not token:
                return found

    def log(
        self, run_id: str, points: list[Point], params: dict[str, str], tags: dict[str, str]
    ) -> None:
        """Values in as few calls as MLflow allows: 1,000 metrics, 100 parameters, 100 tags each."""
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - see `open`

        metrics = [Metric(*point) for point in points]
        texts = [Param(*pair) for pair in params.items()]
        labels = [RunTag(*pair) for pair in tags.items()]
        for start in range(0, max(len(metrics), 10 * len(texts), 10 * len(labels)), 800):
            part = start // 10
            self.client.log_batch(
                run_id,
                metrics=metrics[start : start + 800],
                params=texts[part : part + 80],
                tags=labels[part : part + 80],
            )

    def log_dataset(self, run_id: str, dataset: Dataset) -> None:
        """The data that a run has used."""
        from mlflow import entities  # noqa: PLC0415 - see `open`

        entity = entities.Dataset(
            name=dataset.name,
            digest=dataset.digest,
            source_type="dvc",
            source=json.dumps(dataset.source),
            profile=json.dumps(dataset.profile),
        )
        context = [entities.InputTag("mlflow.data.context", dataset.context)]
        self.client.log_inputs(run_id, datasets=[entities.DatasetInput(entity, context)])

    def log_scores(self, run_id: str, on: Dataset | None, points: list[Point]) -> None:
        """Metrics that belong to the run's model and to the data that it was measured on."""
        from mlflow.entities import Metric  # noqa: PLC0415 - see `open`

        outputs = self.client.get_run(run_id).outputs
        models = outputs.model_outputs if outputs else []
        model = models[0].model_id if models else None
        data = on if model else None
        metrics = [
            Metric(
                *point,
                model_id=model,
                dataset_name=data.name if data else None,
                dataset_digest=data.digest if data else None,
                run_id=run_id if model else None,
            )
            for point in points
        ]
        self.client.log_batch(run_id, metrics=metrics)

    def try_out(self, project: str) -> str:
        """Write a run with a value and a file, and read them back.

        Returns:
            The run's id if it may not be deleted by who asks; else nothing, and it is.

        Raises:
            UserError: it cannot be written, or reads otherwise than it was written.
        """
        name = "doctor"
        try:
            run = self.client.create_run(
                self.experiment(project), run_name=name, tags={"truefit.kind": name}
            ).info.run_id
            self.client.log_metric(run, "works", 1.0)
            self.client.log_text(run, name, "works.txt")
            value = self.client.get_run(run).data.metrics.get("works")
            files = [file.path for file in self.client.list_artifacts(run)]
            self.client.set_terminated(run)
        except self.away as error:
            raise UserError(self.explain(error)) from None
        if (value, files) != (1.0, ["works.txt"]):
            raise UserError(f"MLflow at {self.uri} gives back {value} and {files} of what it took")
        with contextlib.suppress(*self.away):
            self.client.delete_run(run)
            return ""
        return str(run)

    def explain(self, error: Exception) -> str:
        """One line: what is wrong, and what to do."""
        return meaning(self.uri, error).text

    def refusal(self, error: Exception) -> UserError:
        """What ends a command that needs MLflow, with the way out."""
        told = meaning(self.uri, error)
        out = "\nStart it, or correct MLFLOW_TRACKING_URI (unset: the project's own mlflow.db)"
        return UserError(told.text + (out if told.is_away else ""))
