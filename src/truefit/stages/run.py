"""How every stage starts and ends: the configuration in, a clear message and exit code out."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable

from truefit.core.errors import UserError, plain
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


def run(stage: Callable[[], None]) -> None:
    """Run `stage`; what a person can mend is said without traceback (exit 1), Ctrl-C exits 130."""
    use_own_streams()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    if "DVC_STAGE" not in os.environ:
        print(BY_HAND, file=sys.stderr)
    try:
        with alone():
            stage()
    except UserError as error:
        print(f"\nerror: {plain(error)}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        print(f"\nerror: {error}; fix this, then `dvc repro`", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nstopped; `dvc repro` goes on from here", file=sys.stderr)
        sys.exit(130)
