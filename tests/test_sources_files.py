from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.format import open_memmap
from PIL import Image
from scipy.io import wavfile

from truefit.datasets.audio import audio_folder
from truefit.datasets.images import Images, image_folder
from truefit.datasets.npz import Joined, npz


def photos(folder: Path, count: int = 4) -> np.ndarray:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (2 * count, 8, 6, 3), dtype=np.uint8)
    for number, picture in enumerate(pixels):
        file = folder / "ab"[number // count] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    return pixels


def test_images_are_rows_of_pixels(tmp_path: Path) -> None:
    """A number, a slice and an array of numbers give the images that were stored."""
    pixels = photos(tmp_path)

    x = image_folder(path=str(tmp_path), size=[8, 6])["x"]

    assert (x.shape, x.dtype, len(x)) == (pixels.shape, pixels.dtype, len(pixels))
    assert (x[np.array([5, 0])] == pixels[[5, 0]]).all()
    assert (x[2:4] == pixels[2:4]).all()
    assert (x[7] == pixels[7]).all()


def test_no_image_is_decoded_before_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the folder decodes nothing, and a row decodes itself alone."""
    photos(tmp_path)
    decoded: list[str] = []
    decode = Images._decode

    def watch(self: Images, file: Path) -> np.ndarray:
        decoded.append(file.name)
        return decode(self, file)

    monkeypatch.setattr(Images, "_decode", watch)
    x = image_folder(path=str(tmp_path), size=[4, 4])["x"]
    before = list(decoded)
    x[np.array([6])]

    assert before == []
    assert decoded == ["6.png"]


def test_an_image_that_ends_too_early_is_named(tmp_path: Path) -> None:
    """What the first look cannot see is refused by name when the image is decoded."""
    photos(tmp_path)
    file = tmp_path / "a" / "x.jpg"
    Image.effect_noise((64, 64), 50).convert("RGB").save(file)
    file.write_bytes(file.read_bytes()[:900])
    x = image_folder(path=str(tmp_path), size=[4, 4])["x"]

    with pytest.raises(ValueError, match=r"a/x.jpg cannot be decoded"):
        x[:5]

    assert x[5:].shape == (4, 4, 4, 3)


def test_all_broken_images_are_named(tmp_path: Path) -> None:
    """One message has every file that does not open or has more than 8 bits."""
    photos(tmp_path)
    (tmp_path / "a" / "0.png").write_bytes(b"no image")
    Image.new("I;16", (4, 4)).save(tmp_path / "b" / "5.png")

    with pytest.raises(ValueError, match=r"2 of 8 images(.|\n)*a/0.png(.|\n)*b/5.png: mode I"):
        image_folder(path=str(tmp_path), size=[4, 4])


def test_arrays_in_a_folder_are_mapped(tmp_path: Path) -> None:
    """Only the rows asked for are read of arrays that are far larger."""
    for part, rows in (("train", 200_000), ("test", 100_000)):
        open_memmap(tmp_path / f"x_{part}.npy", "w+", np.float32, (rows, 1000)).flush()  # sparse
        np.save(tmp_path / f"y_{part}.npy", np.arange(rows) % 3)
    tracemalloc.start()

    source = npz(path=str(tmp_path))
    chosen = source["x"][np.array([0, 199_999, 200_000, 299_999])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert chosen.shape == (4, 1000)
    assert source["x"].shape == (300_000, 1000)
    assert source["is_test"].sum() == 100_000
    assert peak < 50e6


@pytest.mark.parametrize("rows", [np.array([4, 0, 6, 2]), slice(2, 5), slice(None, None, -2), 5])
def test_joined_arrays_are_as_concatenated(rows: Any) -> None:
    """Rows of two arrays are those of one, in the order that is asked for, without a copy."""
    first, second = np.arange(12.0).reshape(4, 3), -np.arange(9.0).reshape(3, 3)
    joined = Joined(first, second)

    assert (joined[rows] == np.concatenate([first, second])[rows]).all()
    assert joined.parts[0] is first


def test_only_grey_images_get_a_channel(tmp_path: Path) -> None:
    """Three axes of uint8 are images; of floats they are sequences and stay."""
    shapes = {}
    for dtype in (np.uint8, np.float32):
        np.savez(tmp_path / "a.npz", x=np.zeros((5, 4, 3), dtype), y=np.arange(5))
        shapes[dtype] = npz(path=str(tmp_path / "a.npz"))["x"].shape

    assert shapes == {np.uint8: (5, 4, 3, 1), np.float32: (5, 4, 3)}


def test_targets_may_be_several_or_none(tmp_path: Path) -> None:
    """`y` of 0/1 columns is several labels; without `y` there are rows alone."""
    labels = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=labels)
    np.savez(tmp_path / "b.npz", x=np.zeros((3, 2)))

    assert (npz(path=str(tmp_path / "a.npz"))["y"] == labels).all()
    assert "y" not in npz(path=str(tmp_path / "b.npz"))


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": np.zeros((3, 2)), "y": np.eye(3)}, "argmax"),
        ({"x": np.zeros((3, 2)), "y": np.full((3, 2), 0.5)}, "columns of 0 and 1"),
        ({"x": np.array([{}, {}])}, "without pickle"),
        ({"y": np.zeros(3)}, "received y"),
        ({"x_train": np.zeros(3), "x_test": np.zeros(2), "y_test": np.zeros(2)}, "both y_train"),
    ],
)
def test_faulty_arrays_in_a_folder_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], expected: str
) -> None:
    """Mapped arrays are held to the same rules as those of one file; no pickle is loaded."""
    for name, values in arrays.items():
        np.save(tmp_path / f"{name}.npy", values, allow_pickle=True)

    with pytest.raises(ValueError, match=expected):
        npz(path=str(tmp_path))


def test_a_folder_without_arrays_says_what_was_expected(tmp_path: Path) -> None:
    """Neither .npy nor one .npz: the message names both ways."""
    with pytest.raises(ValueError, match=r"expected x.npy and y.npy .* or one .npz"):
        npz(path=str(tmp_path))


def sounds(folder: Path, names: list[str], samples: np.ndarray, rate: int = 100) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        wavfile.write(folder / f"{name}.wav", rate, samples)
    return str(folder)


RAMP = np.arange(-60, 60, dtype=np.int16) * 256


@pytest.mark.parametrize("dtype", ["int16", "uint8", "int32", "float32", "stereo"])
def test_recordings_come_back_as_written(tmp_path: Path, dtype: str) -> None:
    """Whatever the file's samples are, the row has them as int16, the rest of it silence."""
    written: dict[str, np.ndarray] = {
        "int16": RAMP,
        "uint8": (RAMP // 256 + 128).astype(np.uint8),
        "int32": RAMP.astype(np.int32) * 65536,
        "float32": RAMP.astype(np.float32) / 32768,
        "stereo": np.stack([RAMP - 10, RAMP + 10], axis=1),
    }
    path = sounds(tmp_path, ["yes_ann_0"], written[dtype])

    x = audio_folder(path=path, rate=100, seconds=1.5)["x"]

    assert (x.shape, x.dtype) == ((1, 150), np.int16)
    assert (x[0, :120] == RAMP).all()
    assert not x[0, 120:].any()


def test_names_of_recordings_say_label_and_keys(tmp_path: Path) -> None:
    """Fields of the pattern become the label and keys; digits alone are numbers."""
    path = sounds(tmp_path, ["yes_ann_3", "no_bob_12"], RAMP)

    source = audio_folder(path=path, rate=100)

    assert source["y"].tolist() == ["no", "yes"]
    assert source["keys"]["speaker"].tolist() == ["bob", "ann"]
    assert source["keys"]["take"].tolist() == [12, 3]


def test_without_a_pattern_folders_are_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first folder below `path` is the label; recordings too long are cut, and it is said."""
    for name in ("dog", "cat"):
        sounds(tmp_path / name / "more", ["1"], RAMP)

    source = audio_folder(path=str(tmp_path), rate=100, pattern=None, seconds=0.5)

    assert source["y"].tolist() == ["cat", "dog"]
    assert (source["x"] == RAMP[:50]).all()
    assert "2 of 2 recordings are longer than 0.5 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "options", "expected"),
    [
        ("rate", {}, r"a_b_1.wav: 50 samples a second, expected 100: resample .* `data.rate`"),
        ("empty", {}, r"1 of 2 (.|\n)*a_b_1.wav: it holds no sound"),
        ("cut", {}, r"a_b_1.wav: .*EOF"),
        ("garbage", {}, r"a_b_1.wav: "),
        ("nan", {}, r"a_b_1.wav: it holds NaN"),
        ("strange", {}, r"1 of 2 names do not match '{label}_{speaker}_{take}'(.|\n)*noise.wav"),
        ("none", {}, r"expected .wav files, found 1 .mp3"),
        ("no folder", {}, r"expected a folder with .wav files"),
        ("loose", {"pattern": None}, r"2 of 2 recordings lie in no class folder"),
        ("", {"pattern": "{speaker}_{take}"}, r"data.pattern: expected {label}"),
        ("", {"pattern": "{label}{take}"}, r"something between them"),
        ("", {"pattern": "{label"}, r"data.pattern: .* cannot be read"),
    ],
)
def test_faulty_recordings_are_named(
    tmp_path: Path, fault: str, options: dict[str, Any], expected: str
) -> None:
    """Each fault of a folder of recordings is one message with the files."""
    path = sounds(tmp_path / "s", ["a_b_1", "c_d_2"], RAMP)
    file = tmp_path / "s" / "a_b_1.wav"
    written: dict[str, tuple[int, np.ndarray]] = {
        "rate": (50, RAMP),
        "empty": (100, RAMP[:0]),
        "nan": (100, np.full(9, np.nan, np.float32)),
    }
    if fault in written:
        wavfile.write(file, *written[fault])
    elif fault in ("cut", "garbage"):
        file.write_bytes(file.read_bytes()[:100] if fault == "cut" else b"RIFF no sound")
    elif fault == "strange":
        file.rename(file.with_name("noise.wav"))
    elif fault in ("none", "no folder"):
        shutil.rmtree(path)
        if fault == "none":
            Path(path).mkdir()
            (Path(path) / "a.mp3").write_bytes(b"x")

    with pytest.raises(ValueError, match=expected):
        audio_folder(path=path, rate=100, **options)
