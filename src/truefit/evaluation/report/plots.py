"""How pictures look, and those that every training has: its curves, and what it made."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from truefit.core.endings import COUNTED
from truefit.evaluation.report.fonts import (
    fonts_for,
    lacking,
    say_missing,
    scripts,
    shorten_names,
    write_code_points,
)

if TYPE_CHECKING:
    from matplotlib.typing import ColorType, RcKeyType

BLUE, ORANGE, GREY = "#2563a8", "#d9731a", "#8a8f98"
STYLE: dict[RcKeyType, object] = {
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


def save(
    file: Path,
    paint: Callable[..., None],
    *values: object,
    wide: bool = False,
    tall: bool = False,
) -> None:
    """Let `paint` draw `values` on a figure and write it as PNG.

    Characters that the usual font lacks are drawn by an installed one that has them; if none does,
    their code points are written, and the font to install is named.
    """
    size = (8.4 if wide else 4.6, 5.6 if tall else 3.4 if wide else 4.2)
    with mpl.rc_context(STYLE):
        _, missing = _draw(file, size, paint, values)
    if not missing:
        return
    usual = mpl.rcParams["font.family"]
    with mpl.rc_context(STYLE | {"font.family": [*usual, *fonts_for(frozenset(missing))]}):
        figure, missing = _draw(file, size, paint, values)
        if missing:
            write_code_points(figure, missing)
            _write(figure, file)
    for script in sorted(scripts(missing)):
        say_missing(script)


def _draw(
    file: Path, size: tuple[float, float], paint: Callable[..., None], values: tuple[object, ...]
) -> tuple[Figure, set[str]]:
    """The figure, and the characters that no font in use has."""
    figure = Figure(figsize=size, layout="constrained")
    with lacking() as missing:
        paint(figure, *values)
        shorten_names(figure)
        _write(figure, file)
    return figure, missing


def _write(figure: Figure, file: Path) -> None:
    # No date or version inside: the same numbers give the same bytes.
    figure.savefig(file, metadata={"Software": None})


def draw_curves(
    folder: Path, history: pd.DataFrame, best_epoch: int, names: tuple[str, ...]
) -> None:
    """Write curves.png, the losses of each epoch, and metrics.png for the metrics `names`."""
    save(folder / "curves.png", _losses, history, best_epoch)
    if names:
        save(folder / "metrics.png", _metrics, history, best_epoch, names)


def _losses(figure: Figure, history: pd.DataFrame, best_epoch: int) -> None:
    """Training and validation measured alike, and what `fit` averages while it learns."""
    axes, epochs = figure.subplots(), history["epoch"]
    axes.plot(epochs, history["train_loss"], color=BLUE, label="train")
    axes.plot(epochs, history["loss"], color=BLUE, lw=0.8, ls=":", label="train, as fitted")
    axes.plot(epochs, history["val_loss"], color=ORANGE, label="validation")
    _finish(axes, best_epoch, "loss")


def _metrics(
    figure: Figure, history: pd.DataFrame, best_epoch: int, names: tuple[str, ...]
) -> None:
    axes, epochs = figure.subplots(), history["epoch"]
    for name, colour in zip(names, (BLUE, "#2a9d6a"), strict=False):
        label = "train, as fitted" if len(names) == 1 else name.replace("_", " ")
        axes.plot(epochs, history[name], color=colour, label=label)
        if len(names) == 1 and f"val_{name}" in history:
            axes.plot(epochs, history[f"val_{name}"], color=ORANGE, label="validation")
    _finish(axes, best_epoch, names[0] if len(names) == 1 else "losses")


def _finish(axes: Axes, best_epoch: int, title: str) -> None:
    axes.axvline(best_epoch, color=GREY, lw=1, ls="--", label="kept")
    axes.set(title=title, xlabel="epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8)


def draw_repeats(folder: Path, repeats: pd.DataFrame) -> None:
    """Write learning_curve.png, losses by the number of training rows, where there are several."""
    done = repeats[repeats["state"].isin(COUNTED) & repeats["val_loss"].notna()]
    if len(set(done["rows"])) > 1:
        save(folder / "learning_curve.png", _learning_curve, done)


def _learning_curve(figure: Figure, repeats: pd.DataFrame) -> None:
    axes = figure.subplots()
    for column, colour, label in (
        ("train_loss", BLUE, "train"),
        ("val_loss", ORANGE, "validation"),
    ):
        found = repeats.groupby("rows")[column].agg(["mean", "std"])
        axes.errorbar(
            found.index, found["mean"], found["std"].fillna(0), color=colour, capsize=3, label=label
        )
        axes.scatter(repeats["rows"], repeats[column], s=8, color=colour, alpha=0.4)
    axes.set(
        title="loss by training rows", xlabel="rows (bars: deviation over seeds)", ylim=(0, None)
    )
    axes.legend(fontsize=8)


def square(figure: Figure, title: str, x: str, y: str) -> Axes:
    """Axes from 0 to 1 both ways."""
    axes = figure.subplots()
    axes.set(
        title=title, xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal"
    )
    return axes


def colours(count: int) -> list[ColorType]:
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
    families = ["monospace", *mpl.rcParams["font.family"]]  # the others for what it lacks
    figure.text(0.02, 0.88, wrapped, va="top", family=families, fontsize=6.5, linespacing=1.5)


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
