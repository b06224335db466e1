"""Commands on a project: begin it, examine it, and its record in MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from truefit.commands.ends import Json, echo, or_exit, require_project


def init(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder of the project: a new one, or an empty one."),
    ],
    package: Annotated[
        str | None,
        typer.Option(
            help="Name of the package for your models and data; by default the name of DIR."
        ),
    ] = None,
) -> None:
    """Begin a project of your own: conf, stages, a package for your models and data, tests, CI.

    Example: truefit init churn
    """
    from truefit.commands.init import init as begin  # noqa: PLC0415 - see `ui`

    or_exit(lambda: begin(folder, package, echo), kept=f"{folder} is as it was")


def doctor(
    as_json: Json = False,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="First remove locks and torn files of a DVC that was killed."),
    ] = False,
) -> None:
    """Try what the pipeline needs: packages, configuration, devices, MLflow, studies, remote.

    Each line is ok, a note, or what to fix. Exit 1 if anything keeps the pipeline from running.
    After a `kill -9` of `dvc`, --fix clears its locks whose processes have ended, and no others.

    Example: truefit doctor
    """
    from dataclasses import asdict  # noqa: PLC0415 - see `ui`

    from truefit.commands.doctor import examine, table  # noqa: PLC0415
    from truefit.commands.doctor import fix as clear  # noqa: PLC0415

    def look() -> bool:
        findings = []
        for found in examine():
            findings.append(found)
            if not as_json:
                echo(table([found]))
        if as_json:
            echo(json.dumps([asdict(found) for found in findings], indent=2))
        return any(found.state == "fix" for found in findings)

    if fix:
        or_exit(lambda: clear(lambda line: echo(line, err=as_json)))
    raise typer.Exit(int(or_exit(look)))


def ui(
    study: Annotated[
        str | None, typer.Option(help="Name of the study; by default the newest one.")
    ] = None,
    port: Annotated[
        int, typer.Option(help="Port on this machine; another one if it is taken.")
    ] = 5000,
) -> None:
    """MLflow's UI on this project, with links to a study's table, charts and ten best.

    Example: truefit ui --port 5001
    """
    from truefit.core.resolved import load  # noqa: PLC0415 - seconds that `show` spares
    from truefit.tracking.ui import serve  # noqa: PLC0415

    or_exit(lambda: serve(load()["mlflow_experiment"], study, port, echo))


def clean(
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove the files; without this they are only listed.")
    ] = False,
    keep: Annotated[
        int,
        typer.Option(
            min=1, help="How many of the newest trainings keep the journals that were sent."
        ),
    ] = 10,
) -> None:
    """List files that take room on the disk and that no run needs; `--yes` removes them.

    It keeps outputs/, journals that are not sent yet, and all that dvc.lock, a commit or an
    experiment names.

    Example: truefit clean --yes
    """
    from truefit.commands.cleaning import clean as tidy  # noqa: PLC0415 - see `ui`

    or_exit(require_project)
    or_exit(lambda: tidy(keep, yes=yes, say=echo), kept="what is gone was needed by no run")


def sync(
    everything: Annotated[
        bool, typer.Option("--all", help="Also send again what MLflow has lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send to MLflow what it has not received, and end the runs of processes that were killed.

    Exit 1 where MLflow did not take everything, or does not have what it took before.

    Example: truefit sync --all
    """
    from truefit.tracking.sync import synchronise  # noqa: PLC0415 - see `ui`

    or_exit(require_project)
    say = (lambda _: None) if as_json else echo
    told = or_exit(
        lambda: synchronise(say, everything=everything),
        kept="the journals keep what is not sent, and `truefit sync` goes on",
    )
    echo(json.dumps(told.as_json()) if as_json else str(told))
    if told.fault:
        echo(f"error: {told.fault}", err=True)
        raise typer.Exit(1)
