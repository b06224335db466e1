"""`truefit ...`: a thin face over the library."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from truefit import __version__
from truefit.paths import EVALUATE, SEARCH, TRAIN
from truefit.report.summary import summary

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"truefit {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Reproducible, tracked, tuned Keras experiments. The pipeline itself runs with `dvc repro`."""


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json as it is.")] = False,
) -> None:
    """The last result at a glance: score with interval, gap, verdict, where to look.

    Example: truefit show
    """
    metrics_file, run_file = EVALUATE / "metrics.json", TRAIN / "run.json"
    if not metrics_file.exists() or not run_file.exists():
        typer.echo("error: there is no result here yet: run `dvc repro` in the project", err=True)
        raise typer.Exit(1)
    metrics = json.loads(metrics_file.read_text())
    if as_json:
        typer.echo(json.dumps(metrics, indent=2))
        return
    run = json.loads(run_file.read_text())
    headline = "accuracy" if "accuracy" in metrics["test"] else "mae"
    typer.echo(summary(metrics, headline))
    typer.echo(
        f"report   {EVALUATE}/report.html\n"
        f"trials   {SEARCH}/trials.csv\n"
        f"model    {TRAIN}/model.keras\n"
        f"record   `mlflow ui` in this folder, run {run['run_id']}"
    )
