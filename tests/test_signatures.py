from __future__ import annotations

import inspect

import keras
import optuna
import pytest
from conftest import ROOT

from truefit.config.faults import GIVEN
from truefit.core.resolved import read_yaml
from truefit.core.signatures import Argument, fault, signature


@pytest.mark.parametrize(
    "target",
    ["keras.optimizers.Adam", "keras.optimizers.SGD", "keras.losses.Huber"],
)
def test_reading_the_source_finds_what_importing_finds(target: str) -> None:
    """The arguments read from the source are those of the class that Keras gives a user."""
    module, _, name = target.rpartition(".")
    real = inspect.signature(
        getattr({"keras.optimizers": keras.optimizers, "keras.losses": keras.losses}[module], name)
    )
    named = {n for n, p in real.parameters.items() if p.kind is not p.VAR_KEYWORD}

    assert named <= set(signature(target).arguments)


def test_optuna_samplers_are_found_through_their_package() -> None:
    """A class that a package re-exports is followed to where it is defined."""
    real = inspect.signature(optuna.samplers.TPESampler.__init__)

    assert set(real.parameters) - {"self"} == set(signature("optuna.samplers.TPESampler").arguments)


@pytest.mark.parametrize("target", ["keras.optimizers.Adamm", "keras.nothing.Adam", "nowhere.f"])
def test_a_target_that_is_not_there_is_a_lookup_error(target: str) -> None:
    """A misspelt module or class is found out without importing anything."""
    with pytest.raises(LookupError, match=r"there is no|has no"):
        signature(target)


@pytest.mark.parametrize(
    ("annotation", "default", "value", "is_fault"),
    [
        ("int", "1", 2, False),
        ("int", "1", True, True),
        ("int", "1", "2", True),
        ("float", "0.1", 1, False),
        ("Annotated[float, Ge(0), Lt(1)]", "0.1", 1.0, True),
        ("Literal['relu', 'gelu']", "'relu'", "gulu", True),
        ("int | None", "None", None, False),
        ("SomeType", None, object(), False),
        (None, "0.001", "fast", True),
        (None, "0.001", {"_target_": "keras.optimizers.schedules.CosineDecay"}, False),
        (None, "False", 1, True),
        (None, "None", "anything", False),
    ],
)
def test_values_are_held_against_annotation_or_default(
    annotation: str | None, default: str | None, value: object, is_fault: bool
) -> None:
    """Strictly where a type is declared, by the default's type where none is."""
    assert (fault(Argument(annotation, default), value) is not None) is is_fault


def targets() -> list[str]:
    """Every function of truefit's that a file of conf/ names."""
    named = [read_yaml(file) or {} for file in sorted((ROOT / "conf").rglob("*.yaml"))]
    return sorted({str(one["_target_"]) for one in named if "truefit." in one.get("_target_", "")})


@pytest.mark.parametrize("target", targets())
def test_every_argument_that_a_user_sets_is_checked(target: str) -> None:
    """Its annotation can be evaluated where compose checks it: no value of any type passes."""
    given = set[str]().union(*GIVEN.values())
    arguments = signature(target).arguments.items()

    assert [
        name for name, argument in arguments if name not in given and not fault(argument, {1: [{}]})
    ] == []
