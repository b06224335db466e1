"""Names that a configuration and a result share: verdicts and yardsticks."""

from __future__ import annotations

from typing import Literal

VerdictName = Literal[
    "good", "overfit", "underfit", "diverged", "learning rate too high", "validation too small",
    "suspicious", "beaten", "imbalanced", "label noise", "capped target",
]  # fmt: skip

# What `evaluation.yardsticks` names.
YardstickKind = Literal[
    "constant", "linear", "boosting", "forest", "nearest_mean", "persistence", "seasonal",
    "ngrams", "popular", "pca",
]  # fmt: skip
