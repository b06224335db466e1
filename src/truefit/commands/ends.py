"""How a command ends: well, with one message, or by Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from truefit.core.errors import UserError, plain
from truefit.core.paths import project_root
from truefit.stages.run import MENDABLE

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a script.")]
REFUSED, NOT_TRIED, STOPPED = 1, 2, 130


def echo(text: str, *, err: bool = False) -> None:
    """Print a text of which parts may be others' (a tag in MLflow): it moves no cursor."""
    typer.echo(plain(text), err=err)


def as_given(context: typer.Context, file: Path) -> Path:
    """A file as the caller names it, also where the command has gone up to the project."""
    return file if Path.cwd() == context.obj else context.obj / file


def require_project() -> None:
    """Refuse a folder that is no project, in which nothing would look like all is well.

    Raises:
        UserError: neither the working directory nor a folder above it is one.
    """
    if not Path("conf").is_dir() and not (project_root() / ".truefit").is_dir():
        raise UserError(
            f"{Path.cwd()} is no project (it has no conf/ and no .truefit/): go to the project's "
            "folder, or `truefit init DIR` begins one"
        )


def or_exit(action: Callable[[], T], *, code: int = REFUSED, kept: str = "nothing is changed") -> T:
    """What `action` returns; a message and `code` where it cannot be done.

    Ctrl-C says what is `kept`, and exits with 130 as a shell does.
    """
    try:
        return action()
    except UserError as error:
        echo(f"error: {error}", err=True)
        raise typer.Exit(code) from None
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        echo(f"error: {error}: free space, or name a place that you may write to", err=True)
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        echo(f"\nstopped; {kept}", err=True)
        raise typer.Exit(STOPPED) from None
