"""What is predicted: a class, a number, several labels, the row itself, what comes next."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from truefit.core.prepared.caps import find_cap
from truefit.core.prepared.columns import plain_values
from truefit.core.prepared.facts import Target
from truefit.core.prepared.findings import Finding, joined
from truefit.datasets.checks import SHOWN, Lines, Source, name_rows
from truefit.datasets.delimited import without_blanks
from truefit.datasets.doubtful import ALIKE, alike
from truefit.datasets.quantities import MANY, amounts_in, refuse_quantities, remedy


def code_target(source: Source, kind: str) -> tuple[np.ndarray, Target]:
    """The target of each row as an array, and its description.

    Args:
        source: what a data function returned.
        kind: `classes`, `number`, `labels` (several at once), `input` (the row itself), `next`
            (the code that follows each one), or `auto` to find out.

    Returns:
        `y` and the target: int32 class codes (rows,) with their `classes` as texts,
        sorted by value; float64 numbers (rows,); uint8 0 or 1 (rows, labels) with the `labels`.
        `input` has the codes of the classes where the source has some, else zeros; `next` zeros.

    Raises:
        ValueError: missing values, one class only, or text where numbers are wanted.
    """
    name = str(source.get("target", "the target"))
    if kind == "next" or (kind == "input" and "y" not in source):
        what = Target("the next one", "next") if kind == "next" else Target("the input", "input")
        return np.zeros(len(source["x"]), np.uint8), what
    if "y" not in source:
        raise ValueError(
            "the data have no target: choose `task: reconstruction`, `generation` or `next_token`, "
            "or data with one"
        )
    if np.ndim(source["y"]) == 2:
        return _code_labels(source, kind, name)
    if kind == "labels":
        raise ValueError(f"{name}: several 0/1 columns were expected, received one column")
    values = pd.Series(
        np.asarray(source["y"]) if not isinstance(source["y"], pd.Series) else source["y"]
    )
    values = _bare(plain_values(values.reset_index(drop=True)))
    if kind == "input" and not _is_classes(values):
        return np.zeros(len(values), np.uint8), Target("the input", "input")
    _check_missing(values, name, source.get("lines"))
    if kind in ("classes", "input") or (kind == "auto" and _is_classes(values)):
        if kind == "auto" and not _kept(source, name):
            refuse_quantities(values, name, source.get("lines"))
        codes, described = _code_classes(values, name)
        return codes, replace(described, kind="input") if kind == "input" else described
    return _numbers(values, name, source.get("lines"))


def _bare(values: pd.Series) -> pd.Series:
    """Texts without blanks around them, missing where nothing is left, as tables have them.

    Where all are single characters a blank is one of them.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    if all(isinstance(value, str) and len(value) <= 1 for value in values.dropna()):
        return values.mask(values == "")
    return without_blanks(values.to_frame("y"))["y"]


def _kept(source: Source, name: str) -> bool:
    """Whether the settings say that the target holds names, whatever they look like."""
    types = (source.get("coding") or {}).get("types") or {}
    return bool(types.get(name) == "category")


def _numbers(values: pd.Series, name: str, lines: Lines | None) -> tuple[np.ndarray, Target]:
    numbers = pd.to_numeric(values, errors="coerce")
    if len(rows := np.flatnonzero(~np.isfinite(numbers))):
        bad = values.iloc[rows].tolist()  # as Python writes them
        raise ValueError(
            f"{name}: a number is to be predicted, and {bad[0]!r} is none "
            f"({name_rows(rows, lines)}): {remedy(values, bad)}"
        )
    if numbers.abs().max() > np.finfo(np.float32).max:
        raise ValueError(f"{name}: {numbers.abs().max():g} is too large to learn; rescale it")
    if numbers.min() == numbers.max():
        raise ValueError(f"{name} is {numbers.iloc[0]} in every row: there is nothing to learn")
    return numbers.to_numpy(np.float64), Target(name, "number")


def _code_labels(source: Source, kind: str, name: str) -> tuple[np.ndarray, Target]:
    if kind not in ("labels", "auto"):
        raise ValueError(
            f"{name} has {np.shape(source['y'])[1]} columns: the task is `multilabel`, "
            f"or name one column"
        )
    frame = pd.DataFrame(source["y"]).apply(plain_values)
    values = frame.to_numpy()
    if values.dtype == object or not np.isin(values, (0, 1)).all():
        raise ValueError(f"{name}: several labels a row must be 0 or 1, received others")
    if (values.sum(axis=1) == 1).all():
        raise ValueError(
            f"{name}: expected several labels a row, received exactly one 1 in each row: for "
            "classes give one column with the name of the class, or of an array store "
            "`y.argmax(axis=1)`"
        )
    if constant := [str(c) for c in frame if frame[c].nunique() < 2]:
        raise ValueError(f"{name}: label {constant[0]!r} is the same in every row")
    labels = [str(column) for column in frame]
    return values.astype(np.uint8), Target(name, "labels", labels=labels)


