"""`truefit server`: MLflow's server as a team needs it: PostgreSQL, accounts, allowed names."""

from __future__ import annotations

import configparser
import contextlib
import ipaddress
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from truefit.errors import UserError
from truefit.tracking.store import redact

START = 120.0  # seconds until it must be healthy
CHECKED = 60  # seconds for which a password that was right is not checked again
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


def serve(plan: Plan, say: Callable[[str], None]) -> None:
    """Start the server, wait until it answers, say what people set, and stay until Ctrl-C.

    Raises:
        UserError: the plan is not safe, or the server does not start.
    """
    require_safe(plan)
    for ending in (signal.SIGINT, signal.SIGTERM):  # its server ends with it
        signal.signal(ending, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="truefit-server-") as name:
        log = Path(name) / "server.log"
        server = _start(plan, Path(name), log)
        try:
            _wait_until_healthy(plan, server, log)
            say(invitation(plan))
            server.wait()
            raise UserError(f"the server has ended:\n{_last_words(log)}")
        except KeyboardInterrupt:
            say("")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def _start(plan: Plan, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", plan.host, "--port", str(plan.port)),
        *("--workers", str(plan.workers)),
        *(["--app-name", "basic-auth"] if plan.accounts else []),
    ]
    with log.open("w") as told:
        return subprocess.Popen(
            command,
            env={**os.environ, **settings(plan, folder)},
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def settings(plan: Plan, folder: Path) -> Environment:
    """What MLflow reads from its environment: arguments would show passwords to other users."""
    here = [f"{host}:{plan.port}" for host in ("127.0.0.1", "localhost")]
    names = [*here, *(each for name in plan.names for each in (name, f"{name}:{plan.port}"))]
    given = {
        "MLFLOW_BACKEND_STORE_URI": plan.database,
        "MLFLOW_ARTIFACTS_DESTINATION": plan.artifacts,
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(names),
        # Pages of its own names alone may write to it.
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            f"{scheme}://{name}" for name in names for scheme in ("http", "https")
        ),
        # Without the workers for language models it starts 2 processes instead of 10.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    if plan.accounts:
        given["MLFLOW_AUTH_CONFIG_PATH"] = str(_account_rules(plan, folder))
        given["MLFLOW_FLASK_SERVER_SECRET_KEY"] = os.environ.get(
            "MLFLOW_FLASK_SERVER_SECRET_KEY", secrets.token_hex(32)
        )
    return given


def _account_rules(plan: Plan, folder: Path) -> Path:
    """MLflow's settings for accounts; nobody sees what was not granted to them."""
    rules = configparser.ConfigParser(interpolation=None)
    rules["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        "database_uri": plan.database,
        "admin_username": "admin",
        "auth_cache_ttl_seconds": str(CHECKED),
    }
    file = folder / "accounts.ini"
    file.touch(mode=0o600)
    with file.open("w") as opened:
        rules.write(opened)
    return file


def _wait_until_healthy(plan: Plan, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        if is_healthy(plan.address):
            return
        time.sleep(0.2)
    raise UserError(f"MLflow's server does not start at {plan.address}:\n{_last_words(log)}")


def is_healthy(address: str) -> bool:
    """Whether an MLflow server answers there, with or without an account."""
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"{address}/health", timeout=5) as answer,  # noqa: S310 - http(s)
    ):
        return bool(answer.status == 200)
    return False


def _last_words(log: Path) -> str:
    """The lines of its log that say why; without the traceback and without passwords."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
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
