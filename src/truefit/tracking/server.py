"""`truefit server`: MLflow's server as a team needs it: PostgreSQL, accounts, allowed names."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

from truefit.core.errors import UserError
from truefit.tracking.guard import ACCOUNTS, MARK, Rules
from truefit.tracking.redaction import redact

START = 120.0  # seconds until it must be healthy
END = 15.0  # seconds in which it must have ended
LAST_LINES = 3  # of its log, where it does not start
Environment = dict[str, str]


@dataclass(frozen=True)
class Plan:
    """Where the server listens, keeps and lets in.

    `names` are the hosts that people write into their browsers; MLflow refuses all others, which
    keeps a page elsewhere from talking to it through somebody's browser.
    """

    host: str
    port: int
    names: list[str]
    database: str
    artifacts: str
    accounts: bool = True
    workers: int = 2

    @property
    def address(self) -> str:
        """Where this machine finds it."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_safe(plan: Plan) -> None:
    """Refuse what would lose runs, or let strangers read and delete them.

    Raises:
        UserError: with what to set instead.
    """
    scheme = urlsplit(plan.database).scheme
    if not scheme.startswith("postgresql"):
        raise UserError(
            "a server needs PostgreSQL, which takes many writers at once: expected "
            "MLFLOW_BACKEND_STORE_URI=postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, received "
            f"{redact(plan.database) or 'nothing'}. For one person `truefit ui` is enough"
        )
    if not plan.artifacts:
        raise UserError(
            "files need a place: expected --artifacts s3://BUCKET/FOLDER or a folder, received "
            "nothing"
        )
    if is_loopback(plan.host):
        return
    if not plan.accounts:
        raise UserError(
            f"--no-accounts on {plan.host} would let everybody who reaches it read and delete "
            "every run. Leave it out, or listen on --host 127.0.0.1"
        )
    if not plan.names or any("*" in name for name in plan.names):
        raise UserError(
            f"on {plan.host} MLflow must know its own names: expected --name mlflow.example.org "
            "(several times for several; no *), received "
            f"{', '.join(plan.names) or 'none'}"
        )


