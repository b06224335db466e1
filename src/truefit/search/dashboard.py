"""`truefit dashboard`: optuna-dashboard on the studies of this project."""

from __future__ import annotations

import contextlib
import importlib
import socket
import socketserver
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from truefit.core.errors import UserError
from truefit.search.storage.rdb import Storage

LOOPBACK = ("127.0.0.1", "localhost", "::1")
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
    if host not in LOOPBACK:
        say(OPEN.format(host=host, port=port))
    app = of_own_pages(dashboard.wsgi(storage.rdb), host)
    try:
        server = make_server(host, port, app, Threaded6 if ":" in host else Threaded)
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: nobody can listen there ({error.strerror}): give "
            "another --port"
        ) from None
    name = f"[{host}]" if ":" in host else host
    say(f"studies at http://{name}:{port}/dashboard/; Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt), server:
        server.serve_forever()


class Threaded(socketserver.ThreadingMixIn, WSGIServer):
    """A page asks for several things at once."""

    daemon_threads = True


class Threaded6(Threaded):
    """The same at an address of IPv6."""

    address_family = socket.AF_INET6


def of_own_pages(app: WSGIApplication, host: str) -> WSGIApplication:
    """`app` for its own pages alone: pages of other addresses are refused.

    A page that somebody else made could change studies through the reader's browser; by another
    name for this machine too (DNS rebinding), so on loopback the name is looked at as well.
    """

    def guarded(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        asked, origin = str(environ.get("HTTP_HOST", "")), environ.get("HTTP_ORIGIN")
        is_named = host not in LOOPBACK or urlsplit(f"//{asked}").hostname in LOOPBACK
        if is_named and origin in (None, f"http://{asked}", f"https://{asked}"):
            return app(environ, start)
        start("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"this page is of another address than the dashboard\n"]

    return guarded
