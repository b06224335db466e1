"""Where the files of a record may lie: a tracker's word alone opens no place of this machine."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from truefit.core.errors import UserError
from truefit.tracking.redaction import redact

NAMED = "TRUEFIT_ARTIFACTS"  # a variable: an address below which records may lie too


def require_own(address: str, tracker: str) -> None:
    """The address belongs to the tracker that names it, or lies where the user says.

    A server hands out files itself (`mlflow-artifacts:`). A database on this machine may name
    folders of this machine. All else, such as a bucket, only below `TRUEFIT_ARTIFACTS`.

    Args:
        address: of a run's or a model's files, as the tracker gives it.
        tracker: the tracker's own address.

    Raises:
        UserError: it is another place.
    """
    if _is_below(address, os.environ.get(NAMED, "")) or _is_own(address, tracker):
        return
    expected = "a folder" if _is_local(tracker) else "mlflow-artifacts:/"
    raise UserError(
        f"the record's files lie at {redact(address)[:200]!r}, which is no place of the tracker at "
        f"{redact(tracker)}: expected {expected}. If "
        f"that place is yours, name it: `export {NAMED}=s3://BUCKET/FOLDER`"
    )


def _is_own(address: str, tracker: str) -> bool:
    place, there = urlsplit(address), urlsplit(tracker)
    if there.scheme in ("http", "https"):
        # Another host would get the account's name and password.
        return place.scheme == "mlflow-artifacts" and place.netloc in ("", _host(there.netloc))
    return _is_local(tracker) and place.scheme in ("", "file") and not place.netloc


def _is_local(tracker: str) -> bool:
    return urlsplit(tracker).scheme in ("", "file", "sqlite")


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]


def _is_below(address: str, root: str) -> bool:
    inside = address == root or address.startswith(f"{root.rstrip('/')}/")
    steps = PurePosixPath(unquote(urlsplit(address).path)).parts
    return bool(root) and inside and ".." not in steps
