"""Addresses that a caller names: MLflow's server opens none but those below its own root."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

# MLflow resolves these itself, and asks whether the caller may read the run or the model.
RESOLVED = re.compile(r"(?:runs|models|mlflow-artifacts):/(?!/)")
PROMPTS = {"dummy-source", "prompt-template"}  # MLflow's placeholders: they name no address
# Tags of a trace that say where its files are; MLflow sets them, and reads where they point.
TAGS = {"mlflow.artifactLocation", "mlflow.trace.archiveLocation"}
FIELDS = ("artifact_location", "artifactLocation")


def refusal(path: str, body: Any, *, local: bool = False) -> str:
    """Why a request with this JSON body is refused; empty where it names no foreign address.

    Args:
        path: of the endpoint.
        body: the decoded JSON.
        local: whether a version may come from a folder of this machine; MLflow itself then lets
            only folders of a run or a logged model pass.
    """
    if not isinstance(body, dict):
        return ""
    for field in FIELDS:
        if body.get(field):
            return (
                f"artifact_location: expected none, received {body[field]!r}. This server keeps "
                "all files below its own root: leave it out"
            )
    if path.endswith("/model-versions/create") and not _is_source(body.get("source"), local):
        return (
            "source of a model version: expected runs:/RUN_ID/PATH, models:/... or "
            f"mlflow-artifacts:/... of a run or model you may read, received {body['source']!r}. "
            "Log the model to this server and register it from there"
        )
    if named := TAGS & set(_keys(body)):
        return f"tag {min(named)}: MLflow sets it itself. Leave it out"
    return ""


def _is_source(source: Any, local: bool) -> bool:
    if not source:
        return True  # MLflow says that it is missing
    text = str(source)
    if local and text.startswith(("/", "file:///")):
        return True
    return text in PROMPTS or bool(RESOLVED.match(text))


def _keys(body: Any) -> list[str]:
    """Every name of a tag, whether tags come as a mapping or as {key, value}."""
    if isinstance(body, list):
        return [key for each in body for key in _keys(each)]
    if not isinstance(body, dict):
        return []
    own = [*body, *([body["key"]] if isinstance(body.get("key"), str) else [])]
    return own + [key for each in body.values() for key in _keys(each)]


def before_request(*, local: bool) -> Any:
    """Refuse a request of MLflow's Flask application that names a foreign address.

    Args:
        local: as `refusal` takes it.
    """
    from flask import request  # noqa: PLC0415 - a server's alone

    if request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    body = request.get_json(force=True, silent=True)  # as MLflow reads it, whatever the type says
    with contextlib.suppress(ValueError):
        if isinstance(body, str):  # old clients encode twice, and MLflow decodes twice
            body = json.loads(body)
    if not (why := refusal(request.path, body, local=local)):
        return None
    return {"error_code": "PERMISSION_DENIED", "message": why}, 403


def open_only_below(root: str) -> None:
    """Let this process open no files of MLflow's outside `root`, whoever wrote the address.

    It is the last gate: it also holds for what was recorded before the first one was there.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - a server's alone
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED  # noqa: PLC0415
    from mlflow.store.artifact import artifact_repository_registry as repositories  # noqa: PLC0415

    registry = repositories._artifact_repository_registry  # noqa: SLF001 - MLflow has no hook here
    real = registry.get_artifact_repository

    def opened(artifact_uri: str, *arguments: Any, **options: Any) -> Any:
        if not is_below(str(artifact_uri), root):
            raise MlflowException(
                "these files lie outside the root of this server, which does not open them",
                PERMISSION_DENIED,
            )
        return real(artifact_uri, *arguments, **options)

    registry.get_artifact_repository = opened


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
