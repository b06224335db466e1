"""Targets that are numbers to people: none becomes a class without a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from truefit.datasets.checks import Source
from truefit.datasets.frames import csv, parquet, text_csv
from truefit.datasets.target import code_target

ROWS = 80
SIGNED: dict[str, Callable[[int], str]] = {
    "4,5": lambda n: f"{n % 25},5",
    "1.234,5": lambda n: f"{1 + n % 25 % 9}.{200 + n % 25},5",
    "1,234": lambda n: f"{1 + n % 25 % 9},{200 + n % 25}",
    "1 234": lambda n: f"{1 + n % 25 % 9} {200 + n % 25}",
}
DRESSED: dict[str, Callable[[int], str]] = {
    "$1,000": lambda n: f"${1000 + 37 * (n % 25):,}",
    "12%": lambda n: f"{n % 25}%",
    "1.5 kg": lambda n: f"{n % 6}.5 kg",
}
NAMES = [
    ["1st", "2nd", "3rd"],
    ["10-20", "21-30", "31-40"],
    ["3 mm", "5 mm", "8 mm"],
    ["1.2", "1.3", "2.0"],
    ["10%", "20%", "50%"],
    ["S", "M", "2XL"],
]


def source(name: str, folder: Path, texts: list[str], **options: Any) -> Source:
    """The texts as the target of a data source."""
    frame = pd.DataFrame({"a": [f"word {n}" for n in range(len(texts))], "y": texts})
    if name == "function":
        return {"x": np.zeros((len(texts), 2)), "y": np.array(texts), "target": "y"}
    if name == "parquet":
        frame.assign(a=range(len(texts))).to_parquet(folder / "t.parquet")
        return parquet(path=str(folder / "t.parquet"), target="y", **options)
    frame.to_csv(folder / "t.csv", index=False, sep=";")
    if name == "text_csv":
        return text_csv(path=str(folder / "t.csv"), text="a", target="y", **options)
    return csv(path=str(folder / "t.csv"), target="y", **options)


def refusal(kind: str, *arguments: Any, **options: Any) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        code_target(source(*arguments, **options), kind)
    return str(refused.value)


def settings(message: str) -> dict[str, Any]:
    """The settings below `data` that a message names, as YAML reads them."""
    found = re.findall(r"`data\.([a-z_]+: .+?)`(?=[ ,;]|$)", message)
    return {key: value for text in found for key, value in yaml.safe_load(text).items()}


@pytest.mark.parametrize("form", [*SIGNED, *DRESSED])
@pytest.mark.parametrize("name", ["csv", "text_csv", "parquet", "function"])
def test_numbers_with_signs_are_no_classes_unless_asked(
    tmp_path: Path, name: str, form: str
) -> None:
    """Whatever the source, they are refused with the way to have them as classes, which works."""
    texts = [(SIGNED | DRESSED)[form](n) for n in range(ROWS)]

    message = refusal("auto", name, tmp_path, texts)

    keep = {"types": {"y": "category"}} if name in ("csv", "parquet") else {}
    assert "task=multiclass" in message or "`data.types.y: category`" in message
    kept = source(name, tmp_path, texts, **keep)
    assert code_target(kept, "classes")[1].classes == sorted({*texts})
    if keep:
        assert code_target(kept, "auto")[1].kind == "classes"


@pytest.mark.parametrize(
    ("name", "labels"),
    # A table reads 1.2 as a number.
    [
        *(("function", labels) for labels in NAMES),
        *(("text_csv", n) for n in NAMES if "1.2" not in n),
    ],
)
def test_names_with_digits_are_classes(tmp_path: Path, name: str, labels: list[str]) -> None:
    """Ranks, spans, sizes, versions and a few round amounts stay classes where none is asked."""
    texts = [labels[n % 3] for n in range(ROWS)]

    assert code_target(source(name, tmp_path, texts), "auto")[1].classes == sorted(labels)


@pytest.mark.parametrize("kind", ["auto", "number"])
@pytest.mark.parametrize("form", SIGNED)
@pytest.mark.parametrize("name", ["csv", "text_csv"])
def test_the_named_settings_read_the_target(
    tmp_path: Path, name: str, form: str, kind: str
) -> None:
    """What the message says can be pasted, and no second message follows."""
    texts = [SIGNED[form](n) for n in range(ROWS)]
    named = settings(refusal(kind, name, tmp_path, texts))
    named.pop("types.y", None)

    y, target = code_target(source(name, tmp_path, texts, **named), "number")

    signs = named.get("decimal", "."), named.get("thousands", "")
    plain = [text.replace(signs[1], "").replace(signs[0], ".") for text in texts]
    assert target.kind == "number"
    assert y.tolist() == [float(text) for text in plain]


@pytest.mark.parametrize("form", DRESSED)
@pytest.mark.parametrize("name", ["csv", "text_csv", "parquet", "function"])
def test_a_target_that_no_setting_reads_is_to_be_written_bare(
    tmp_path: Path, name: str, form: str
) -> None:
    """No value of many is named as if it meant that a number is missing."""
    texts = [DRESSED[form](n) for n in range(ROWS)]

    message = refusal("number", name, tmp_path, texts)

    assert "write bare numbers" in message
    assert settings(message) == {}


@pytest.mark.parametrize("name", ["csv", "text_csv", "parquet"])
def test_all_words_for_missing_are_named_at_once(tmp_path: Path, name: str) -> None:
    """The list that a message has ends in rows that are left out, not in the next word."""
    words = {7: "unknown", 8: "not given", 30: "unknown"}
    texts = [words.get(n, str(n / 8)) for n in range(ROWS)]

    named = settings(refusal("number", name, tmp_path, texts))

    assert named == {"na_values": ["unknown", "not given"]}
    known = source(name, tmp_path, texts, **named, missing_target="drop")
    assert len(code_target(known, "number")[0]) == ROWS - 3


def test_many_words_in_a_target_of_numbers_may_be_classes(tmp_path: Path) -> None:
    """Where no few texts stand out the message has how many there are, and the other task."""
    texts = [f"name {n % 9}" for n in range(ROWS)]

    message = refusal("number", "csv", tmp_path, texts)

    assert "9 different texts" in message
    assert "na_values" not in message
    assert "task=multiclass" in message


def test_two_decimal_signs_in_a_target_are_to_be_written_alike(tmp_path: Path) -> None:
    """Neither sign is named as a setting, as it would read half of them."""
    texts = [f"{n % 25}{',.'[n % 2]}5" for n in range(ROWS)]

    for kind in ("auto", "number"):
        message = refusal(kind, "text_csv", tmp_path, texts)
        assert "others a point" in message
        assert "data.decimal" not in message


def test_signs_that_do_not_fit_the_texts_target_are_refused(tmp_path: Path) -> None:
    """A sign that was set and is not there is named, not passed over for classes."""
    texts = [f"{n % 25}.5" for n in range(ROWS)]

    message = refusal("auto", "text_csv", tmp_path, texts, decimal=",")

    assert settings(message) == {"decimal": "."}
    assert "types" not in message
