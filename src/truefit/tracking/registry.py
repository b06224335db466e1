"""MLflow's registry: versions of a project's model, and the alias that says which one counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from truefit.core.errors import UserError
from truefit.core.trees import get
from truefit.tracking.store import Store

CHAMPION = "champion"


@dataclass(frozen=True)
class Version:
    """One version of a registered model, and the run that it comes from."""

    name: str
    number: str
    run_id: str


def model_name(config: Mapping[str, object]) -> str:
    """The registered model of a project: `promotion.model`, or the project's own name.

    Raises:
        UserError: MLflow registers no model of that name, or its filters cannot ask for it.
    """
    name = str(get(config, "promotion.model") or config["mlflow_experiment"])
    if found := re.search("[/:'\"]", name):
        raise UserError(
            f"promotion.model: expected a name without / : ' and \", received {name!r}, which "
            f"contains {found[0]}: `-S '++set.promotion.model=NAME'` (null takes "
            "`mlflow_experiment`)"
        )
    return name


def champion(store: Store, name: str) -> Version | None:
    """The version that has the alias `champion`, if there is one.

    Raises:
        UserError: MLflow cannot be reached.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - a second that only few pay

    try:
        found = store.client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise store.refusal(error) from None
    except store.away as error:
        raise store.refusal(error) from None
    return Version(name, str(found.version), str(found.run_id))


def crown(store: Store, name: str, run_id: str, tags: dict[str, str]) -> Version:
    """The run's model, registered if it is not yet, with `tags` and the alias `champion`.

    Raises:
        UserError: the run has no model, or MLflow is away or does not allow it.
    """
    try:
        number = _registered(store, name, run_id) or _register(store, name, run_id)
        for key, value in tags.items():
            store.client.set_model_version_tag(name, number, key, value)
        store.client.set_registered_model_alias(name, CHAMPION, number)
    except store.away as error:
        raise store.refusal(error) from None
    return Version(name, number, run_id)


def address(name: str) -> str:
    """Where MLflow finds the champion: for `mlflow models serve -m` and `mlflow.pyfunc`."""
    return f"models:/{name}@{CHAMPION}"


def _registered(store: Store, name: str, run_id: str) -> str:
    found = store.client.search_model_versions(f"name = '{name}'")
    return next((str(one.version) for one in found if one.run_id == run_id), "")


def _register(store: Store, name: str, run_id: str) -> str:
    outputs = store.client.get_run(run_id).outputs
    models = outputs.model_outputs if outputs else []
    if not models:
        raise UserError(f"run {run_id} has no model in MLflow: `truefit sync` sends what is left")
    model = models[0].model_id
    if not store.client.search_registered_models(f"name = '{name}'"):
        store.client.create_registered_model(name)
    made = store.client.create_model_version(
        name, source=f"models:/{model}", run_id=run_id, model_id=model
    )
    return str(made.version)
