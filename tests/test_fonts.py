from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from truefit.evaluation.report import fonts
from truefit.evaluation.report.plots import listing, save

NAMES = ["好评", "差评"]


def bars(figure: Figure, names: list[str]) -> None:
    figure.subplots().bar(names, range(1, len(names) + 1))
    figure.suptitle(names[0])


@pytest.fixture(autouse=True)
def few_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the fonts that come with matplotlib, and nothing said yet."""
    own = str(Path(mpl.get_data_path()))
    kept = [font for font in font_manager.fontManager.ttflist if font.fname.startswith(own)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", kept)
    found: Any = font_manager.fontManager
    found._findfont_cached.cache_clear()
    fonts.say_missing.cache_clear()
    yield
    found._findfont_cached.cache_clear()


def squares(file: Path, characters: str) -> None:
    """A font in which each of the characters is a black square."""
    pen = TTGlyphPen(None)
    for step, corner in enumerate([(0, 0), (0, 900), (900, 900), (900, 0)]):
        (pen.lineTo if step else pen.moveTo)(corner)
    pen.closePath()
    square = pen.glyph()
    names = [".notdef", *(f"uni{ord(c):04X}" for c in characters)]
    made = FontBuilder(1000, isTTF=True)
    made.setupGlyphOrder(names)
    made.setupCharacterMap({ord(c): f"uni{ord(c):04X}" for c in characters})
    made.setupGlyf(dict.fromkeys(names, square))
    made.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    made.setupHorizontalHeader(ascent=900, descent=-100)
    made.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    made.setupOS2(usWeightClass=400)
    made.setupPost()
    made.save(file)


def test_names_are_drawn_by_an_installed_font(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A font that has what the usual one lacks is used, without a word and without a warning."""
    squares(tmp_path / "squares.ttf", "好差评")
    font_manager.fontManager.addfont(tmp_path / "squares.ttf")

    save(tmp_path / "a.png", bars, NAMES)
    save(tmp_path / "b.png", bars, NAMES[::-1])
    save(tmp_path / "listing.png", listing, NAMES, "texts", wide=True)

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert capsys.readouterr().out == ""


def test_a_missing_font_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without such a font code points are written in place of boxes, and the font is named."""
    drawn: list[Figure] = []

    def paint(figure: Figure, names: list[str]) -> None:
        bars(figure, names)
        drawn.append(figure)

    save(tmp_path / "a.png", paint, NAMES)
    save(tmp_path / "b.png", listing, NAMES, "texts", wide=True)

    labels = [label.get_text() for label in drawn[-1].axes[0].get_xticklabels()]
    said = capsys.readouterr().out
    assert labels == ["U+597D U+8BC4", "U+5DEE U+8BC4"]
    assert said.count("note: no installed font has the characters of CJK") == 1
    assert "fonts-noto-cjk" in said


def test_other_warnings_stay(tmp_path: Path) -> None:
    """Only the warnings about glyphs are taken care of."""

    def paint(figure: Figure) -> None:
        figure.subplots()
        warnings.warn("mind the gap", UserWarning, stacklevel=1)

    with pytest.warns(UserWarning, match="mind the gap"):
        save(tmp_path / "a.png", paint)


def test_plain_names_are_drawn_once(tmp_path: Path) -> None:
    """The same numbers give the same bytes, and nothing is drawn twice for names in Latin."""
    calls = []

    def paint(figure: Figure) -> None:
        calls.append(figure)
        bars(figure, ["good", "bad"])

    for name in "ab":
        save(tmp_path / f"{name}.png", paint)

    assert len(calls) == 2
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_name_of_any_length_leaves_room_for_the_picture(tmp_path: Path) -> None:
    """Its two ends are drawn, without a warning; a name of usual length is drawn as it is."""
    drawn: list[Figure] = []

    def paint(figure: Figure, names: list[str]) -> None:
        axes = figure.subplots()
        for place, name in enumerate(names):
            axes.barh(place, 1, label=name)
        axes.set(title=names[0], xlabel=names[0])
        axes.set_yticks(range(len(names)), names)
        axes.legend()
        drawn.append(figure)

    save(tmp_path / "long.png", paint, [f"{'x' * 300}{end}" for end in "ab"])
    save(tmp_path / "usual.png", paint, ["Iris setosa", "Iris virginica"])

    long, usual = ([text.get_text() for text in one.axes[0].get_yticklabels()] for one in drawn)
    assert [text[-4:] for text in long] == ["xxxa", "xxxb"]
    assert all(len(text) <= 40 for text in long)
    assert usual == ["Iris setosa", "Iris virginica"]
