"""Real data on which rules are compared: what scikit-learn brings, and files of a folder.

The folder is that of docs/experiments.md. Rows are drawn anew for each seed where a set is large,
so that a training takes a second or a few.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from truefit.datasets.audio import audio_folder
from truefit.datasets.builtin import breast_cancer, diabetes, digits, iris, wine
from truefit.datasets.checks import Source
from truefit.datasets.text import windows

SPEAKERS = 5
LINES = re.compile(r"^([A-Z][A-Za-z ]+):\n((?:.+\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class RealSet:
    """A real data set: how its rows are read, how many are drawn, and what is set for it."""

    name: str
    read: Callable[[Path], Source]
    kind: str = "classes"
    rows: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    needs_folder: bool = False
    is_table: bool = False  # numbers in columns: plain networks and boosting are for these

    def source(self, folder: Path, seed: int) -> Source:
        """All rows, or as many as are wanted, drawn by the seed."""
        whole = self.read(folder)
        count = len(whole["x"])
        if self.rows is None or count <= self.rows:
            return whole
        drawn = np.sort(np.random.default_rng(seed).permutation(count)[: self.rows])
        fewer: Source = {**whole, "x": _take(whole["x"], drawn)}
        if "y" in whole:
            fewer["y"] = _take(whole["y"], drawn)
        return fewer


def _take(values: Any, rows: np.ndarray) -> Any:
    if isinstance(values, pd.DataFrame):
        return values.iloc[rows].reset_index(drop=True)
    return np.asarray(values)[rows]


def _digits_odd(_: Path) -> Source:
    source = digits()
    return source | {"y": np.where(source["y"] % 2, "odd", "even")}


def _alcohol(_: Path) -> Source:
    source = wine()
    return {"x": source["x"][:, 1:], "y": source["x"][:, 0].astype(float), "target": "alcohol"}


def _worst_area(_: Path) -> Source:
    x = breast_cancer()["x"]
    return {"x": x[:, :10], "y": x[:, 23].astype(float), "target": "worst area"}


def _petal_width(_: Path) -> Source:
    x = iris()["x"]
    return {"x": x[:, :3], "y": x[:, 3].astype(float), "target": "petal width"}


def _pima(folder: Path) -> Source:
    frame = pd.read_csv(folder / "pima_diabetes.csv", header=None)
    return {
        "x": frame.iloc[:, :8].to_numpy(np.float32),
        "y": np.where(frame.iloc[:, 8] == 1, "yes", "no"),
    }


def _images(name: str) -> Callable[[Path], Source]:
    def read(folder: Path) -> Source:
        with np.load(folder / name) as stored:
            x, y = stored["x_train"], stored["y_train"].ravel()
        return {"x": x[..., np.newaxis] if x.ndim == 3 else x, "y": y}

    return read


def _vehicles(folder: Path) -> Source:
    source = _images("cifar10_12k.npz")(folder)
    return source | {"y": np.where(np.isin(source["y"], (0, 1, 8, 9)), "vehicle", "animal")}


def _sounds(label: str) -> Callable[[Path], Source]:
    def read(folder: Path) -> Source:
        source = audio_folder(path=str(folder / "spoken_digits"), seconds=0.5)
        y = source["y"] if label == "label" else source["keys"][label]
        return {"x": source["x"], "y": np.asarray(y).astype(str)}

    return read


def _speakers(folder: Path) -> Source:
    """What the five who speak most say, each speech a text."""
    text = (folder / "tinyshakespeare.txt").read_text()
    frame = pd.DataFrame(LINES.findall(text), columns=["who", "text"])
    most = frame["who"].value_counts().index[:SPEAKERS]
    frame = frame[frame["who"].isin(most)].reset_index(drop=True)
    coding = {"types": {"text": "text"}, "length": 25}
    return {"x": frame[["text"]], "y": frame["who"].to_numpy(), "coding": coding}


def _next_characters(folder: Path) -> Source:
    return windows((folder / "tinyshakespeare.txt").read_text()[:40_000], 40, "tinyshakespeare")


# Choices and values of a group stand apart: a choice by name, then what is set in it.
LANGUAGE = {
    "experiment": "language_model",
    "model": {"units": 64, "embedding": 32},
    "training": {"epochs": 8, "batch_size": 32},
    "runtime": {"threads": 1},
}
SPEECH = {
    "experiment": "speech",
    "model": {"filters": 8, "mels": 16, "window": 0.064, "hop": 0.032},
    "training": {"epochs": 12, "patience": 5},
}
TEXTS = {"experiment": "text_classifier", "model": {"units": 16}, "training": {"epochs": 8}}
CNN = {"model": "cnn", "training": {"epochs": 10}}
SETS = [
    RealSet("digits", lambda _: digits()),
    RealSet("digits, odd or even", _digits_odd, rows=900),
    RealSet("iris", lambda _: iris()),
    RealSet("wine", lambda _: wine(), is_table=True),
    RealSet("breast cancer", lambda _: breast_cancer(), is_table=True),
    RealSet("diabetes", lambda _: diabetes(), "number", is_table=True),
    RealSet("wine's alcohol", _alcohol, "number", is_table=True),
    RealSet("worst area", _worst_area, "number", is_table=True),
    RealSet("petal width", _petal_width, "number"),
    RealSet("Pima", _pima, needs_folder=True, is_table=True),
    RealSet("MNIST, mlp", _images("mnist.npz"), rows=2500, needs_folder=True),
    RealSet("MNIST, cnn", _images("mnist.npz"), "classes", 700, CNN, True),
    RealSet("CIFAR-10, cnn", _images("cifar10_12k.npz"), "classes", 700, CNN, True),
    RealSet("vehicles and animals, mlp", _vehicles, rows=1500, needs_folder=True),
    RealSet("spoken digits", _sounds("label"), "classes", 400, SPEECH, True),
    RealSet("who speaks, texts", _speakers, "classes", 600, TEXTS, True),
    RealSet("next character", _next_characters, "next", None, LANGUAGE, True),
]
