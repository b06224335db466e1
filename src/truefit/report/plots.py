"""How pictures look, and those that every training has: its curves, and what it made."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

BLUE, ORANGE, GREY = "#2563a8", "#d9731a", "#8a8f98"
STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a class may be called $10
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "font.size": 9.5,
    "legend.edgecolor": "none",
    "savefig.dpi": 130,
}


def save(file: Path, paint: Callable[..., None], *values: object, wide: bool = False) -> None:
    """Let `paint` draw `values` on a figure and write it as PNG."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4 if wide else 4.6, 3.4 if wide else 4.2), layout="constrained")
        paint(figure, *values)
        # No date or version inside: the same numbers give the same bytes.
        figure.savefig(file, metadata={"Software": None})


def draw_curves(file: Path, history: pd.DataFrame, best_epoch: int, names: tuple[str, ...]) -> None:
    """The loss of each epoch and beside it the metrics `names`, in training and validation."""
    save(file, _curves, history, best_epoch, names, wide=bool(names))


def _curves(figure: Figure, history: pd.DataFrame, best_epoch: int, names: tuple[str, ...]) -> None:
    panels = [("loss",), names] if names else [("loss",)]
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    for place, shown in zip(axes, panels, strict=True):
        one = len(shown) == 1
        for name, colour in zip(shown, (BLUE, "#2a9d6a"), strict=False):
            label = "train (dropout on)" if one else name.replace("_", " ")
            place.plot(history["epoch"], history[name], color=colour, label=label)
            if one and f"val_{name}" in history:
                values = history[f"val_{name}"]
                place.plot(history["epoch"], values, color=ORANGE, label="validation")
        place.axvline(best_epoch, color=GREY, lw=1, ls="--", label="restored")
        place.set(title=shown[0] if one else "losses", xlabel="epoch")
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
        place.legend(loc="upper right") if place is axes[0] or not one else None


def square(figure: Figure, title: str, x: str, y: str) -> Axes:
    """Axes from 0 to 1 both ways."""
    axes = figure.subplots()
    axes.set(
        title=title, xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal"
    )
    return axes


def colours(count: int) -> list[Any]:
    """So many colours that can be told apart."""
    return [BLUE] if count == 1 else list(mpl.colormaps["turbo"](np.linspace(0.05, 0.95, count)))


def is_picture(rows: np.ndarray) -> bool:
    """Whether rows are images (rows, height, width, 1 or 3)."""
    return rows.ndim == 4 and rows.shape[-1] in (1, 3)


def pictures(
    figure: Figure, rows: np.ndarray, words: list[str] | None, title: str, columns: int = 4
) -> None:
    """Images in a grid, dark to light over the range of all of them, each with its words above."""
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
    height = -(-len(rows) // columns)
    axes = np.atleast_1d(figure.subplots(height, columns, squeeze=False)).ravel()
    # Pixels that a model makes may leave the range; what is shown is clipped to that of the data.
    low, high = float(np.min(rows)), max(float(np.max(rows)), float(np.min(rows)) + 1e-9)
    for place in axes:
        place.axis("off")
    for number, (place, row) in enumerate(zip(axes, rows, strict=False)):
        image = np.clip((np.asarray(row, np.float32) - low) / (high - low), 0, 1)
        place.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if words:
            place.set_title(words[number], fontsize=7, fontweight="normal", loc="center")


def waves(figure: Figure, rows: np.ndarray, words: list[str], title: str) -> None:
    """Sounds in a grid, each as loud as the loudest of them is, with its words above."""
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
    axes = np.atleast_1d(figure.subplots(-(-len(rows) // 3), 3, squeeze=False)).ravel()
    for place in axes:
        place.axis("off")
    for place, row, text in zip(axes, rows, words, strict=False):
        place.plot(row, color=BLUE, lw=0.4)
        place.set(ylim=(-1.05 * np.abs(rows).max(), 1.05 * np.abs(rows).max()))
        place.set_title(text, fontsize=7, fontweight="normal", loc="center")


def listing(figure: Figure, texts: list[str], title: str) -> None:
    """Texts below each other, wrapped."""
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
    wrapped = "\n".join("\n".join(textwrap.wrap(text, 110)[:4]) for text in texts)
    figure.text(0.02, 0.88, wrapped, va="top", family="monospace", fontsize=6.5, linespacing=1.5)


def write_sample(file: Path, sample: np.ndarray | str) -> Path:
    """What a model made in training: images as PNG, text as it is; returns the file's name."""
    if isinstance(sample, str):
        file = file.with_suffix(".txt")
        file.write_text(sample, encoding="utf-8")
    elif is_picture(sample):
        file = file.with_suffix(".png")
        save(file, pictures, sample, None, file.stem.replace("_", " "), 5)
    else:
        file = file.with_suffix(".npy")
        np.save(file, sample, allow_pickle=False)
    return file
