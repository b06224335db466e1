"""Addresses that a caller names: MLflow's server opens none but those below its own root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

# MLflow resolves these itself, and asks whether the caller may read the run or the model.
RESOLVED = re.compile(r"(?:runs|models|mlflow-artifacts):/(?!/)")
PROMPTS = {"dummy-source", "prompt-template"}  # MLflow's placeholders: they name no address


def refusal(path: str, body: object, *, local: bool = False) -> str:
    """Why a request with this JSON body is refused; empty where it names no foreign address.

    Args:
        path: of the endpoint.
        body: the decoded JSON.
        local: whether a version may come from a folder of this machine; MLflow itself then lets
            only folders of a run or a logged model pass.
    """
    if not isinstance(body, dict):
        return ""
    if where := body.get("artifact_location"):
        return (
            f"artifact_location: expected none, received {where!r}. This server keeps all files "
            "below its own root: leave it out"
        )
    if path.endswith("/model-versions/create") and not _is_source(body.get("source"), local):
        return (
            "source of a model version: expected runs:/RUN_ID/PATH, models:/... or "
            f"mlflow-artifacts:/... of a run or model you may read, received {body['source']!r}. "
            "Log the model to this server and register it from there"
        )
    return ""


def _is_source(source: object, local: bool) -> bool:
    if not source:
        return True  # MLflow says that it is missing
    text = str(source)
    if local and text.startswith(("/", "file:///")):
        return True
    return text in PROMPTS or bool(RESOLVED.match(text))


def before_request(*, local: bool) -> tuple[dict[str, str], int] | None:
    """Refuse a request of MLflow's Flask application that names a foreign address, or two things.

    Args:
        local: as `refusal` takes it.
    """
    from flask import request  # noqa: PLC0415 - a server's alone

    if request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    body = request.get_json(force=True, silent=True)  # an object, or the file of an upload
    if why := refusal(request.path, body, local=local):
        return {"error_code": "PERMISSION_DENIED", "message": why}, 403
    if why := mismatch(request.view_args or {}, body):
        return {"error_code": "INVALID_PARAMETER_VALUE", "message": why}, 400
    return None


def mismatch(named: Mapping[str, object], body: object) -> str:
    """Why a body that names another thing than the path is refused; empty where it does not.

    MLflow reads it from the one for its permission, and may read it from the other to act.

    Args:
        named: what the path names, by field.
        body: the decoded JSON.
    """
    for field, value in named.items():
        if isinstance(body, dict) and str(body.get(field, value)) != str(value):
            return f"{field}: expected {value!r} as in the path, received another in the body"
    return ""


def open_only_below(root: str) -> None:
    """Let this process open no files of MLflow's outside `root`, whoever wrote the address.

    It is the last gate: it also holds for what was recorded before the first one was there.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - a server's alone
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED  # noqa: PLC0415
    from mlflow.store.artifact import artifact_repository_registry as repositories  # noqa: PLC0415

    registry = repositories._artifact_repository_registry  # noqa: SLF001 - MLflow has no hook here
    real = registry.get_artifact_repository

    def opened(
        artifact_uri: str, *arguments: str | None, **options: str | None
    ) -> ArtifactRepository:
        if not is_below(str(artifact_uri), root):
            raise MlflowException(
                "these files lie outside the root of this server, which does not open them",
                PERMISSION_DENIED,
            )
        return real(artifact_uri, *arguments, **options)

    registry.get_artifact_repository = opened  # type: ignore[method-assign] # no hook


def is_below(uri: str, root: str) -> bool:
    """Whether `uri` is `root`, lies below it, or is one that MLflow resolves to such."""
    if RESOLVED.match(uri):
        return True
    parts, top = _parts(uri), _parts(root)
    return parts[: len(top)] == top and ".." not in parts


def _parts(uri: str) -> tuple[str, ...]:
    split = urlsplit(uri)
    if split.scheme in ("", "file"):
        return ("file", split.netloc, *Path(unquote(split.path)).resolve().parts)
    return (split.scheme, split.netloc, *filter(None, unquote(split.path).split("/")))
