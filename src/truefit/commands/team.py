"""Commands of a team: its server, its accounts, and more machines for a study."""

from __future__ import annotations

import os
import signal
from typing import Annotated, Literal

import typer

from truefit.commands.ends import or_exit


def join() -> None:
    """Take slots of the study that `dvc repro` searches on another machine, until none is left.

    Set TRUEFIT_STORAGE and MLFLOW_TRACKING_URI as on the first machine. Commit, data and
    configuration must be the same there and here. A machine may join and leave at any time: the
    result is the same. Ctrl-C gives back the trials that are running here.

    Example: TRUEFIT_STORAGE=postgresql+psycopg://... truefit join
    """
    from truefit.search.join import join as take_slots  # noqa: PLC0415 - see `ui`

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    or_exit(take_slots, kept="what was under way here is given back")


def server(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name that people use, such as mlflow.example.org."),
    ] = None,
    artifacts: Annotated[
        str,
        typer.Option(
            envvar="MLFLOW_ARTIFACTS_DESTINATION",
            help="Where files are kept: s3://BUCKET or a folder.",
        ),
    ] = "",
    accounts: Annotated[bool, typer.Option(help="Require an account from everybody.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Number of server processes.")] = 2,
) -> None:
    """Start a team's MLflow server: PostgreSQL, accounts, files in S3 or a folder.

    MLFLOW_BACKEND_STORE_URI has the database's address; at the first start
    MLFLOW_AUTH_ADMIN_PASSWORD sets the password of `admin`.

    Example: truefit server --host 0.0.0.0 --name mlflow.example.org --artifacts s3://team/mlflow
    """
    from truefit.tracking.server import Plan, serve  # noqa: PLC0415 - see `ui`

    database = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
    plan = Plan(host, port, name or [], database, artifacts, accounts, workers)
    or_exit(lambda: serve(plan, typer.echo))


def account(
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    experiment: Annotated[
        str | None, typer.Option(help="Name of the MLflow experiment (`mlflow_experiment`).")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the registered model.")] = None,
    permission: Annotated[
        Literal["READ", "EDIT", "MANAGE"],
        typer.Option(help="What the account may do with the experiment or model."),
    ] = "EDIT",
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Set a new password of an existing account.")
    ] = False,
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

    or_exit(make)


def kubernetes(
    image: Annotated[
        str, typer.Option(help="Image with the project, its commit and its packages.")
    ],
    workers: Annotated[int, typer.Option(min=1, help="Number of pods.")] = 4,
    cpus: Annotated[float, typer.Option(min=0.1, help="CPUs per pod.")] = 2.0,
    memory: Annotated[float, typer.Option(min=0.5, help="Memory per pod, in GiB.")] = 8.0,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs per pod.")] = 0,
    secret: Annotated[
        str, typer.Option(help="Name of the Secret with TRUEFIT_STORAGE and other addresses.")
    ] = "truefit",  # noqa: S107 - its name
    folder: Annotated[str, typer.Option(help="The project's folder in the image.")] = "/project",
    name: Annotated[str, typer.Option(help="Name of the Job.")] = "truefit-workers",
) -> None:
    """Print a Kubernetes Job whose pods take slots of the running study.

    Example: truefit kubernetes --image registry.example.org/project:1 --gpus 1 | kubectl apply -f -
    """
    import yaml  # noqa: PLC0415 - see `ui`

    from truefit.commands.kubernetes import Pods, manifest  # noqa: PLC0415

    pods = Pods(image, workers, cpus, memory, gpus, secret, folder, name)
    or_exit(lambda: typer.echo(yaml.safe_dump(manifest(pods), sort_keys=False), nl=False))


def dashboard(
    host: Annotated[
        str, typer.Option(help="Address to listen on; the dashboard has no accounts.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Optuna's dashboard on the studies of this project, or of TRUEFIT_STORAGE.

    Example: truefit dashboard --port 8081
    """
    from truefit.search.dashboard import serve  # noqa: PLC0415 - see `ui`

    or_exit(lambda: serve(host, port, typer.echo))
