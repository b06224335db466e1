"""Pictures of a search: how it went on, what drives the loss and the gap, where the trials lie."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from truefit.core.endings import COUNTED
from truefit.evaluation.report.plots import BLUE, GREY, ORANGE, save

SLICES = 6  # of the parameters, those that matter most


def draw_study(
    folder: Path, trials: pd.DataFrame, importances: dict[str, dict[str, float]], winner: int
) -> None:
    """Write search_history.png, and where a search had parameters importances.png and slices.png.

    Args:
        folder: where they go.
        trials: trials.csv.
        importances: of each parameter for the `value` and for the `gap`.
        winner: its slot.
    """
    done = trials[trials["value"].notna()]
    save(folder / "search_history.png", _history, done, winner)
    if importances:
        names = list(importances["value"])
        save(folder / "search_importances.png", _importances, importances, names)
        save(folder / "search_slices.png", _slices, done, names[:SLICES], winner, tall=True)


def _history(figure: Figure, done: pd.DataFrame, winner: int) -> None:
    axes = figure.subplots()
    complete = done["state"].isin(COUNTED)
    axes.scatter(done["slot"][complete], done["value"][complete], s=22, color=BLUE, label="trial")
    axes.scatter(
        done["slot"][~complete],
        done["value"][~complete],
        s=18,
        color=GREY,
        marker="x",
        label="pruned",
    )
    best = done[complete].sort_values("slot")
    axes.step(best["slot"], best["value"].cummin(), where="post", color=BLUE, lw=1, label="best")
    won = done[done["slot"] == winner]
    axes.scatter(
        won["slot"], won["value"], s=90, facecolors="none", edgecolors=ORANGE, label="winner"
    )
    if done["value"].min() > 0:
        _logarithmic(axes, "y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="search history", xlabel="slot", ylabel="value (validation)")
    axes.legend(fontsize=8)


def _importances(figure: Figure, found: dict[str, dict[str, float]], names: list[str]) -> None:
    axes = figure.subplots()
    places = np.arange(len(names))
    for shift, kind, colour, label in (
        (-0.2, "value", BLUE, "the loss"),
        (0.2, "gap", ORANGE, "the gap"),
    ):
        shares = [found[kind].get(name, 0.0) for name in names]
        axes.barh(places + shift, shares, height=0.38, color=colour, label=label)
    axes.set_yticks(places, [name.rpartition(".")[2] for name in names])
    axes.invert_yaxis()
    axes.set(title="what drives", xlabel="share of the variance (fANOVA)")
    axes.legend(fontsize=8)


def _slices(figure: Figure, done: pd.DataFrame, names: list[str], winner: int) -> None:
    figure.suptitle("values by parameter", x=0.02, ha="left", fontsize=11, fontweight="bold")
    axes = figure.subplots(-(-len(names) // 2), 2, squeeze=False).ravel()
    for place in axes[len(names) :]:
        place.axis("off")
    for place, name in zip(axes, names, strict=False):
        _slice(place, done, f"params.{name}", winner)
        place.set_xlabel(name.rpartition(".")[2], fontsize=8)
        place.tick_params(labelsize=7)


def _slice(axes: Axes, done: pd.DataFrame, column: str, winner: int) -> None:
    shown = done[done[column].notna()]
    values = pd.to_numeric(shown[column], errors="coerce")
    if values.isna().any() or shown[column].dtype == bool:
        levels = sorted(shown[column].astype(str).unique())
        values = shown[column].astype(str).map(levels.index)
        axes.set_xticks(range(len(levels)), levels)
    elif values.min() > 0 and values.max() > 50 * values.min():
        _logarithmic(axes, "x")
    colours = [ORANGE if slot == winner else BLUE for slot in shown["slot"]]
    axes.scatter(values, shown["value"], s=14, c=colours, alpha=0.8)
    if shown["value"].min() > 0:
        _logarithmic(axes, "y")


def _logarithmic(axes: Axes, which: Literal["x", "y"]) -> None:
    """A logarithmic axis with plain numbers, a few of them."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(numticks=4, subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
