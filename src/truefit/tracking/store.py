"""Where runs are recorded: the project's own MLflow database, or the server that is configured."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

from filelock import FileLock

from truefit.errors import UserError
from truefit.paths import project_root, state_folder


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, or `mlflow.db` in the project's root, as an absolute address.

    MLflow's own default is relative to the working directory, so a temporary DVC work tree would
    take its records with it when it is removed.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root() / 'mlflow.db'}"


def open_store(project: str) -> tuple[Any, str]:
    """A client, and the id of the experiment `project`, made if it is not there.

    A new SQLite file is made under a lock: processes that make it at once can spoil it for good.

    Raises:
        UserError: the store cannot be reached, or the experiment was deleted.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    from mlflow import MlflowClient  # noqa: PLC0415 - a second that only recording stages pay

    for name in ("mlflow", "mlflow.store.db.utils", "alembic", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = tracking_uri()
    with reaching(), FileLock(state_folder() / "mlflow.lock"):
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(project)
        if found is None:
            return client, str(client.create_experiment(project, artifact_location=_artifacts(uri)))
    if found.lifecycle_stage != "active":
        raise UserError(
            f"the MLflow experiment {project!r} was deleted; restore it with `mlflow experiments "
            f"restore -x {found.experiment_id}`, or set `project:` to another name"
        )
    return client, str(found.experiment_id)


@contextlib.contextmanager
def reaching() -> Iterator[None]:
    """Faults of the store inside the block are a `UserError` that says where and what to do."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see open_store
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError, ValueError) as error:
        raise UserError(
            f"MLflow cannot be reached at {redact(tracking_uri())}: {first_line(error)}\n"
            "Start the server, or unset MLFLOW_TRACKING_URI to record into the project's mlflow.db"
        ) from None


def first_line(error: BaseException) -> str:
    """What an exception says first, without passwords; its type where it says nothing."""
    return redact((str(error).splitlines() or [type(error).__name__])[0])


def redact(text: str) -> str:
    """`text` with the user and password of every address in it replaced by `***`."""
    return re.sub(r"(?<=://)[^/\s]+@", "***@", text)


def _artifacts(uri: str) -> str | None:
    """Beside the project's own database; a server decides for itself."""
    return (project_root() / "mlartifacts").as_uri() if uri.startswith("sqlite:") else None
