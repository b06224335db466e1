"""How every stage starts and ends: the configuration in, a clear message and exit code out."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from truefit.core.errors import UserError, plain
from truefit.core.own_code import WAY_OUT, is_asked, own_fault
from truefit.core.streams import use_own_streams

try:
    from truefit.stages.experiment import alone
except ModuleNotFoundError as error:  # `python` of dvc.yaml is the first on the PATH
    sys.exit(
        f"error: {sys.executable} has no package {error.name}: a stage runs with the Python that "
        "truefit is installed for. `source .venv/bin/activate` (or `make repro`), then `dvc repro`"
    )

# The disk is full, or not ours to write.
MENDABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


BY_HAND = (
    "note: this stage runs by hand, so DVC does not know its result: `dvc repro` is the way that "
    "keeps data, code and result together"
)


def run(stage: Callable[[], None] | str) -> None:
    """Run `stage`; what a person can correct is said without traceback (exit 1), Ctrl-C exits 130.

    A stage that is named, as `truefit.stages.search.search`, is imported here: that takes seconds,
    in which a second experiment stays out too, and Ctrl-C ends it as it ends the stage.
    """
    use_own_streams()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    if "DVC_STAGE" not in os.environ:
        print(BY_HAND, file=sys.stderr)
    try:
        with alone():
            (_named(stage) if isinstance(stage, str) else stage)()
    except UserError as error:
        said = own_fault(error.__cause__, _packages())
        more = "" if str(error) == str(error.__cause__) else f"{error}: "
        _refuse(error, f"{more}{said}" if said else str(error), own=bool(said) or error.own)
    except KeyboardInterrupt:
        print("\nstopped; `dvc repro` goes on from here", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if said := own_fault(error, _packages()):
            _refuse(error, said, own=True)
        if not isinstance(error, OSError) or error.errno not in MENDABLE:
            raise
        _refuse(error, f"{error}; fix this, then `dvc repro`", own=False)


def _refuse(error: Exception, said: str, *, own: bool) -> NoReturn:
    """One message and exit code 1; of an `own` fault behind the traceback, if that is asked for."""
    if own:
        said = f"{said}\n{WAY_OUT}"
        if is_asked():
            traceback.print_exception(error)
    print(f"\nerror: {plain(said)}", file=sys.stderr)
    sys.exit(1)


def _packages() -> list[str]:
    """The user's own packages, as the composed configuration names them."""
    from truefit.core.paths import RESOLVED  # noqa: PLC0415 - only after a fault
    from truefit.core.resolved import read_yaml  # noqa: PLC0415

    try:
        return [str(name) for name in read_yaml(RESOLVED)["packages"]]
    except (UserError, OSError, LookupError, TypeError):
        return []


def _named(address: str) -> Callable[[], None]:
    module, _, name = address.rpartition(".")
    stage: Callable[[], None] = getattr(importlib.import_module(module), name)
    return stage
