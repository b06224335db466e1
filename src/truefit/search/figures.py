"""Optuna's figures of a study, for its run in MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial

from truefit.search.slots import SlotRecord
from truefit.search.storage.trial import RECORD

TREES = 16  # of fANOVA's forest: a second for 200 trials


def draw_study(study: optuna.Study, folder: Path) -> list[str]:
    """Write the figures as PNG files; returns which could not be drawn, and why.

    History, importances for the value and for the gap (fANOVA, Hutter et al. 2014), parallel
    coordinates, slices and the timeline.
    """
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only the end of a search pays
    from matplotlib import pyplot as plt  # noqa: PLC0415
    from optuna.visualization import matplotlib as plots  # noqa: PLC0415

    mpl.use("agg")
    forest = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    of_value: Any = {"target_name": "value"}
    if len(study.directions) > 1:
        of_value["target"] = _value
    of_gap: Any = {"target": _gap, "target_name": "gap"}
    figures: dict[str, Callable[[], object]] = {
        "history": lambda: plots.plot_optimization_history(study, **of_value),
        "importances": lambda: plots.plot_param_importances(study, evaluator=forest, **of_value),
        "importances_gap": lambda: plots.plot_param_importances(study, evaluator=forest, **of_gap),
        "parallel_coordinates": lambda: plots.plot_parallel_coordinate(study, **of_value),
        "slices": lambda: plots.plot_slice(study, **of_value),
        "timeline": lambda: plots.plot_timeline(study),
    }
    failed = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the module is experimental, and fonts lack glyphs
        for name, draw in figures.items():
            try:
                draw()
                plt.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")
            except (ValueError, RuntimeError, IndexError) as error:  # too few trials, most often
                failed.append(f"{name}: {str(error).partition(chr(10))[0]}")
            finally:
                plt.close("all")
    return failed


def importances(study: optuna.Study) -> dict[str, dict[str, float]]:
    """What each parameter contributes to the variance of the value and of the gap (fANOVA).

    Returns:
        By `value` and `gap`, most important for the value first; empty where trials are too few.
    """
    forest = FanovaImportanceEvaluator(n_trees=TREES, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = {
                name: dict(get_param_importances(study, evaluator=forest, target=target))
                for name, target in (("value", _value), ("gap", _gap))
            }
        except (ValueError, RuntimeError):
            return {}
    return found if found["value"] else {}  # of parameters that every trial has


def _value(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _gap(trial: FrozenTrial) -> float:
    return float(SlotRecord.from_json(trial.user_attrs[RECORD]).slot.counted.gap)
