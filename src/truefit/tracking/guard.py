"""The application that `truefit server` and `truefit ui` serve: MLflow's own, behind a guard."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from truefit.tracking.attempts import Attempts
from truefit.tracking.lifeline import end_with_leader
from truefit.tracking.locations import before_request, open_only_below
from truefit.tracking.parameters import LARGEST, TOO_LARGE, is_file, of_body, of_head
from truefit.tracking.routes import is_offered

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

VARIABLE = "TRUEFIT_SERVER_RULES"  # of the environment, by which processes get their rules
ACCOUNTS = Path(__file__).with_name("accounts.ini")
NOT_OFFERED = "truefit offers this part of MLflow to nobody (docs/team.md)"
MARK = "x-truefit-server"  # a header by which a server knows its own processes
CODES = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}
ADDRESS: ContextVar[str] = ContextVar("ADDRESS")  # who asks, for what checks the password

Authenticate = Callable[..., bool]


@dataclass(frozen=True)
class Rules:
    """What a server's processes hold to.

    `origins` are the pages that may talk to it, `root` where its files lie (empty: anywhere),
    `attempts` the file in a folder of its own where wrong passwords are counted, `mark` what
    tells it from another server on the same port.
    """

    accounts: bool
    origins: list[str] = field(default_factory=list)
    root: str = ""
    attempts: str = ""
    mark: str = ""

    def as_environment(self) -> dict[str, str]:
        """As `from_environment` reads them."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Rules:
        """Those of the server that started this process."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def forget(self) -> None:
        """Take away the folder of `attempts`, which `truefit server` does if it is not killed."""
        if self.attempts:
            shutil.rmtree(Path(self.attempts).parent, ignore_errors=True)

    @staticmethod
    def mark_of(environment: dict[str, str]) -> str:
        """The mark of the server that gets this environment."""
        return str(json.loads(environment[VARIABLE])["mark"])


def create_app() -> ASGIApp:
    """MLflow's application behind the guard; uvicorn calls it in each of its processes."""
    rules = Rules.from_environment()
    end_with_leader(rules.forget)
    if rules.root:
        open_only_below(rules.root)
    attempts = Attempts(rules.attempts)
    app = _with_accounts(attempts) if rules.accounts else _without_accounts()
    from mlflow.server import app as flask_app  # noqa: PLC0415 - after the accounts' own check

    flask_app.before_request(partial(before_request, local=not rules.root))
    return Guard(app, rules, attempts)


def _without_accounts() -> ASGIApp:
    from mlflow.server import fastapi_app  # noqa: PLC0415 - seconds

    app: ASGIApp = fastapi_app.app
    return app


def _with_accounts(attempts: Attempts) -> ASGIApp:
    use_database_of_environment()
    from mlflow.server import auth  # noqa: PLC0415 - seconds

    for path, method in list(auth.BEFORE_REQUEST_VALIDATORS):
        if _tells_of_others(path):  # MLflow lets every account list all
            auth.BEFORE_REQUEST_VALIDATORS[path, method] = auth.sender_is_admin
    for path, validator in list(auth.BEFORE_REQUEST_VALIDATORS.items()):
        if validator is auth.validate_can_read_experiment_by_name:
            auth.BEFORE_REQUEST_VALIDATORS[path] = _unknown_if_not(validator)
    auth.store.authenticate_user = limited(  # type: ignore[method-assign] # MLflow has no hook
        auth.store.authenticate_user, auth.store.has_user, attempts
    )
    app: ASGIApp = auth.create_app()
    return app


def _tells_of_others(path: str) -> bool:
    """All users, or roles: every account has one, which lists by name what was granted to it."""
    return path.endswith("/mlflow/users/list") or "/mlflow/roles/" in path


def _unknown_if_not(may_read: Callable[[], bool]) -> Callable[[], bool]:
    """Who may not read an experiment of that name gets the answer for a name that nobody uses."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - a server's alone
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST  # noqa: PLC0415

    def checked() -> bool:
        with contextlib.suppress(MlflowException):
            if may_read():
                return True
        raise MlflowException("there is no such experiment for you", RESOURCE_DOES_NOT_EXIST)

    return checked


def use_database_of_environment() -> None:
    """MLflow's accounts are in the database of its runs; its address is written to no file."""
    from mlflow.server import auth  # noqa: PLC0415 - seconds

    auth.auth_config = auth.auth_config._replace(
        database_uri=os.environ["MLFLOW_BACKEND_STORE_URI"]
    )


