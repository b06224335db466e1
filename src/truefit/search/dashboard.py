"""`truefit dashboard`: optuna-dashboard on the studies of this project."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable

from truefit.core.errors import UserError
from truefit.search.storage.rdb import Storage

OPEN = (
    "note: optuna-dashboard has no accounts: whoever reaches {host}:{port} can read, change and "
    "delete every study"
)


def serve(host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. The address of the storage stays in this process: it is no argument.

    Raises:
        UserError: optuna-dashboard is not installed, or the storage cannot be opened.
    """
    try:
        dashboard = importlib.import_module("optuna_dashboard")
    except ImportError:
        raise UserError("optuna-dashboard is not here: `pip install 'truefit[team]'`") from None
    storage = Storage.open(say)
    if host not in ("127.0.0.1", "localhost", "::1"):
        say(OPEN.format(host=host, port=port))
    say(f"studies at http://{host}:{port}/dashboard/; Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        dashboard.run_server(storage.rdb, host=host, port=port)
