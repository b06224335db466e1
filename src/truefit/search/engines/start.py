"""Where a study's workers run: here, or as others start them (`search.engine`)."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from truefit.core.errors import UserError
from truefit.core.paths import studies_url
from truefit.tracking.redaction import redact

if TYPE_CHECKING:
    from truefit.config.schema import Engine

NEEDS = {"ray": "ray", "slurm": "submitit"}


@contextlib.contextmanager
def started(engine: Engine, say: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    """Workers elsewhere for as long as the block lasts; yields what looks after them.

    It is told how much is done.

    Raises:
        UserError: the engine's package or cluster is not there, or its workers could not share the
            study.
    """
    name = engine["name"]
    if name == "local":
        yield lambda _: None
        return
    if not studies_url().startswith("postgresql"):
        raise UserError(
            f"search.engine: {name} needs a storage that its workers reach: expected "
            "TRUEFIT_STORAGE=postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, received "
            f"{redact(studies_url())}"
        )
    try:
        importlib.import_module(NEEDS[name])
    except ImportError as error:
        raise UserError(
            f"search.engine: {name} cannot be used: {error}; `pip install 'truefit[team,{name}]'`"
        ) from None
    module = importlib.import_module(f"truefit.search.engines.{name}")
    with module.start(engine, say) as tend:
        yield tend