def require_free(host: str, port: int) -> None:
    """Refuse a port on which somebody listens: an earlier server, or a stranger's.

    Raises:
        UserError: with the way out.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        here = Plan(host, port, [], "", "").address
        who = "an MLflow server answers there already" if is_healthy(here) else error.strerror
        raise UserError(
            f"--port: expected a free one, received {port} of {host}: {who}. End what listens "
            f"there (`ss -ltnp 'sport = :{port}'` names its process), or take another: --port "
            f"{port + 1}"
        ) from None


def serve(plan: Plan, say: Callable[[str], None]) -> None:
    """Start the server, wait until it answers, say what people set, and stay until Ctrl-C.

    Raises:
        UserError: the plan is not safe, its port is taken, or the server does not start.
    """
    require_safe(plan)
    require_free(plan.host, plan.port)
    for ending in (signal.SIGINT, signal.SIGTERM):  # its server ends with it
        signal.signal(ending, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="truefit-server-") as private,
        tempfile.TemporaryFile() as log,
    ):
        given = settings(plan, f"{private}/attempts.db")
        server = launch(plan.host, plan.port, plan.workers, given, log)
        try:
            _wait_until_healthy(plan, server, log, Rules.mark_of(given))
            say(invitation(plan))
            server.wait()
            raise UserError(f"the server has ended:\n{_last_words(log)}")
        except KeyboardInterrupt:
            say("")
        finally:
            end(server)


def launch(
    host: str, port: int, workers: int, given: Environment, log: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """MLflow's server behind our guard; it ends with this process, even where that is killed.

    Args:
        host: to listen on.
        port: likewise.
        workers: processes that answer.
        given: its settings, beside this process' environment: arguments would show passwords to
            other users.
        log: takes what it prints.
    """
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "truefit.tracking.served", "server"),
            *("--host", host, "--port", str(port), "--workers", str(workers)),
            *(["--app-name", "basic-auth"] if "MLFLOW_AUTH_CONFIG_PATH" in given else []),
        ],
        env={**os.environ, **given},
        stdin=subprocess.PIPE,  # its other end is closed with this process
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def end(server: subprocess.Popen[bytes]) -> None:
    """End the server with all its processes."""
    if server.stdin:
        server.stdin.close()
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(END)
            return


def settings(plan: Plan, attempts: str) -> Environment:
    """What the server reads from its environment; `attempts` is where wrong passwords count."""
    here = [f"{host}:{plan.port}" for host in ("127.0.0.1", "localhost")]
    names = [*here, *(each for name in plan.names for each in (name, f"{name}:{plan.port}"))]
    given = {
        "MLFLOW_BACKEND_STORE_URI": plan.database,
        "MLFLOW_ARTIFACTS_DESTINATION": plan.artifacts,
        **guarded(names, accounts=plan.accounts, root=plan.artifacts, attempts=attempts),
    }
    if plan.accounts:
        given["MLFLOW_AUTH_CONFIG_PATH"] = str(ACCOUNTS)
        given["MLFLOW_FLASK_SERVER_SECRET_KEY"] = os.environ.get(
            "MLFLOW_FLASK_SERVER_SECRET_KEY", secrets.token_hex(32)
        )
    return given


def guarded(
    names: list[str], *, accounts: bool = False, root: str = "", attempts: str = ""
) -> Environment:
    """What keeps foreign pages, names and addresses out, whatever the environment says.

    Args:
        names: by which browsers reach it, with their ports.
        accounts: whether people sign in.
        root: below which its files lie; empty where the project's own records may lie anywhere.
        attempts: the file in which its processes count wrong passwords.
    """
    origins = [f"{scheme}://{name}" for name in names for scheme in ("http", "https")]
    rules = Rules(accounts, origins, root, attempts, secrets.token_hex(16))
    return {
        **rules.as_environment(),
        # MLflow's own lets any name like 10.evil.example pass, and pages of any port of localhost.
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(names),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins),
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        "MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH": "true",
        # Without the workers for language models it starts 2 processes instead of 10.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _wait_until_healthy(
    plan: Plan, server: subprocess.Popen[bytes], log: IO[bytes], mark: str
) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        if is_healthy(plan.address, mark):
            return
        time.sleep(0.2)
    raise UserError(f"MLflow's server does not start at {plan.address}:\n{_last_words(log)}")


def is_healthy(address: str, mark: str = "") -> bool:
    """Whether an MLflow server answers there, with or without an account.

    Args:
        address: http(s)://HOST:PORT.
        mark: if given, that of the server that is meant: another one is not healthy.
    """
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"{address}/health", timeout=5) as answer,  # noqa: S310 - http(s)
    ):
        return bool(answer.status == 200 and mark in answer.headers.get(MARK, ""))
    return False


def _last_words(log: IO[bytes]) -> str:
    """The lines of its log that say why; without the traceback and without passwords."""
    # Without moving the place at which the server writes on.
    text = os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "Exception: " in line or "Error: " in line]
    return "\n".join(f"  {redact(line.strip())[:400]}" for line in (errors or lines)[-LAST_LINES:])


def invitation(plan: Plan) -> str:
    """What people set on their machines, with places for their own names and passwords."""
    here = is_loopback(plan.host)
    known = f"https://{plan.names[0]}" if here and plan.names else ""  # a proxy leads here
    known = known or f"http://{(plan.names or ['127.0.0.1'])[0]}:{plan.port}"
    lines = [
        f"MLflow answers at {plan.address}; files in {redact(plan.artifacts)}; Ctrl-C ends it",
        "On each machine:",
        f"  export MLFLOW_TRACKING_URI={known}",
        "  export TRUEFIT_STORAGE=postgresql+psycopg://USER:PASSWORD@HOST/studies",
    ]
    if plan.accounts:
        lines += [
            "  export MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=...",
            "Accounts, with these three of `admin`:  truefit account NAME --experiment truefit",
        ]
    if not here:
        lines.append(
            "Passwords travel as they are: put a proxy with TLS before it (docs/team.md), and "
            "https:// into the address"
        )
    return "\n".join(lines)