def _check_missing(values: pd.Series, name: str, lines: Lines | None) -> None:
    missing = np.flatnonzero(values.isna())
    if len(missing):
        where = name_rows(missing, lines)
        raise ValueError(
            f"{name} is missing in {len(missing)} of {len(values)} rows ({where}): "
            "remove those rows (for a table also: `data.missing_target: drop`) or fill them "
            "in; a guessed target would falsify every score"
        )


def _is_classes(values: pd.Series) -> bool:
    if kinds.is_bool_dtype(values) or not kinds.is_numeric_dtype(values):
        return True
    distinct = values.nunique()
    return bool((values % 1 == 0).all()) and distinct <= MANY and distinct < len(values) / 2


def _code_classes(values: pd.Series, name: str) -> tuple[np.ndarray, Target]:
    if kinds.is_float_dtype(values) and (values % 1 == 0).all():
        values = values.astype("int64")
    found = values.unique().tolist()
    if len({type(label) for label in found}) > 1:  # 1 and "1" are one class, and sort as text
        values = values.astype(str)
    if not kinds.is_numeric_dtype(values):
        values = values.map(_composed)
        found = values.unique().tolist()
    classes = sorted(found)
    if len(classes) > max(MANY, len(values) / 2):
        raise ValueError(
            f"{name} has {len(classes)} different values in {len(values)} rows, too many for "
            f"classes (such as {classes[0]!r}): if they are numbers, choose `task: regression`"
        )
    if len(classes) < 2:
        raise ValueError(
            f"{name} has one class only ({classes[0]!r}): there is nothing to learn; name another "
            "target"
        )
    codes = values.map({label: code for code, label in enumerate(classes)})
    texts = [str(label) for label in classes]
    return codes.to_numpy(np.int32), Target(name, "classes", classes=texts)


def _composed(label: object) -> object:
    """The label; a text in Unicode's composed form, so that `ö` is one letter in all rows."""
    return unicodedata.normalize("NFC", label) if isinstance(label, str) else label


def doubts_of(source: Source, kind: str, y: np.ndarray, target: Target) -> list[Finding]:
    """Return what is doubtful of a target: cut-off numbers, amounts, capitals and blanks.

    Args:
        source: what a data function returned.
        kind: what was asked, as of `code_target`.
        y: the target as `code_target` returned it.
        target: its description.
    """
    if target.kind == "number":
        return _cap(y, target.name)
    if target.kind != "classes":
        return []
    asked = kind != "auto" or _kept(source, target.name)
    amounts = [] if asked else amounts_in(pd.Series(target.classes, dtype=object)[y], target.name)
    joins = _joins(pd.Series(source.get("y", [])), target.name)
    return [*_alike(target.classes, target.name), *joins, *amounts]


def _cap(y: np.ndarray, name: str) -> list[Finding]:
    if not (cap := find_cap(y)):
        return []
    what = (
        f"values of {name} are {cap.value:g}, the end of their range; other values occur about "
        f"{cap.other:g} times: the target was perhaps cut off there, and no model can tell what "
        "was cut"
    )
    return [Finding("doubtful", cap.rows, cap.of, what, noted=True)]


def _joins(labels: pd.Series, name: str) -> list[Finding]:
    """Labels of an array that are one class without the blanks around them."""
    texts = pd.Series([text for text in labels.unique() if isinstance(text, str)], dtype=object)
    bare = _bare(texts)
    several = texts[bare.duplicated(keep=False) & bare.notna()]
    if several.empty:
        return []
    shown = joined([repr(text) for text in several], SHOWN, ", ")
    what = (
        f"labels of {name} differ in the blanks around them alone ({shown}) and are taken for one "
        "class: if they are several, give each a name of its own"
    )
    return [Finding("doubtful", len(several), len(texts), what, noted=True)]


def _alike(classes: list[str], name: str) -> list[Finding]:
    """Classes that look alike."""
    if not (several := alike(classes)):
        return []
    what = f"classes of {name} {ALIKE.format(joined(several, SHOWN, ', '))}"
    return [Finding("doubtful", len(several), len(classes), what, noted=True)]
