"""How every stage starts and ends: the configuration in, a clear message and exit code out."""

from __future__ import annotations

import sys
from collections.abc import Callable

from truefit.errors import UserError


def run(stage: Callable[[], None]) -> None:
    """Run `stage`; a `UserError` is printed without traceback (exit 1), Ctrl-C exits with 130."""
    try:
        stage()
    except UserError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nstopped; `dvc repro` goes on from here", file=sys.stderr)
        sys.exit(130)
