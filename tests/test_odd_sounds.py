"""Sounds as people store them: other samples, broken heads, and what a prediction takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_odd_folders import HALF, RATE, SOUNDS, classes, sound

from truefit.datasets.audio import audio_folder
from truefit.datasets.rows import read_rows


@pytest.mark.parametrize("kind", ["int16", "int32", "int64", "float32", "float64", "uint8"])
def test_a_sound_is_the_same_however_its_samples_are_stored(tmp_path: Path, kind: str) -> None:
    """Half of the full scale is 16384, of 8 bits as of 64."""
    dtype = np.dtype(kind)
    scale = 1.0 if dtype.kind == "f" else 2.0 ** (8 * dtype.itemsize - 1)
    shift = scale if dtype.kind == "u" else 0.0
    sound(tmp_path / "x.wav", (np.resize([0.5, -0.5], RATE) * scale + shift).astype(dtype))

    assert read_rows(tmp_path / "x.wav", SOUNDS)[0][:2].tolist() == [16384, -16384]


def test_floats_that_count_to_32768_are_refused(tmp_path: Path) -> None:
    """Cut off at 1 they would all be square waves."""
    sound(tmp_path / "x.wav", (HALF * 2**15).astype(np.float32))

    with pytest.raises(ValueError, match="from -1 to 1"):
        read_rows(tmp_path / "x.wav", SOUNDS)


def test_floats_that_are_clipped_are_said(tmp_path: Path) -> None:
    """A recording of floats may be louder than 1; full scale itself loses nothing."""
    for name, peak in (("a/0", 3.0), ("a/1", 2.0), ("b/0", 1.0)):
        sound(tmp_path / f"{name}.wav", (peak * 2 * HALF / np.abs(2 * HALF).max()).astype("f4"))

    findings = audio_folder(path=str(tmp_path), rate=RATE, pattern=None)["findings"]

    [finding] = findings
    assert str(finding).startswith("2 of 3 recordings of floats go beyond -1 to 1")


def test_a_broken_head_of_a_sound_names_the_file(tmp_path: Path) -> None:
    """Bits a sample that no type has are no traceback."""
    sound(tmp_path / "x.wav", HALF.astype(np.float32))
    content = bytearray((tmp_path / "x.wav").read_bytes())
    content[content.index(b"fmt ") + 22] = 127
    (tmp_path / "x.wav").write_bytes(bytes(content))

    with pytest.raises(ValueError, match=r"x\.wav: .*ffmpeg"):
        read_rows(tmp_path / "x.wav", SOUNDS)


def test_all_broken_sounds_are_named_at_once(tmp_path: Path) -> None:
    """A broken one, an empty one and one of another rate, to learn from and to predict."""
    classes(tmp_path)
    sound(tmp_path / "a" / "fast.wav", HALF.astype(np.float32), 2 * RATE)
    sound(tmp_path / "a" / "empty.wav", HALF[:0].astype(np.float32))
    (tmp_path / "b" / "broken.wav").write_bytes(b"RIFF")

    for read in (lambda: audio_folder(path=str(tmp_path), rate=RATE, pattern=None),
                 lambda: read_rows(tmp_path, SOUNDS)):  # fmt: skip
        with pytest.raises(ValueError, match=r"(?s)3 of 5 .*empty\.wav.*fast\.wav.*broken\.wav"):
            read()


def test_sounds_are_predicted_as_they_are_learned_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file and a folder give the rows of training: the mean of channels, padded or cut."""
    for name, length in (("a/0", 50), ("b/1", 250)):
        samples = (np.resize(HALF, (length, 2)) * 2**15).astype(np.int16)
        sound(tmp_path / f"{name}.wav", samples)
    (tmp_path / "notes.txt").write_text("x")
    learned = audio_folder(path=str(tmp_path), rate=RATE, pattern=None)["x"]

    rows = read_rows(tmp_path, SOUNDS)
    one = read_rows(tmp_path / "b" / "1.wav", SOUNDS)

    assert np.array_equal(rows, learned)
    assert np.array_equal(one, learned[1:])
    said = capsys.readouterr().err
    assert "1 .txt" in said
    assert "1 of 2 recordings are longer than 1 s and are cut" in said
