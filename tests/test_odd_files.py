"""Files that are odd, broken or made to harm: one sentence, and nothing read that is too large."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sections
from markdown_it import MarkdownIt

from truefit.core.errors import CONTROL, UserError
from truefit.core.files import write_text
from truefit.datasets.npz import npz
from truefit.datasets.rows import read_rows
from truefit.evaluation.report.page import _template
from truefit.serving.predict import _read

CONFIG = sections.config()


def header(shape: tuple[int, ...]) -> bytes:
    """The head of an .npy file of float64 that claims a shape, and has no values."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape!r}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")  # NumPy's own, of 2**80
@pytest.mark.parametrize("shape", [(1_500_000_000_000,), (2**40, 2**40), (-1, 3), (10,)])
def test_an_array_that_claims_too_much_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A head that says 10.9 TiB is a message, from rows to predict and from a source."""
    (tmp_path / "x.npy").write_bytes(header(shape))
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as stored:
        stored.writestr("x.npy", header(shape))

    for name in ("x.npy", "rows.npz"):
        with pytest.raises(ValueError, match="cannot be read"):
            read_rows(tmp_path / name, {})
    with pytest.raises(ValueError, match=r"cannot be read as \.npz"):
        npz(path=str(tmp_path / "rows.npz"))
    (tmp_path / "rows.npz").unlink()
    with pytest.raises(ValueError, match="cannot be mapped"):
        npz(path=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("config.json", "config.json, which lists the layers"), ("assets/words.txt", "it unpacks to")],
)
def test_a_model_is_not_unpacked_beyond_reason(tmp_path: Path, name: str, expected: str) -> None:
    """A small file that holds hundreds of MiB is refused before it is read."""
    file = tmp_path / "model.keras"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as stored:
        stored.writestr("metadata.json", "{}")
        with stored.open(name, "w") as member:
            for _ in range(100):
                member.write(bytes(2**20))

    with pytest.raises(UserError, match=f"cannot be loaded in safe mode: .*{expected}"):
        _read(CONFIG, file, [])


def zipped(**members: str) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as stored:
        for name, text in members.items():
            stored.writestr(name.replace("__", "."), text)
    return kept.getvalue()


ADAM = '{"class_name": "Adam", "module": "keras.optimizers", "config": {}}'
LAYERS = {"metadata__json": "{}", "config__json": "{}", "model__weights__h5": "no numbers"}
MODELS: dict[str, tuple[bytes | None, str]] = {
    "a folder": (None, "received a folder"),
    "nothing": (b"", "received an empty one"),
    "a text": (b"hello", "is a zip archive; this is none"),
    "half a zip": (zipped(**LAYERS)[:200], "is a zip archive; this is none"),
    "damaged": (zipped(**LAYERS).replace(b"no numbers", b"no Numbers"), "it is damaged"),
    "another zip": (zipped(a__txt="x"), "it has none"),
    "no JSON": (zipped(**LAYERS | {"config__json": "{"}), "Expecting property name"),
    "a list": (zipped(**LAYERS | {"config__json": "[]"}), "list"),
    "no weights": (zipped(metadata__json="{}", config__json=ADAM), "model.weights"),
    "an optimizer": (zipped(**LAYERS | {"config__json": ADAM}), ""),
}


@pytest.mark.parametrize("kind", MODELS)
def test_an_odd_model_file_is_one_sentence(tmp_path: Path, kind: str) -> None:
    """Whatever lies under a model's name is refused by one line that says what it is."""
    content, expected = MODELS[kind]
    file = tmp_path / "model.keras"
    file.mkdir() if content is None else file.write_bytes(content)

    with pytest.raises(UserError, match="cannot be loaded in safe mode") as refused:
        _read(CONFIG, file, [])

    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "File not found" not in str(refused.value)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o027])
def test_a_written_file_follows_the_umask(tmp_path: Path, umask: int) -> None:
    """Who may read resolved.yaml and the rest is the user's to say."""
    before = os.umask(umask)
    try:
        write_text(tmp_path / "resolved.yaml", "a: 1\n")
        write_text(tmp_path / "resolved.yaml", "a: 2\n")
    finally:
        os.umask(before)

    assert (tmp_path / "resolved.yaml").stat().st_mode & 0o777 == 0o666 & ~umask
    assert [file.name for file in tmp_path.iterdir()] == ["resolved.yaml"]


HOSTILE = "a|b`c``*d*_e_<script>alert(1)</script>[x](http://y)\n# head\n| z |"


def card(name: str) -> str:
    split = {"rows": 10, "digest": "ab"}
    scores = {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    values: dict[str, Any] = {
        "model": name, "data": name, "task": "regression", "confidence": "95%", "params": {},
        "headline": "accuracy",
        "run": SimpleNamespace(
            result=SimpleNamespace(parameters=3), reason="", repeat="    dvc repro"
        ),
        "facts": {
            "target": {"name": name}, "digest": "abcd", "splits": dict.fromkeys(
                ("train", "validation", "test"), split
            ),
        },
        "splits": ("train", "validation", "test"), "scores": ["accuracy"],
        "metrics": {
            "yardsticks": [{"name": name, "rows": 3, "scores": {"test": {"accuracy": 0.4}}}],
            "same_loss": True,
            "train": scores, "validation": scores, "test": scores, "verdict": "good",
            "gap": 0.1, "gap_low": 0.0, "gap_high": 0.2,
        },
        "verdict": {"evidence": name},
        "looks": 1, "leaks": SimpleNamespace(shared={}),
        "drift": [{"p": 0.0, "split": "test", "feature": name, "distance": 0.5}],
        "left_out": [{"name": name, "why": name}], "lineage": {"commit": name},
    }  # fmt: skip
    return str(_template("model_card.md.j2").render(**values))


def test_names_of_data_are_text_in_a_model_card() -> None:
    """No cell, link, heading or element comes of the names of columns, targets and files."""
    reader = MarkdownIt("commonmark").enable("table")
    tokens, plain = (reader.parse(card(name)) for name in (HOSTILE, "plain"))
    inner = [child.type for token in tokens for child in token.children or ()]

    assert [token.type for token in tokens] == [token.type for token in plain]
    assert not {"html_inline", "link_open", "image", "em_open"} & set(inner)
    shown = reader.render(card(HOSTILE))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script" not in shown
    assert shown.count("a|b`c``*d*_e_") == shown.count("# head") == card("NAME").count("NAME")


def test_a_model_card_moves_no_cursor() -> None:
    """A name of the data may hold signs that a terminal obeys: the card has none of them."""
    assert not CONTROL.search(card("a\x1b[31mb\u202ec"))
