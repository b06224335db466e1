"""What rows are split by: their classes, a group that stays whole, or the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from truefit.core.prepared.facts import Target
from truefit.core.prepared.folder import SPLITS
from truefit.datasets.checks import Source, as_times, plain_name
from truefit.datasets.splits import Indices

if TYPE_CHECKING:
    from truefit.config.schema import Split

GIVEN = ("is_test", "is_validation")  # masks of the rows of splits that a source gives


def classes_to_share(
    source: Source, y: np.ndarray, target: Target, split: Split
) -> np.ndarray | None:
    """The classes that each split gets its share of, or `None` where they do not count."""
    classes, in_order = target.classes, split.get("time") not in (None, False)
    apart = split.get("duplicates", "apart") == "apart"
    if not (classes and split["stratify"] and apart) or split.get("group") or in_order:
        return None
    needed = 3 - sum(source.get(name) is not None for name in GIVEN)
    counts = np.bincount(y, minlength=len(classes))
    rarest = int(counts.argmin())
    if counts[rarest] < needed:
        raise ValueError(
            f"class {classes[rarest]!r} of {target.name} has {counts[rarest]} rows and the "
            f"splits need {needed}, one each: drop it, merge it, or set data.split.stratify "
            "to false"
        )
    return y


def key_of(source: Source, split: Split, by: str) -> np.ndarray | None:
    """What rows are grouped or ordered by: one of the source's keys, or their own order."""
    name = split.get(by)
    if name is None or name is False:
        return None
    if name is True:
        return np.arange(len(source["x"]))
    keys = source.get("keys") or {}
    name = name if name in keys else plain_name(name)
    if name not in keys:
        known = ", ".join(map(str, keys)) or "none"
        raise ValueError(f"data.split.{by}: the data have no {name!r}; they have: {known}")
    if by == "time":
        return as_times(f"data.split.time: {name}", pd.Series(keys[name]), source.get("lines"))
    return np.asarray(keys[name])


def follow(times: np.ndarray, rows: Indices) -> bool:
    """Whether each row, of training, then validation, then test, is later than the one before."""
    moments = times[np.concatenate([rows[name] for name in SPLITS])]
    return bool((moments[1:] > moments[:-1]).all())
