"""Accounts of a team's MLflow server, and what each may do."""

from __future__ import annotations

import secrets
import warnings
from typing import TYPE_CHECKING, Literal

from truefit.core.errors import UserError
from truefit.tracking.faults import first_line, meaning
from truefit.tracking.redaction import redact
from truefit.tracking.store import Store, tracking_uri

if TYPE_CHECKING:
    from mlflow.server.auth.client import AuthServiceClient

NO_ANSWER = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED"}
Permission = Literal["READ", "EDIT", "MANAGE"]


def open_account(name: str, *, again: bool = False) -> str | None:
    """Make an account with a random password, which is returned and kept nowhere.

    Args:
        name: who.
        again: give an account that is there a new password.

    Returns:
        The password; `None` where the account is there and keeps its own.

    Raises:
        UserError: there is no server with accounts, or the one who asks is not its administrator.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds that others spare

    password = secrets.token_urlsafe(18)
    client = _client()
    try:
        if _exists(client, name):
            if not again:
                return None
            client.update_user_password(name, password)
        else:
            client.create_user(name, password)
    except MlflowException as error:
        raise _refused(f"account {name!r}", error) from None
    return password


def grant(name: str, permission: Permission, experiment: str | None, model: str | None) -> None:
    """Let an account read, write or manage an experiment, a registered model, or both.

    Raises:
        UserError: there is no such experiment or account, or the one who asks may not grant it.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - seconds that others spare

    client, store = _client(), Store.open()
    try:
        if experiment is not None:
            client.grant_user_permission(
                name, "experiment", _experiment(store, experiment), permission
            )
        if model is not None:
            store.client.get_registered_model(model)
            client.grant_user_permission(name, "registered_model", model, permission)
    except MlflowException as error:
        raise _refused(f"{permission} for {name!r}", error) from None


def _experiment(store: Store, name: str) -> str:
    found = store.client.get_experiment_by_name(name)
    if found is None:
        raise UserError(
            f"--experiment: expected one that is there, received {name!r}: the first `dvc repro` "
            "with that `mlflow_experiment` makes it. The account is there; grant it then by "
            "the same command"
        )
    return str(found.experiment_id)


def _client() -> AuthServiceClient:
    if not tracking_uri().startswith("http"):
        raise UserError(
            "accounts belong to a server: set MLFLOW_TRACKING_URI to its address, and "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to those of its `admin`"
        )
    Store.open()  # sets how long MLflow's clients wait
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what MLflow's server rests on
        try:
            from mlflow.server.auth.client import AuthServiceClient  # noqa: PLC0415 - see above
        except ImportError as error:
            raise UserError(
                f"accounts need {error.name}: pip install 'truefit[team]', or 'mlflow[auth]'"
            ) from None
    return AuthServiceClient(tracking_uri())


def _exists(client: AuthServiceClient, name: str) -> bool:
    try:
        client.get_user(name)
    except Exception as error:
        if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def _refused(what: str, error: Exception) -> UserError:
    code = getattr(error, "error_code", "")
    if code == "ENDPOINT_NOT_FOUND":
        return UserError(
            f"{what}: MLflow at {redact(tracking_uri())} has no accounts: `truefit server` starts "
            "one that has"
        )
    if code in NO_ANSWER:
        return UserError(f"{what}: {meaning(tracking_uri(), error).text}")
    return UserError(
        f"{what}: the server refuses: {first_line(error)}\n"
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD must be those of an administrator, "
        "or of one who may manage it"
    )
