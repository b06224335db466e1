"""The preprocess stage: the configured source becomes the prepared folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from truefit.core.errors import UserError, plain
from truefit.core.inputs import Inputs
from truefit.core.paths import PREPARED, input_path
from truefit.core.resolved import load
from truefit.datasets.prepare import prepare, read_source
from truefit.datasets.summary import summary

if TYPE_CHECKING:
    from truefit.config.schema import Data


def preprocess() -> None:
    """Read the configured source and write `data/prepared` in one move once all of it is ready.

    Raises:
        UserError: the source cannot be used; the message says where and what was expected.
    """
    config = load()
    raw = _raw_files(config["data"])
    print(f"reading {config['data'].get('path') or config['data']['_target_']} ...", flush=True)
    try:
        source = read_source(config["data"], config["seed"], config["packages"])
        kind = config["task"]["target"]
        facts = prepare(source, config["data"], kind, config["seed"], PREPARED, raw)
    except (ValueError, OSError) as error:
        full = isinstance(error, OSError) and error.filename is None
        raise UserError(f"{PREPARED} cannot be written: {error}" if full else str(error)) from error
    print(plain(summary(facts)))


def _raw_files(data: Data) -> Inputs:
    """The user's own files, as they are before they are read."""
    path = data.get("path")
    return Inputs.at(input_path(path)) if path else Inputs.at()
