"""`python -m truefit.tracking.served server ...`: `mlflow server`, with the guard before it."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from truefit.tracking.guard import Rules, use_database_of_environment
from truefit.tracking.lifeline import end_with_parent

APPLICATION = "truefit.tracking.guard:create_app"


def guarded(build: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """MLflow's command for uvicorn, with our application in place of its own.

    Where a version of MLflow builds it from other arguments the guard's mark is missing from its
    answers, and `truefit server` does not take it for its own.
    """

    def command(*arguments: object, **options: object) -> list[str]:
        bound = inspect.signature(build).bind(*arguments, **options)
        bound.arguments.update(app_name=APPLICATION, is_factory=True)
        return build(*bound.args, **bound.kwargs)

    return command


def main() -> None:
    """Run MLflow's command line with the guard in it."""
    rules = Rules.from_environment()
    end_with_parent(rules.forget)
    from mlflow import cli, server  # noqa: PLC0415 - seconds, during which a parent may end

    # The entry point `mlflow.app` is MLflow's own door, but only for an application of another
    # name: it then neither makes the first account nor ends where its password is missing.
    server._build_uvicorn_command = guarded(server._build_uvicorn_command)  # noqa: SLF001
    if rules.accounts:
        use_database_of_environment()
    cli.cli(prog_name="mlflow")


if __name__ == "__main__":
    main()
