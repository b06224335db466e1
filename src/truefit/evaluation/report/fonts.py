"""Names in any script on pictures: by an installed font that has the glyphs, or as codes."""

from __future__ import annotations

import functools
import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib.figure import Figure
from matplotlib.font_manager import FontEntry, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, ScalarFormatter

MISSING = re.compile(r"Glyph (\d+) \(")  # how matplotlib's warning begins
EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "IDEOGRAPHIC"}
REGULAR = 400
LONGEST_NAME, LONGEST_LINE = 40, 50  # characters: beside an axis; of a legend or a title


@contextmanager
def lacking() -> Iterator[set[str]]:
    """Gather the characters that no font in use has, in place of a warning for each of them."""
    characters: set[str] = set()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield characters
    for one in caught:
        if found := MISSING.match(str(one.message)):
            characters.add(chr(int(found[1])))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def fonts_for(characters: frozenset[str]) -> list[str]:
    """The names of installed fonts that have these characters, as few as it takes."""
    wanted, names = {ord(one) for one in characters}, []
    for font in _installed():
        if wanted and (has := wanted & set(get_font(font.fname).get_charmap())):
            wanted -= has
            names.append(font.name)
    return names


def write_code_points(figure: Figure, characters: set[str]) -> None:
    """Write `U+597D` in place of each of the characters, so that names stay different."""
    codes = str.maketrans({one: f" U+{ord(one):04X} " for one in characters})

    def written(text: str) -> str:
        return text.translate(codes).replace("  ", " ").strip(" ") if characters & {*text} else text

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if characters & {*"".join(labels)}:
                axis.set_ticks(axis.get_ticklocs(), [written(text) for text in labels])
    for artist in figure.findobj(Text):
        if isinstance(artist, Text):
            artist.set_text(written(artist.get_text()))


def shorten_names(figure: Figure) -> None:
    """Keep the beginning and the end of a name that would leave no room for the picture."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if isinstance(axis.get_major_formatter(), ScalarFormatter | LogFormatter):
                continue  # numbers
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if any(len(text) > LONGEST_NAME for text in labels):
                short = [_ends(text, LONGEST_NAME) for text in labels]
                axis.set_ticks(axis.get_ticklocs(), short)
        legend = axes.get_legend()
        for text in legend.get_texts() if legend else []:
            text.set_text(_ends(text.get_text(), LONGEST_LINE))
        for text in (axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label):  # type: ignore[attr-defined]  # noqa: SLF001
            lines = text.get_text().split("\n")
            text.set_text("\n".join(_ends(line, LONGEST_LINE) for line in lines))


def _ends(text: str, longest: int) -> str:
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[: longest - 3 - half]}...{text[-half:]}"


@functools.cache
def say_missing(script: str) -> None:
    """Name, once, the font that is not there."""
    print(
        f"note: no installed font has the characters of {script}, so pictures show their code "
        f"points (U+597D); install {_font_of(script)}, then `dvc repro --force evaluate`"
    )


def scripts(characters: set[str]) -> set[str]:
    """The scripts of the characters as Unicode names them: `CJK`, `THAI`."""
    words = {unicodedata.name(one, "UNNAMED").split()[0] for one in characters}
    return {"CJK" if word in EAST_ASIAN else word for word in words}


def _font_of(script: str) -> str:
    if script == "CJK":
        return "one, such as Noto Sans CJK (`apt-get install fonts-noto-cjk`)"
    return f"one, such as Noto Sans {script.title()} (`apt-get install fonts-noto-core`)"


def _installed() -> list[FontEntry]:
    """Upright fonts of usual weight, those without serifs first; not the one that draws boxes."""
    upright = [f for f in fontManager.ttflist if f.style == "normal" and f.weight == REGULAR]
    real = [font for font in upright if not font.name.startswith("Last Resort")]
    return sorted(real, key=lambda font: ("Sans" not in font.name, font.name, font.fname))
