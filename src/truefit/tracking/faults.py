"""What an error of MLflow means, and what is said of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from truefit.core.errors import UserError
from truefit.core.paths import sqlite_file
from truefit.tracking.redaction import redact
from truefit.tracking.remedy import remedy

AGAIN = "`truefit sync --all` records everything again"
# What MLflow will not take however often it is asked; all else may be a passing fault.
# (BAD_REQUEST is not here: it is also how a race for the same new row ends, and the loser may try
# again.)
FINAL = {"INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST"}
STRANGER = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"}


@contextlib.contextmanager
def refusable(refused: type[Exception]) -> Iterator[None]:
    """What MLflow will never take is `refused`, so that it does not keep the rest waiting."""
    try:
        yield
    except Exception as error:
        if is_final(error):
            raise refused(first_line(error)) from None
        raise


def is_final(error: BaseException) -> bool:
    """Whether MLflow itself has refused; a proxy answers with a page, which MLflow quotes."""
    return getattr(error, "error_code", "") in FINAL and "Response body" not in str(error)


def timed_out(error: BaseException) -> bool:
    """Whether an answer took longer than MLflow waits: asking again would take as long."""
    from requests.exceptions import Timeout  # noqa: PLC0415 - only a failed call needs it

    if isinstance(error, TimeoutError | Timeout):
        return True
    inner = error.__cause__ or error.__context__ or _wrapped(error)
    return inner is not None and timed_out(inner)


def first_line(error: BaseException) -> str:
    """What an exception says first, without passwords; its type where it says nothing."""
    return redact((str(error).splitlines() or [type(error).__name__])[0])


@dataclass(frozen=True)
class Meaning:
    """What an error says in one line, and whether MLflow gave no answer at all."""

    text: str
    is_away: bool = False


def meaning(uri: str, error: BaseException) -> Meaning:
    """MLflow at `uri` does not know who asks, refuses, cannot be used, or cannot be reached."""
    if isinstance(error, UserError):
        return Meaning(str(error))
    place, code = f"MLflow at {redact(uri)}", getattr(error, "error_code", "")
    if code in STRANGER:
        return Meaning(
            f"{place} does not know who asks, or does not allow it ({first_line(error)[:160]}): "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, have it granted (`truefit "
            "account NAME --experiment PROJECT`), or use a name that the server goes by (`truefit "
            "server --name`)"
        )
    if is_final(error):
        return Meaning(f"{place} refuses: {first_line(error)[:160]}")
    if _redirects(error):
        return Meaning(
            f"{place} redirects its readers: set MLFLOW_TRACKING_URI to where it answers itself"
        )
    inner, file = _innermost(error), sqlite_file(uri)
    said = first_line(inner)[:160]
    if file and (way := remedy(file, inner, AGAIN)):
        return Meaning(f"{place} cannot be used: {said}. {way}")
    return Meaning(f"{place} cannot be reached: {said}", is_away=True)


def _redirects(error: BaseException) -> bool:
    return "error code 30" in str(error)  # MLflow has no other sign of it


def _innermost(error: BaseException) -> BaseException:
    """What MLflow wraps, and quotes at length."""
    while inner := error.__cause__ or error.__context__ or _wrapped(error):
        error = inner
    return error


def _wrapped(error: BaseException) -> BaseException | None:
    last = error.args[-1] if error.args else None
    return last if isinstance(last, BaseException) else None
