"""Data sets that need no download: they come with scikit-learn (their licences: UCI, BSD-3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn import datasets

from truefit.datasets.checks import Source

if TYPE_CHECKING:
    from sklearn.utils import Bunch


def digits() -> Source:
    """1,797 grey images, `x` uint8 (rows, 8, 8, 1) from 0 to 16, `y` the digits 0-9."""
    bunch = datasets.load_digits()
    return {
        "x": bunch.images.astype(np.uint8)[..., np.newaxis],
        "y": bunch.target,
        "target": "digit",
    }


def iris() -> Source:
    """150 flowers, `x` float32 (rows, 4) in cm, `y` the species' names."""
    return _table(datasets.load_iris(), "species")


def breast_cancer() -> Source:
    """569 tumours, `x` float32 (rows, 30), `y` malignant or benign."""
    return _table(datasets.load_breast_cancer(), "diagnosis")


def wine() -> Source:
    """178 wines, `x` float32 (rows, 13), `y` the names of three classes."""
    return _table(datasets.load_wine(), "grower")


def diabetes() -> Source:
    """442 patients, `x` float32 (rows, 10) in their own units, `y` disease progression (25-346)."""
    bunch = datasets.load_diabetes(scaled=False)
    return {
        "x": bunch.data.astype(np.float32),
        "y": bunch.target,
        "features": bunch.feature_names,
        "target": "progression",
    }


def _table(bunch: Bunch, target: str) -> Source:
    names = np.asarray(bunch.target_names).astype(str)
    features = [str(name) for name in bunch.feature_names]
    return {
        "x": bunch.data.astype(np.float32),
        "y": names[bunch.target],
        "features": features,
        "target": target,
    }
