"""`truefit ...`: a thin face over the library."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Annotated, Literal

import typer

from truefit import __version__
from truefit.errors import UserError
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
    file = EVALUATE / "verdict.json"
    typer.echo(summary(metrics, json.loads(file.read_text()) if file.exists() else None))
    typer.echo(
        f"report   {EVALUATE}/report.html\n"
        f"trials   {SEARCH}/trials.csv\n"
        f"model    {TRAIN}/model.keras\n"
        f"record   `truefit ui`, run {run['run_id'] or 'not sent yet'}"
    )


@app.command()
def ui(
    study: Annotated[str | None, typer.Option(help="Its links, not the newest study's.")] = None,
    port: Annotated[int, typer.Option(help="On loopback; another where it is taken.")] = 5000,
) -> None:
    """MLflow's UI on this project, with links to a study's table, charts and ten best.

    Example: truefit ui --port 5001
    """
    from truefit.config import load  # noqa: PLC0415 - seconds that `show` spares
    from truefit.ui import serve  # noqa: PLC0415

    try:
        serve(load()["project"], study, port, typer.echo)
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="A list of findings.")] = False,
) -> None:
    """Try what the pipeline needs: packages, configuration, devices, MLflow, studies, remote.

    Each line is ok, a note, or what to mend. Exit 1 if anything keeps the pipeline from running.

    Example: truefit doctor
    """
    from dataclasses import asdict  # noqa: PLC0415 - see `ui`

    from truefit.doctor import examine, table  # noqa: PLC0415

    findings = []
    for found in examine():
        findings.append(found)
        if not as_json:
            typer.echo(table([found]))
    if as_json:
        typer.echo(json.dumps([asdict(found) for found in findings], indent=2))
    raise typer.Exit(int(any(found.state == "fix" for found in findings)))


@app.command()
def server(
    host: Annotated[str, typer.Option(help="0.0.0.0 for other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 5000,
    name: Annotated[
        list[str] | None, typer.Option(help="What people call it: mlflow.example.org.")
    ] = None,
    artifacts: Annotated[
        str, typer.Option(envvar="MLFLOW_ARTIFACTS_DESTINATION", help="s3://BUCKET or a folder.")
    ] = "",
    accounts: Annotated[bool, typer.Option(help="Everybody signs in.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 2,
) -> None:
    """Start a team's MLflow server: PostgreSQL, accounts, files in S3 or a folder.

    MLFLOW_BACKEND_STORE_URI has the database's address; at the first start
    MLFLOW_AUTH_ADMIN_PASSWORD sets the password of `admin`.

    Example: truefit server --host 0.0.0.0 --name mlflow.example.org --artifacts s3://team/mlflow
    """
    from truefit.server import Plan, serve  # noqa: PLC0415 - see `ui`

    database = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
    plan = Plan(host, port, name or [], database, artifacts, accounts, workers)
    _or_exit(lambda: serve(plan, typer.echo))


@app.command()
def account(
    name: Annotated[str, typer.Argument(help="Who.")],
    experiment: Annotated[str | None, typer.Option(help="MLflow's, as `project` names it.")] = None,
    model: Annotated[str | None, typer.Option(help="A registered model.")] = None,
    permission: Annotated[Literal["READ", "EDIT", "MANAGE"], typer.Option()] = "EDIT",
    new_password: Annotated[bool, typer.Option("--new-password")] = False,
) -> None:
    """Make an account on the team's MLflow server, and let it use an experiment or a model.

    Example: truefit account ada --experiment truefit
    """
    from truefit.tracking.accounts import grant, open_account  # noqa: PLC0415 - see `ui`

    def make() -> None:
        password = open_account(name, again=new_password)
        if password:
            typer.echo(f"{name}, password {password}   (shown once; nothing keeps it)")
        if experiment or model:
            grant(name, permission, experiment, model)
            typer.echo(
                f"{name} has {permission} of {' and '.join(filter(None, [experiment, model]))}"
            )

    _or_exit(make)


def _or_exit(action: Callable[[], None]) -> None:
    try:
        action()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def join() -> None:
    """Take slots of the study that `dvc repro` searches on another machine, until none is left.

    TRUEFIT_STORAGE (and MLFLOW_TRACKING_URI) as there; refused where commit, data or configuration
    differ. Come and go as you like: the result is the same. Ctrl-C gives back what is under way.

    Example: TRUEFIT_STORAGE=postgresql+psycopg://... truefit join
    """
    from truefit.search.join import join as take_slots  # noqa: PLC0415 - see `ui`

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    try:
        _or_exit(take_slots)
    except KeyboardInterrupt:
        typer.echo("\nstopped; the other workers go on with its slots", err=True)
        raise typer.Exit(130) from None


@app.command()
def kubernetes(
    image: Annotated[str, typer.Option(help="With the project, its commit and its packages.")],
    workers: Annotated[int, typer.Option(min=1, help="Pods.")] = 4,
    cpus: Annotated[float, typer.Option(min=0.1)] = 2.0,
    memory: Annotated[float, typer.Option(min=0.5, help="GiB.")] = 8.0,
    gpus: Annotated[int, typer.Option(min=0)] = 0,
    secret: Annotated[
        str, typer.Option(help="A Secret with TRUEFIT_STORAGE and so on.")
    ] = "truefit",  # noqa: S107 - its name
    folder: Annotated[str, typer.Option(help="Of the project in the image.")] = "/project",
    name: Annotated[str, typer.Option(help="Of the Job.")] = "truefit-workers",
) -> None:
    """Print a Kubernetes Job whose pods take slots of the running study.

    Example: truefit kubernetes --image registry.example.org/project:1 --gpus 1 | kubectl apply -f -
    """
    import yaml  # noqa: PLC0415 - see `ui`

    from truefit.kubernetes import Pods, manifest  # noqa: PLC0415

    pods = Pods(image, workers, cpus, memory, gpus, secret, folder, name)
    _or_exit(lambda: typer.echo(yaml.safe_dump(manifest(pods), sort_keys=False), nl=False))


@app.command()
def dashboard(
    host: Annotated[str, typer.Option(help="It has no accounts: think twice.")] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8080,
) -> None:
    """Optuna's dashboard on the studies of this project, or of TRUEFIT_STORAGE.

    Example: truefit dashboard --port 8081
    """
    from truefit.search.dashboard import serve  # noqa: PLC0415 - see `ui`

    _or_exit(lambda: serve(host, port, typer.echo))


@app.command()
def sync() -> None:
    """Send to MLflow what it has not received, and end the runs of processes that were killed.

    Example: truefit sync
    """
    from truefit.tracking.journal import waiting  # noqa: PLC0415 - seconds that `show` spares
    from truefit.tracking.store import Store  # noqa: PLC0415
    from truefit.tracking.writer import FAREWELL, send_left  # noqa: PLC0415

    before = waiting()
    if not before:
        typer.echo("MLflow has everything")
        return
    try:
        left = send_left(Store.open(), typer.echo, farewell=FAREWELL)
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    under_way = [journal for journal in before if journal not in left and journal.exists()]
    sent = len(before) - len(left) - len(under_way)
    stages = f"; {len(under_way)} of stages that are under way" if under_way else ""
    typer.echo(f"sent {sent} of {len(before)} journals{stages}")
    if left:
        typer.echo("error: MLflow did not take the others: try again when it is back", err=True)
        raise typer.Exit(1)


@app.command()
def verify(
    run_id: Annotated[str, typer.Argument(help="MLflow's id of a training or a study.")] = "latest",
    search: Annotated[
        bool, typer.Option("--search", help="Also the study that chose its parameters.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="For --search; the study comes out the same.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(min=0.0, help="How far numbers may be apart, in units of max(1, |recorded|)."),
    ] = None,
    trust_uncommitted: Annotated[
        bool, typer.Option(help="Run a colleague's code that is in no commit; read it first.")
    ] = False,
) -> None:
    """Prove a run: make it again from its commit and data, and name the first difference.

    Exit 0: bit-exact or within tolerance, 1: diverged, 2: it could not be tried.

    Example: truefit verify latest --search
    """
    from truefit.verify.again import Wish, verify_and_tell  # noqa: PLC0415 - see `ui`

    wish = Wish(tolerance, search, workers, trust_uncommitted)
    try:
        code = verify_and_tell(run_id, wish, typer.echo)
    except KeyboardInterrupt:
        typer.echo("\nstopped; nothing was written back", err=True)
        raise typer.Exit(130) from None
    raise typer.Exit(code)