def limited(real: Authenticate, exists: Callable[[str], bool], attempts: Attempts) -> Authenticate:
    """A check of passwords that counts wrong ones, and takes as long for unknown accounts.

    Args:
        real: MLflow's own check.
        exists: whether there is such an account.
        attempts: what counts.
    """
    from werkzeug.security import (  # noqa: PLC0415 - a server's alone
        check_password_hash,
        generate_password_hash,
    )

    nobody = generate_password_hash("nobody")

    def authenticate(username: str, password: str, **options: object) -> bool:
        if (address := ADDRESS.get(None)) is None:  # MLflow itself, at its start
            return real(username, password, **options)
        if attempts.wait(username, address):
            return False
        if real(username, password, **options):
            attempts.right(username, address)
            return True
        attempts.wrong(username, address)
        if not exists(username):  # the time of an answer must not tell
            check_password_hash(nobody, password)
        return False

    return authenticate


class Guard:
    """Refuses foreign pages, what is not offered or can be read in two ways, and guessing."""

    def __init__(self, app: ASGIApp, rules: Rules, attempts: Attempts) -> None:
        """Stand before `app`.

        Args:
            app: what answers where nothing is refused.
            rules: of this server.
            attempts: wrong passwords so far.
        """
        self._app = app
        self._rules = rules
        self._attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "http":
            ADDRESS.set(_address(scope))
            send = self._marked(send) if scope["path"] == "/health" else send
            if answer := self._refusal(scope):
                await _answer(send, *answer)
                return
            if not is_file(scope["method"], scope["path"]):
                body = await _body(receive)
                if answer := _refusal_of_body(scope, body):
                    await _answer(send, *answer)
                    return
                receive = _replayed(body or b"", receive)
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str, int] | None:
        origins = _headers(scope, "origin")
        if any(origin not in self._rules.origins for origin in origins):
            return 403, f"a page of {origins[0]} may not talk to this server", 0
        if not is_offered(scope["method"], scope["path"]):
            return 403, f"{scope['method']} {scope['path']}: {NOT_OFFERED}", 0
        query, headers = scope["query_string"].decode("latin-1"), _all_headers(scope)
        status, why = of_head(scope["method"], scope["path"], query, headers)
        if status:
            return status, why, 0
        return self._refusal_of_account(scope) if self._rules.accounts else None

    def _refusal_of_account(self, scope: Scope) -> tuple[int, str, int] | None:
        from werkzeug.datastructures import Authorization  # noqa: PLC0415 - a server's alone

        given = _headers(scope, "authorization")
        if not given:  # MLflow lets nobody pass, or shows its own pages
            return None
        read = Authorization.from_header(given[0])
        if len(given) > 1 or not read or read.type != "basic" or not read.username:
            return 401, "Authorization: expected one, Basic with an account and a password", 0
        wait = math.ceil(self._attempts.wait(str(read.username), _address(scope)))
        why = f"too many wrong passwords: try again in {wait} seconds"
        return (429, why, wait) if wait else None

    def _marked(self, send: Send) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                mark = (MARK.encode(), self._rules.mark.encode())
                message["headers"] = [*message.get("headers", []), mark]
            await send(message)

        return marked


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def _headers(scope: Scope, name: str) -> list[str]:
    return [value for key, value in _all_headers(scope) if key == name]


def _all_headers(scope: Scope) -> list[tuple[str, str]]:
    return [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]


async def _body(receive: Receive) -> bytes | None:
    """The whole body; `None` where it is too large, of which no more is read then."""
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if len(body) > LARGEST:
            return None
        if not message.get("more_body"):
            break
    return bytes(body)


def _refusal_of_body(scope: Scope, body: bytes | None) -> tuple[int, str, int] | None:
    if body is None:
        return 413, TOO_LARGE, 0
    why = of_body(scope["method"], scope["path"], body, _headers(scope, "content-type"))
    return (400, why, 0) if why else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What gives the body that was read, and then what comes after it."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed


async def _answer(send: Send, status: int, why: str, wait: int) -> None:
    code = CODES.get(status, "INVALID_PARAMETER_VALUE")
    headers = [(b"content-type", b"application/json")]
    headers += [(b"www-authenticate", b'Basic realm="mlflow"')] if status == 401 else []
    headers += [(b"retry-after", str(wait).encode())] if wait else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = json.dumps({"error_code": code, "message": why}).encode()
    await send({"type": "http.response.body", "body": body})
