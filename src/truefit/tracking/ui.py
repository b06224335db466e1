"""`truefit ui`: MLflow's own UI on the project's records, and links into it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from truefit.core.errors import UserError
from truefit.tracking.guard import Rules
from truefit.tracking.server import end, guarded, is_healthy, launch
from truefit.tracking.store import Store, tracking_uri
from truefit.tracking.views import all_runs, links, share_runs, ten_best

if TYPE_CHECKING:
    from mlflow.entities import Run

PORT = 5000
START = 90.0  # seconds that the server may need


def server_address(port: int = PORT) -> str:
    """Where the UI is: the configured server, or the one that `truefit ui` starts."""
    uri = re.sub(r"(?<=://)[^/]+@", "", tracking_uri().rstrip("/"))  # no password in a link
    return uri if uri.startswith("http") else f"http://127.0.0.1:{port}"


def show_links(found: dict[str, str]) -> str:
    """One line for each."""
    return "\n".join(f"  {name + ':':10} {address}" for name, address in found.items())


def serve(project: str, study: str | None, port: int, say: Callable[[str], None]) -> None:
    """Start the UI on loopback, print the links, and stay until Ctrl-C.

    Where MLflow is a server already, it only prints the links.

    Raises:
        UserError: the store cannot be read, there is no such study, or the server does not start.
    """
    store = Store.open()
    try:
        run = _newest_study(store, project, study)
        best = ten_best(store, store.experiment(project), run.info.run_id) if run else []
    except store.away as error:
        raise store.refusal(error) from None
    if tracking_uri().startswith("http"):
        say(_invitation(store, project, run, best, server_address()))
        return
    for ending in (signal.SIGINT, signal.SIGTERM):  # its server ends with it
        signal.signal(ending, signal.default_int_handler)
    port = _free(port)
    given = _settings(port)
    server = launch("127.0.0.1", port, 1, given, subprocess.DEVNULL)
    try:
        _wait_until_healthy(port, server, Rules.mark_of(given))
        say(_invitation(store, project, run, best, server_address(port)))
        say("Ctrl-C ends it")
        server.wait()
    except KeyboardInterrupt:
        say("")
    finally:
        end(server)


def _newest_study(store: Store, project: str, study: str | None) -> Run | None:
    found = store.search(store.experiment(project), "tags.`truefit.kind` = 'study'")
    if study:  # not in the condition, where a quote in the name would end it
        found = [run for run in found if run.data.tags.get("truefit.study") == study]
    if study and not found:
        raise UserError(f"there is no study {study!r} in the MLflow experiment {project!r}")
    return found[0] if found else None


def _invitation(store: Store, project: str, run: Run | None, best: list[str], server: str) -> str:
    experiment = store.experiment(project)
    found = {"all runs": _all_runs(store, server, experiment)}
    title = f"MLflow's UI: {server}"
    if run is not None:
        tags = run.data.tags
        title += f", {tags['truefit.study']}"
        found = {**links(server, experiment, tags["truefit.run"], best), **found}
    return f"{title}\n{show_links(found)}"


def _all_runs(store: Store, server: str, experiment: str) -> str:
    """The table with scores, or MLflow's own where the account may only read."""
    try:
        share_runs(store, experiment)
    except store.away:
        return f"{server}/#/experiments/{experiment}/runs?workflowType=machine_learning"
    return all_runs(server, experiment)


def _free(port: int) -> int:
    """The port, or another one where somebody listens on it."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settings(port: int) -> dict[str, str]:
    return {
        "MLFLOW_BACKEND_STORE_URI": tracking_uri(),
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        **guarded([f"127.0.0.1:{port}", f"localhost:{port}"]),
    }


def _wait_until_healthy(port: int, server: subprocess.Popen[bytes], mark: str) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        if is_healthy(f"http://127.0.0.1:{port}", mark):
            return
        time.sleep(0.2)
    raise UserError(
        f"MLflow's server does not start on port {port}; `mlflow server --backend-store-uri "
        "sqlite:///mlflow.db` in the project's root says why"
    )
