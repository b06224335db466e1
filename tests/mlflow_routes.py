"""MLflow's own route table, with accounts, and what in each request may be an address."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from conftest import ROOT, run

ADDRESS = re.compile(
    r"uri|url|location|source|root|host|address|bucket|path|link|dest|endpoint|_json|serialized"
)


@functools.cache
def table() -> dict[str, Any]:
    """The routes, each with `method`, `path`, `fields` and whether it is `typed`; `graphql`.

    A process of its own makes it: MLflow's application with accounts takes it for a server.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = run(
            sys.executable, __file__,
            PYTHONPATH=os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
            MLFLOW_BACKEND_STORE_URI=f"sqlite:///{folder}/accounts.db",
            MLFLOW_FLASK_SERVER_SECRET_KEY="any",  # noqa: S106 - signs nothing here
            MLFLOW_AUTH_ADMIN_PASSWORD="a long password",  # noqa: S106 - of nobody
            MLFLOW_AUTH_CONFIG_PATH=str(ROOT / "src/truefit/tracking/accounts.ini"),
            _MLFLOW_SGI_NAME="uvicorn",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def fields(message: Any, before: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Names of the texts in a message of MLflow's that may be an address."""
    for field in message.fields:
        inner = field.message_type
        if inner and inner.full_name not in seen:
            yield from fields(inner, f"{before}{field.name}.", (*seen, inner.full_name))
        elif field.type == field.TYPE_STRING and ADDRESS.search(field.name):
            yield before + field.name


def routes() -> Iterator[dict[str, Any]]:
    from mlflow.server import app, auth, handlers  # noqa: PLC0415 - in a process of its own

    fast = auth.create_app()
    messages: dict[Any, Any] = {handler: message for message, handler in handlers.HANDLERS.items()}
    for rule in app.url_map.iter_rules():
        message = messages.get(app.view_functions[rule.endpoint])
        found = list(fields(message.DESCRIPTOR, f"{message.__name__}.")) if message else []
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            one = {"method": method, "path": rule.rule, "fields": found, "typed": bool(message)}
            yield one
    for path, methods in fast.openapi()["paths"].items():
        for method in methods:
            yield {"method": method.upper(), "path": path, "fields": [], "typed": False}


def graphql() -> list[str]:
    from mlflow.server.graphql.graphql_schema_extensions import schema  # noqa: PLC0415

    return [
        f"{name}.{field}"
        for name, kind in schema.graphql_schema.type_map.items()
        if name.endswith("Input")
        for field in getattr(kind, "fields", {})
        if ADDRESS.search(field)
    ]


if __name__ == "__main__":
    from truefit.tracking.guard import use_database_of_environment

    use_database_of_environment()
    print(json.dumps({"routes": list(routes()), "graphql": graphql()}))
