"""Which of MLflow's endpoints a server of ours offers.

MLflow 3.17 has some 500 routes. Those for language models call addresses that a caller names, or
run programs, and a project of Keras models needs none of them. A route that is not listed here is
refused, so a new version of MLflow offers nothing that nobody has looked at.
"""

from __future__ import annotations

import re
from typing import Literal

Offer = Literal["all", "read", "none"]

READING = {"GET", "HEAD", "OPTIONS"}
API = re.compile(r"/(?:ajax-)?api/[23]\.0/(?:mlflow/)?(.+)")
PAGES: dict[str, Offer] = {
    "/": "all",
    "/version": "all",
    "/health": "all",
    "/signup": "none",  # it sends a form; `truefit account` makes accounts
    "/graphql": "all",
    "/get-artifact": "all",
    "/model-versions/get-artifact": "all",
    "/v1/traces": "none",
    "/static-files": "all",
    "/build": "all",
    "/gateway": "none",
    "/api/2.0mlflow": "none",  # a slip of MLflow's, without a handler
    "/ajax-api/2.0mlflow": "none",
}
# The longest beginning of what follows /api/2.0/mlflow/ (or ajax-api, or 3.0) decides.
FAMILIES: dict[str, Offer] = {
    "artifacts": "all",
    "datasets": "all",
    "experiments": "all",
    "get-trace-artifact": "all",
    "issues": "all",
    "label-schemas": "all",
    "logged-models": "all",
    "metrics": "all",
    "mlflow-artifacts": "all",
    "model-versions": "all",
    "registered-models": "all",
    "review-queues": "all",
    "roles": "all",
    "runs": "all",
    "server-info": "all",
    "ui-telemetry": "all",
    "upload-artifact": "all",
    "users": "all",
    "users/create-ui": "none",  # the form of /signup
    # A trace's number is its writer's choice, and MLflow takes another's: nobody writes any.
    "traces": "read",
    "traces/batchGet": "all",
    "traces/batchGetInfos": "all",
    "traces/calculate-filter-correlation": "all",
    "traces/metrics": "all",
    "traces/search": "all",
    # No handler yet.
    "get-online-trace-details": "read",
    "unified-traces": "read",
    # They call addresses that a caller names (api_base of a secret, url of a webhook, a prompt's or
    # an MCP server's address), or set another root of the files.
    "gateway": "read",
    "gateway/supported-models": "none",  # a catalogue that takes seconds of a process, or minutes
    "gateway-proxy": "read",
    "mcp-servers": "none",
    "prompt-optimization": "none",
    "webhooks": "read",
    "workspaces": "read",
    # They run programs or code on the server, or fill the database with examples.
    "assistant": "none",
    "demo": "none",
    "genai": "none",
    "issues/invoke": "none",
    "jobs": "none",
    "runs/create-promptlab-run": "none",
    "scorer": "none",
    "scorers": "read",
}


def offer(path: str) -> Offer | None:
    """How much of the endpoint at `path` is offered; `None` where nobody has decided yet."""
    api = API.fullmatch(path)
    known = FAMILIES if api else PAGES
    name = api[1].rstrip("/") if api else path
    while name not in known:
        shorter, slash, _ = name.rpartition("/")
        if not slash or not shorter.strip("/"):
            return None
        name = shorter
    return known[name]


def is_offered(method: str, path: str) -> bool:
    """Whether a request with this method reaches MLflow at all."""
    decided = offer(path)
    return decided == "all" or (decided == "read" and method in READING)
