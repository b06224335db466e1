"""One rule for requests: parameters stand in one place, in one spelling, in one encoding.

MLflow asks whether a caller may do something with one reading of a request and then does it with
another: of a query or of a body, of `run_id` or of `runId`, of JSON or of JSON within JSON. Where a
request can be read in one way alone, both are the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from urllib.parse import parse_qsl

LARGEST = 10 * 2**20  # bytes of a body, except of a file
DEEPEST = 50  # lists and objects in each other; MLflow's own readers end at 100
READING = {"GET", "HEAD", "OPTIONS"}
FILE = re.compile(r"/(?:ajax-)?api/[23]\.0/mlflow-artifacts/artifacts/.+")
UPLOAD = re.compile(r"/(?:ajax-)?api/[23]\.0/mlflow/upload-artifact")
FREE = re.compile(r"/graphql|.*/ui-telemetry")  # their names are not MLflow's own
SPELLING = re.compile(r"[a-z][a-z0-9_]*")  # as MLflow's messages spell their fields
MANY = re.compile(r"order_by|workspace|\w+_ids")  # lists in a query; others are given once
HISTORIES = "/metrics/get-history-bulk"  # its run_id is a list
TOO_LARGE = f"the body has more than {LARGEST >> 20} MiB: only files may, as artifacts"
TOO_DEEP = f"body: expected at most {DEEPEST} lists and objects in each other, received more"
SAME = ("run_id", "run_uuid")  # two names of one thing; MLflow's client sends both
NAMING = re.compile(r".*/(?:experiments|registered-models)/(?:create|update|rename)")


def is_file(method: str, path: str) -> bool:
    """Whether the body is a file of any size, which goes on as it comes."""
    return method == "PUT" and bool(FILE.fullmatch(path))


def of_head(method: str, path: str, query: str, headers: list[tuple[str, str]]) -> tuple[int, str]:
    """Why a request is refused before its body is read, and with which status.

    Args:
        method: of HTTP.
        path: of the endpoint.
        query: as it came, without its `?`.
        headers: with names in lower case.

    Returns:
        A status and a sentence: 0 and an empty one where nothing is refused.
    """
    if any(name == "content-encoding" for name, _ in headers):
        return 415, "Content-Encoding: expected none, received one: send the body as it is"
    lengths = [value for name, value in headers if name == "content-length"]
    if not is_file(method, path) and any(int(n) > LARGEST for n in lengths if n.isdecimal()):
        return 413, TOO_LARGE
    if query and method not in READING and not UPLOAD.fullmatch(path):
        return 400, f"{method} {path}: expected parameters in its JSON body, received a query"
    why = "" if method == "OPTIONS" else _of_query(path, query)
    return (400, why) if why else (0, "")


def _of_query(path: str, query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    given = Counter(name for name, _ in pairs)
    for name, times in given.items():
        if not SPELLING.fullmatch(name):
            return _misspelt(name)
        is_list = MANY.fullmatch(name) or (path.endswith(HISTORIES) and name == "run_id")
        if times > 1 and not is_list:
            return f"{name}: expected once, received {times} times"
    return _of_names(dict(pairs))


def of_body(method: str, path: str, body: bytes, types: list[str]) -> str:
    """Why a request with this whole body is refused; empty where it is not.

    Args:
        method: of HTTP.
        path: of the endpoint.
        body: as it came.
        types: the values of Content-Type.
    """
    if not body or UPLOAD.fullmatch(path):
        return ""
    if method in READING:
        return f"{method} {path}: expected parameters in the query alone, received a body"
    if [one.partition(";")[0].strip().lower() for one in types] != ["application/json"]:
        received = ", ".join(types) or "none"
        return f"Content-Type: expected application/json once, received {received}"
    return _of_json(path, body)


def _of_json(path: str, body: bytes) -> str:
    try:
        read = json.loads(body.decode(), object_pairs_hook=_once)
    except RecursionError:
        return TOO_DEEP
    except ValueError as error:
        return f"body: expected JSON in UTF-8, received other: {error}"
    if not isinstance(read, dict):
        return f"body: expected one JSON object, received one {type(read).__name__}"
    return TOO_DEEP if _is_deeper(read, DEEPEST) else _of_fields(path, read)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{name!r} stands there twice")
    return read


def _is_deeper(value: dict[str, object] | list[object], levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    nested = (each for each in inner if isinstance(each, (dict, list)))
    return not levels or any(_is_deeper(each, levels - 1) for each in nested)


def _of_fields(path: str, body: dict[str, object]) -> str:
    if FREE.fullmatch(path):
        return ""
    for name in body:
        if not SPELLING.fullmatch(name):
            return _misspelt(name)
    if NAMING.fullmatch(path.rstrip("/")):
        for field in ("name", "new_name"):
            if field in body and not is_name(body[field]):
                return f"{field}: expected a name, received {body[field]!r}: it stands for all"
    return _of_names(body)


def is_name(name: object) -> bool:
    """Whether it may name an experiment or a model: in MLflow's grants `*` stands for all."""
    return isinstance(name, str) and name.strip().strip("*").strip() != ""


def _of_names(given: dict[str, object]) -> str:
    if all(name in given for name in SAME) and given["run_id"] != given["run_uuid"]:
        return "run_id and run_uuid: expected the same run, received two: leave run_uuid out"
    return ""


def _misspelt(name: str) -> str:
    return f"{name[:100]!r}: expected a parameter's name in lower case, such as run_id"
