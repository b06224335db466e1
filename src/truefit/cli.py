"""`truefit ...`: a thin face over the library."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from truefit import __version__
from truefit.commands import project, results, team
from truefit.core.streams import use_own_streams

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Project": (project.init, project.doctor, project.ui, project.sync, project.clean),
    "Results": (
        results.show,
        results.runs,
        results.compare,
        results.predict,
        results.generate,
        results.verify,
        results.promote,
    ),
    "Team": (team.join, team.server, team.account, team.dashboard, team.kubernetes),
}


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"truefit {__version__}")
        raise typer.Exit


OUTSIDE = ("init", "server")  # commands that work where no project is


def _enter_project() -> None:
    """Go up to the project's folder, where the command was given in a folder below it."""
    here = Path.cwd()
    above = (here, *here.parents)
    is_project = (p for p in above if (p / "params.yaml").is_file() and (p / "conf").is_dir())
    os.chdir(next(is_project, here))


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Reproducible, tracked, tuned Keras experiments. The pipeline itself runs with `dvc repro`.

    Exit codes: 0 done, 1 refused or failed with a message, 2 wrong usage (of verify and promote
    also: it could not be tried), 130 stopped by Ctrl-C.
    """
    del version
    use_own_streams()
    context.obj = Path.cwd()  # where files that the command names lie
    if context.invoked_subcommand not in OUTSIDE:
        _enter_project()
    sys.path.append(str(Path.cwd()))  # packages of your own at the root, as for the stages


for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
