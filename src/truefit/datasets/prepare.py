"""Preprocess: a source becomes the prepared folder. TensorFlow is not imported."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from truefit.config import Tree, load
from truefit.datasets.prepared import SPLITS, Facts, write_split
from truefit.datasets.splits import Indices, split_rows
from truefit.datasets.table import apply_coding, feature_names, fit_coding
from truefit.datasets.target import code_target
from truefit.errors import UserError
from truefit.files import write_json
from truefit.paths import PREPARED, input_path
from truefit.targets import make

CHUNK = 4096  # rows looked at together when statistics are taken


def preprocess() -> None:
    """Read the configured source and write `data/prepared` in one move once all of it is ready.

    Raises:
        UserError: the source cannot be used; the message says where and what was expected.
    """
    config = load()
    print(f"reading {config['data'].get('path') or config['data']['_target_']} ...", flush=True)
    try:
        source = read_source(config["data"])
        facts, splits = prepare(source, config["data"], config["task"]["target"], config["seed"])
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from error
    write_prepared(PREPARED, facts, splits)
    print(_summary(facts))


def read_source(data: Tree) -> dict[str, Any]:
    """Call the source that `data._target_` names; relative paths also work in temporary trees.

    Raises:
        ValueError: what it returned is not `{"x": ..., "y": ...}` of equal length.
    """
    arguments = {key: value for key, value in data.items() if key not in ("split", "normalize")}
    if arguments.get("path"):
        arguments["path"] = str(input_path(arguments["path"]))
    source = make(arguments)
    if not isinstance(source, dict) or not {"x", "y"} <= set(source):
        raise ValueError(f"{data['_target_']} must return a dictionary with x and y")
    if len(source["x"]) != len(source["y"]):
        raise ValueError(
            f"{data['_target_']}: x has {len(source['x'])} rows and y has {len(source['y'])}"
        )
    return source


def prepare(
    source: dict[str, Any], data: Tree, kind: str, seed: int
) -> tuple[Facts, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Split, code and describe a source; statistics come from the training rows alone.

    Returns:
        The contents of dataset.json without digests, and `(x, y)` for each split.

    Raises:
        ValueError: too few rows or classes, missing targets, values that are not finite.
    """
    y, target = code_target(source, kind)
    labels = y if target["kind"] == "classes" and data["split"]["stratify"] else None
    shares = {name: data["split"][name] for name in ("validation", "test")}
    rows = _split(labels, len(y), target, shares, seed, source.get("is_test"))
    coding = _fit(source, rows["train"])
    coded = {name: _code(source["x"], chosen, coding) for name, chosen in rows.items()}
    _check_finite(coded)
    facts: Facts = {
        "input_shape": list(coded["train"].shape[1:]),
        "dtype": str(coded["train"].dtype),
        "features": feature_names(coding) if coding else source.get("features"),
        "columns": coding,
        "target": target,
        "normalize": data["normalize"],
        "statistics": _statistics(coded["train"]),
        "splits": {name: {"rows": len(chosen)} for name, chosen in rows.items()},
    }
    if target["kind"] == "number":
        train = y[rows["train"]]
        if (scale := float(train.std())) == 0:
            raise ValueError(f"{target['name']} is the same in every training row")
        target |= {"mean": float(train.mean()), "scale": scale}
    else:
        _count_classes(facts, y, rows)
    return facts, {name: (coded[name], y[rows[name]]) for name in SPLITS}


def write_prepared(folder: Path, facts: Facts, splits: dict[str, tuple[Any, Any]]) -> None:
    """Write everything into a folder beside `folder`, then put it in its place."""
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    digest = hashlib.sha256()
    try:
        for name, (x, y) in splits.items():
            facts["splits"][name]["digest"] = write_split(building, name, x, y)
            digest.update(facts["splits"][name]["digest"].encode())
        write_json(building / "dataset.json", {**facts, "digest": digest.hexdigest()})
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _split(
    labels: np.ndarray | None,
    rows: int,
    target: Facts,
    shares: dict[str, float],
    seed: int,
    is_test: np.ndarray | None,
) -> Indices:
    if labels is not None:
        needed = 2 if is_test is not None else 3
        counts = np.bincount(labels, minlength=len(target["classes"]))
        rarest = int(counts.argmin())
        if counts[rarest] < needed:
            rare = target["classes"][rarest]
            raise ValueError(
                f"class {rare!r} of {target['name']} has {counts[rarest]} rows and the splits need "
                f"{needed}, one each: drop it, merge it, or set data.split.stratify to false"
            )
    return split_rows(labels, rows, **shares, seed=seed, is_test=is_test)


def _fit(source: dict[str, Any], train: np.ndarray) -> list[dict[str, Any]] | None:
    x = source["x"]
    if not isinstance(x, pd.DataFrame):
        return None
    coding = fit_coding(x.iloc[train], **source.get("coding", {"types": {}, "max_categories": 32}))
    if not feature_names(coding):
        raise ValueError("no column is left to learn from: all are constant or id-like")
    return coding


def _code(x: Any, rows: np.ndarray, coding: list[dict[str, Any]] | None) -> np.ndarray:
    if coding is not None:
        return apply_coding(x.iloc[rows], coding)
    chosen: np.ndarray = np.asarray(x)[rows]
    if chosen.ndim < 2 or 0 in chosen.shape[1:]:
        raise ValueError(
            f"x must have a row per example and at least one feature, received {x.shape}"
        )
    if chosen.dtype.kind not in "fiub":
        raise ValueError(f"x must hold numbers, received {chosen.dtype}")
    return chosen if chosen.dtype == np.uint8 else chosen.astype(np.float32)


def _check_finite(splits: dict[str, np.ndarray]) -> None:
    for name, x in splits.items():
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            bad = len(np.unique(np.argwhere(~np.isfinite(x))[:, 0]))
            raise ValueError(
                f"x holds NaN or infinity in {bad} rows of the {name} split: fill or remove them"
            )


def _statistics(x: np.ndarray) -> dict[str, list[float]]:
    """Mean and variance over all but the last axis (features, or channels of images)."""
    scaler = StandardScaler()
    for start in range(0, len(x), CHUNK):
        scaler.partial_fit(x[start : start + CHUNK].reshape(-1, x.shape[-1]).astype(np.float64))
    # A constant feature has nothing to scale; 1 keeps it, instead of dividing by rounding errors.
    constant = scaler.var_ <= 1e-14 * np.maximum(scaler.mean_**2, 1e-30)
    variance = np.where(constant, 1.0, scaler.var_)
    return {"mean": scaler.mean_.tolist(), "variance": variance.tolist()}


def _count_classes(facts: Facts, y: np.ndarray, rows: Indices) -> None:
    classes = facts["target"]["classes"]
    for name, chosen in rows.items():
        counts = np.bincount(y[chosen], minlength=len(classes))
        facts["splits"][name]["classes"] = dict(zip(classes, counts.tolist(), strict=True))


def _summary(facts: Facts) -> str:
    rows = ", ".join(f"{name} {facts['splits'][name]['rows']}" for name in SPLITS)
    target = facts["target"]
    what = f"{len(target['classes'])} classes" if target["kind"] == "classes" else "a number"
    left_out = [
        f"\nnote: column {c['name']!r} is left out: {c['why']}"
        for c in facts["columns"] or []
        if c["kind"] == "drop"
    ]
    shape = " x ".join(map(str, facts["input_shape"]))
    return f"prepared: {rows} rows of {shape}; {target['name']} is {what}" + "".join(left_out)
