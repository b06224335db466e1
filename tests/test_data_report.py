from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
import sections

from truefit.core.prepared.findings import DataReport, Finding, Kind, read_report
from truefit.core.prepared.folder import read_facts, read_split
from truefit.datasets.checks import Source
from truefit.datasets.features import features
from truefit.datasets.frames import csv, text_csv
from truefit.datasets.prepare import prepare
from truefit.datasets.summary import summary
from truefit.stages.compose import compose
from truefit.stages.preprocess import preprocess
from truefit.training.raw import RawRows

DATA = sections.data()
RANDOM = np.random.default_rng(0)
WORDS = [f"word{number}" for number in range(10)]


def found(source: Source, folder: Path) -> dict[str, list[str]]:
    """What the report of a source says, by kind."""
    facts = prepare(source, DATA, "classes", 0, folder / "prepared")
    said: dict[str, list[str]] = {}
    for finding in read_report(facts).findings:
        said.setdefault(finding.kind, []).append(str(finding))
    return said


def texts(file: Path, rows: list[str], **options: Any) -> Source:
    pd.DataFrame({"text": rows, "label": [*"ab"] * (len(rows) // 2)}).to_csv(file, index=False)
    return text_csv(path=str(file), text="text", target="label", **options)


def sentences(count: int, length: int = 8) -> list[str]:
    return [" ".join(RANDOM.choice(WORDS, length)) for _ in range(count)]


def test_texts_that_are_cut_are_counted(tmp_path: Path) -> None:
    """Texts of more words than `length` are counted, those of exactly so many are not."""
    source = texts(tmp_path / "t.csv", [*sentences(20, 8), *sentences(10, 9)], length=8)

    assert found(source, tmp_path)["cut"] == [
        "10 of 30 texts are longer than 8 words and are cut: raise `data.length`"
    ]


def test_rows_that_become_equal_are_said(tmp_path: Path) -> None:
    """Texts that differ only where they are cut leave nothing to learn from, and it is said."""
    source = texts(tmp_path / "t.csv", [f"{'same ' * 9}{number}" for number in range(30)], length=8)

    said = found(source, tmp_path)

    assert said["equal"] == [
        "18 of 18 training rows are equal to each other: nothing can be learned from them"
    ]
    assert said["cut"][0].startswith("30 of 30 texts")


THAI = [f"อาหาร{one}{two}มาก" for one in "กขคงจ" for two in "ฉชซฌญฎ"]
CHINESE = [f"这家店的{one}非常{two}吃。" for one in "面饭菜汤肉" for two in "好难香辣酸甜"]


@pytest.mark.parametrize("rows", [THAI, CHINESE, [f"{row} {row[:3]}" for row in CHINESE]])
def test_texts_without_spaces_are_offered_characters(tmp_path: Path, rows: list[str]) -> None:
    """A script without spaces has no words: their number is said, and the way out."""
    said = found(texts(tmp_path / "t.csv", rows), tmp_path)

    assert any("words of the validation and test texts are unknown" in s for s in said["unknown"])
    assert "`data.unit: characters`" in said["unknown"][-1]


def test_unknown_words_are_counted(tmp_path: Path) -> None:
    """Words that no training text has are counted; texts with spaces are offered nothing."""
    source = texts(tmp_path / "t.csv", [f"{s} only{n}" for n, s in enumerate(sentences(30))])

    said = found(source, tmp_path)["unknown"]
    assert len(said) == 1
    assert said[0].startswith("12 of 108 words of the validation and test texts are unknown (not")


def test_characters_are_coded_where_asked(tmp_path: Path) -> None:
    """With `unit: characters` each character has a code, and `length` counts characters."""
    source = texts(tmp_path / "t.csv", CHINESE, unit="characters", length=7)

    said = found(source, tmp_path)

    facts, train = read_facts(tmp_path / "prepared"), read_split(tmp_path / "prepared", "train")
    levels = facts["columns"][0]["levels"]
    first = "".join(levels[code - 2] for code in train.x[0])
    assert train.x.shape == (18, 7)
    assert any(text.startswith(first) for text in CHINESE)
    assert said["cut"] == [
        "30 of 30 texts are longer than 7 characters and are cut: raise `data.length`"
    ]


def test_a_model_of_characters_takes_texts_as_they_are(tmp_path: Path) -> None:
    """The saved model's look-up gives the codes that it was trained on."""
    import keras  # noqa: PLC0415 - seconds that the other tests spare

    prepare(
        texts(tmp_path / "t.csv", CHINESE, unit="characters"), DATA, "classes", 0, tmp_path / "p"
    )
    facts = read_facts(tmp_path / "p")
    inputs = keras.Input(tuple(facts["input_shape"]))
    model = RawRows(keras.Model(inputs, inputs), facts["columns"])

    codes = model.encode(CHINESE)

    stored = np.concatenate(
        [read_split(tmp_path / "p", n).x for n in ("train", "validation", "test")]
    )
    assert sorted(codes.tolist()) == sorted(stored.tolist())


def test_texts_without_a_word_are_empty(tmp_path: Path) -> None:
    """Punctuation alone is no word."""
    said = found(texts(tmp_path / "t.csv", [*sentences(28), "...", "?!"]), tmp_path)

    assert said["empty"] == ["2 of 30 texts hold no word"]


def labelled(x: Any) -> Source:
    return {"x": x, "y": np.arange(len(x)) % 2}


def test_images_of_one_colour_and_silent_sounds_are_constant(tmp_path: Path) -> None:
    """Rows that hold nothing are counted, of whatever split."""
    images = RANDOM.integers(0, 255, (30, 4, 4, 1), dtype=np.uint8)
    images[::10] = 255
    sounds = RANDOM.integers(-9999, 9999, (30, 50), dtype=np.int16)
    sounds[::6] = np.arange(50) % 2
    sequences = RANDOM.normal(size=(30, 5, 2))
    sequences[0] = 0

    assert found(labelled(images), tmp_path)["constant"] == ["3 of 30 images are of one colour"]
    sound = prepare(labelled(sounds), sections.data(normalize=False), "classes", 0, tmp_path / "s")
    assert str(read_report(sound).findings[0]) == "5 of 30 sounds are silent"
    assert found(labelled(sequences), tmp_path)["constant"] == [
        "1 of 30 rows hold one value throughout"
    ]


def test_features_that_are_the_same_in_every_row_are_named(tmp_path: Path) -> None:
    """An array's constant features are named by their number, five at most."""
    x = RANDOM.normal(size=(30, 10))
    x[:, 2:9] = 7

    said = found(labelled(x), tmp_path)["constant"]
    assert len(said) == 1
    assert said[0].startswith(
        "7 of 10 features are the same in every training row: 2, 3, 4, 5, 6, and 2 more"
    )


def test_a_table_is_reported_whole(tmp_path: Path) -> None:
    """Columns that are left out, rows without a value and equal rows stand in the record."""
    x = pd.DataFrame({"a": RANDOM.integers(0, 3, 60) * 1.0, "web": "x"}, index=range(60))
    x.loc[:4, "a"] = np.nan
    x["b"] = x["a"]

    said = found({"x": x, "y": np.arange(60) % 2}, tmp_path)

    assert said["skipped"] == ["1 of 3 columns are left out: web (it is constant (x))"]
    assert said["empty"] == ["5 of 60 rows have no value in any column"]
    assert said["equal"][0].startswith("32 of 36 train rows are equal to an earlier one")


@pytest.mark.parametrize("count", [8, 500])
def test_very_many_columns_that_are_left_out_stand_in_one_line(tmp_path: Path, count: int) -> None:
    """A few have a note each; of many the first are named and the others counted."""
    x = pd.DataFrame(
        {"a": RANDOM.normal(size=60)} | {f"c{n}": "x" for n in range(count)}, range(60)
    )

    facts = prepare({"x": x, "y": np.arange(60) % 2}, DATA, "classes", 0, tmp_path / "prepared")

    said = summary(facts)
    notes = [line for line in said.splitlines() if line.startswith("note: ")]
    assert len(notes) == (8 if count == 8 else 1)
    assert "'c0'" in notes[0]
    assert len(said) < 3000
    assert ("500 of 501 columns are left out: 'c0' (it is constant (x)), " in said) == (count > 8)
    columns = json.loads((tmp_path / "prepared" / "dataset.json").read_text())["columns"]
    assert [column["name"] for column in columns if column["kind"] == "drop"] == [*x][1:]


def test_notes_on_very_many_columns_are_cut_short(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table and a file of features say the same of a few columns alone."""
    names = [f"c{n}" for n in range(300)]
    frame = pd.DataFrame({name: ["?", *range(59)] for name in names})
    frame.insert(0, "id", range(60))
    frame.to_csv(tmp_path / "t.csv", index=False)

    csv(path=str(tmp_path / "t.csv"), target="c0", types={"c0": "number"})
    features(frame.astype("str"), "t.csv")

    said = capsys.readouterr().out
    assert len(said.splitlines()) == 2 * 9
    assert said.count("292 more such notes are left out") == 2


def test_categories_that_training_has_not_are_counted(tmp_path: Path) -> None:
    """Values of held-out rows alone are counted; missing ones and those of training are not."""
    x = pd.DataFrame({"city": [*"abc"] * 20, "a": RANDOM.normal(size=60)})
    x.loc[[0, 1], "city"] = None
    source: Source = {"x": x, "y": np.arange(60) % 2, "is_test": np.arange(60) >= 50}
    x.loc[56:, "city"] = "new"

    assert found(source, tmp_path)["unknown"] == [
        "4 of 20 validation and test rows have a city that training has not seen"
    ]


def test_numbers_that_become_equal_are_named(tmp_path: Path) -> None:
    """Numbers that differ by less than 32 bits can hold are all the same once they are coded."""
    x = pd.DataFrame({"a": RANDOM.normal(size=60), "t": 1e9 + RANDOM.random(60)})

    assert found({"x": x, "y": np.arange(60) % 2}, tmp_path)["constant"] == [
        "1 of 2 features are the same in every training row: t"
    ]


def test_the_report_leaves_the_rows_as_they_are(tmp_path: Path) -> None:
    """Looking at rows changes no byte of them, and equal input gives an equal report."""
    x = RANDOM.normal(size=(30, 3)).astype(np.float32)
    facts = [prepare(labelled(x), DATA, "classes", 0, tmp_path / n) for n in ("a", "b")]

    assert facts[0] == facts[1]
    assert np.isin(read_split(tmp_path / "a", "train").x, x).all()


def test_the_screen_has_a_line_for_each_kind() -> None:
    """However much is found, the screen has at most 12 lines, and no note is said twice."""
    kinds = get_args(Kind)
    findings = [Finding(kind, n, 9, f"{kind} {n}", n == 8) for kind in kinds for n in range(9)]
    lines = DataReport({}, {f"c\n{n}": n for n in range(99)}, findings).lines()

    assert len("\n".join(lines).splitlines()) == 1 + len(kinds) <= 12
    assert lines[0].endswith("c 7 7, and 91 more")
    assert not any("8 of 9" in line for line in lines)
    assert all("and 3 more" in line for line in lines[1:])


def test_preprocess_ends_with_the_report(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The screen has the classes by name; dataset.json has all of it."""
    Path("params.yaml").write_text(json.dumps({"path": "data/raw", "data": "iris"}))
    compose()
    preprocess()

    last = capsys.readouterr().out.splitlines()[-3:]
    facts = read_facts(Path("data/prepared"))
    assert last[0] == "data report (whole in data/prepared/dataset.json):"
    assert last[1] == "  classes: setosa 50, versicolor 50, virginica 50"
    assert last[2].startswith("  equal: 1 of ")
    assert asdict(read_report(facts)) == facts["report"]
