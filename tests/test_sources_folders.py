from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sections
from PIL import Image, ImageDraw
from scipy.io import wavfile

from truefit.datasets.audio import audio_folder
from truefit.datasets.checks import Source
from truefit.datasets.images import image_folder
from truefit.datasets.prepare import prepare
from truefit.datasets.rows import read_rows
from truefit.datasets.text import text

DATA = sections.data(validation=0.25, test=0.25)
RATE = 100
HIGH = (8000 * np.sin(np.arange(RATE))).astype(np.int16)


def image(file: Path, shade: int = 0, mode: str = "RGB", **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), shade).convert(mode).save(file, **options)


def sound(file: Path, samples: np.ndarray = HIGH) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(file, RATE, samples)


def said(source: Source) -> list[str]:
    return [f"{finding.kind}: {finding}" for finding in source["findings"]]


@pytest.mark.parametrize("ending", ["jfif", "JPE", "webp", "jp2", "ppm", "tga", "avif", "ico"])
def test_images_of_every_usual_ending_are_read(tmp_path: Path, ending: str) -> None:
    """What Pillow reads is an image, whatever the ending of its kind is."""
    image(tmp_path / "a" / "0.png", 255)
    kind = {"format": "JPEG"} if ending in ("jfif", "JPE") else {}
    image(tmp_path / "b" / f"0.{ending}", 255, **kind)

    source = image_folder(path=str(tmp_path), size=[4, 4])

    assert source["y"].tolist() == ["a", "b"]
    assert source["x"][1].min() > 240
    assert source["findings"] == []


def test_files_that_are_left_out_are_counted_by_their_ending(tmp_path: Path) -> None:
    """Neither a photo that nothing reads nor an image outside the classes is lost silently."""
    for name in ("a/0.png", "b/0.png", "loose.png"):
        image(tmp_path / name)
    for name in ("a/1.heic", "b/1.HEIC", "b/notes.txt", "b/raw", "a/.hidden"):
        (tmp_path / name).write_bytes(b"x")

    lines = said(image_folder(path=str(tmp_path), size=[4, 4]))

    assert lines[0].startswith("skipped: 4 of 7 files are left out: 2 .heic, 1 .txt, 1 without")
    assert lines[1].startswith("skipped: 1 of 3 images lie in no class folder")


def test_class_folders_without_a_file_are_named(tmp_path: Path) -> None:
    """A class whose folder is empty is not lost silently."""
    for name in ("a", "b"):
        image(tmp_path / name / "0.png")
        sound(tmp_path / name / "0.wav")
    (tmp_path / "c").mkdir()
    (tmp_path / ".cache").mkdir()

    images = said(image_folder(path=str(tmp_path), size=[4, 4]))
    sounds = said(audio_folder(path=str(tmp_path), rate=RATE, pattern=None))

    expected = "skipped: 1 of 3 folders hold no file, so they are no classes: c"
    assert images[1:] == sounds[1:] == [expected]


def test_sounds_and_texts_that_are_left_out_are_counted(tmp_path: Path) -> None:
    """A folder of recordings or texts says which files of other kinds it does not read."""
    for name in ("a_x_0.wav", "b_x_0.WAVE"):
        sound(tmp_path / "s" / name)
    for name in ("s/a_x_1.flac", "t/b.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "t" / "a.txt").write_text("abcdefgh" * 9)

    sounds = audio_folder(path=str(tmp_path / "s"), rate=RATE)
    texts = text(path=str(tmp_path / "t"), length=8)

    assert sounds["y"].tolist() == ["a", "b"]
    assert said(sounds)[0].startswith("skipped: 1 of 3 files are left out: 1 .flac; convert")
    assert said(texts)[0].startswith("skipped: 1 of 2 files are left out: 1 .md; save")


def test_images_to_be_predicted_are_not_left_out_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`truefit predict` on a folder says on stderr which files have no prediction."""
    image(tmp_path / "0.png")
    (tmp_path / "1.heic").write_bytes(b"x")

    rows = read_rows(tmp_path, {"_target_": "image_folder", "size": [4, 4], "channels": 3})

    assert len(rows) == 1
    assert "1 of 2 files are left out: 1 .heic" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["tif", "gif", "png", "webp"])
def test_further_pages_are_counted(tmp_path: Path, ending: str) -> None:
    """The first page or frame counts, and the report has how many images have more."""
    pages = [Image.new("L", (8, 8), shade) for shade in (0, 90, 180)]
    for name in "ab":
        image(tmp_path / name / "0.png")
        pages[0].save(tmp_path / name / f"1.{ending}", save_all=True, append_images=pages[1:])

    source = image_folder(path=str(tmp_path), size=[4, 4], channels=1)

    assert len(said(source)) == 1
    assert said(source)[0].startswith("skipped: 2 of 4 images have further pages or frames")
    assert source["x"][:].max() == 0


@pytest.mark.parametrize("layout", ["{split}/{label}/{n}", "{label}/{split}/{n}"])
def test_folders_named_like_splits_are_the_given_split(tmp_path: Path, layout: str) -> None:
    """train, val and test are no classes: their rows stay in the split that the folder says."""
    shades = {"train": 0, "val": 100, "Test_set": 200}
    for split, shade in shades.items():
        for number in range(3):
            for label in ("circle", "cross"):
                place = layout.format(split=split, label=label, n=number)
                image(tmp_path / "i" / f"{place}.png", shade)

    source = image_folder(path=str(tmp_path / "i"), size=[4, 4])
    facts = prepare(source, DATA, "classes", 0, tmp_path / "prepared")

    assert facts["target"]["classes"] == ["circle", "cross"]
    for name, shade in (("train", 0), ("validation", 100), ("test", 200)):
        pixels = np.load(tmp_path / "prepared" / name / "x.npy")
        assert (pixels.shape[0], pixels.min(), pixels.max()) == (6, shade, shade)


@pytest.mark.parametrize("missing", ["val", "test"])
def test_a_split_that_no_folder_gives_is_taken_from_training(tmp_path: Path, missing: str) -> None:
    """With train and one other folder the third split is a share of the training rows alone."""
    for split in {"train", "val", "test"} - {missing}:
        for number in range(8):
            for label in "ab":
                image(tmp_path / "i" / split / label / f"{number}.png", 9 * (split == "train"))

    source = image_folder(path=str(tmp_path / "i"), size=[4, 4])
    facts = prepare(source, DATA, "classes", 0, tmp_path / "prepared")

    taken = {"val": "validation"}.get(missing, missing)
    assert {name: split["rows"] for name, split in facts["splits"].items()} == {
        "train": 12,
        "validation": 16,
        "test": 16,
    } | {taken: 4}
    assert np.load(tmp_path / "prepared" / taken / "x.npy").min() == 9


@pytest.mark.parametrize("pattern", [None, "{label}_{take}"])
def test_sounds_in_folders_of_splits_are_split_so(tmp_path: Path, pattern: str | None) -> None:
    """Recordings have their class from a folder or their names, and the split from train, test."""
    for split in ("train", "valid", "test"):
        for label in "ab":
            inner = label if pattern is None else ""
            sound(tmp_path / split / inner / f"{label}_0.wav")

    source = audio_folder(path=str(tmp_path), rate=RATE, pattern=pattern)

    assert sorted(source["y"]) == [*"aaabbb"]
    assert (source["is_test"].sum(), source["is_validation"].sum()) == (2, 2)


@pytest.mark.parametrize("layout", ["{split}/1.txt", "wiki.{split}.txt"])
def test_texts_in_folders_of_splits_are_split_so(tmp_path: Path, layout: str) -> None:
    """Windows of running text lie in the split of their folder or file, and none spans two."""
    for split, letter in (("test", "c"), ("train", "a"), ("valid", "b")):
        file = tmp_path / "t" / layout.format(split=split)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(letter * 30)
    data = sections.data(normalize=False, validation=0.25, test=0.25, stratify=False, time=True)

    source = text(path=str(tmp_path / "t"), length=5)
    facts = prepare(source, data, "next", 0, tmp_path / "prepared")

    frame = source["x"]["text"]
    assert set(frame[source["is_test"]]) == {"cccccc"}
    assert set(frame[source["is_validation"]]) == {"bbbbbb"}
    assert [facts["splits"][n]["rows"] for n in ("train", "validation", "test")] == [5, 5, 5]
    assert facts["in_order"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train/0", "test/0"], r"named like splits(.|\n)*rename them(.|\n)*test/0.png"),
        (["train/a/0", "test/a/0", "more/a/0"], r"there is more too: move it"),
        (["val/a/0", "test/a/0"], r"none is for training"),
        (["shapes/a/0", "shapes/b/0"], r"its only folder is shapes, which holds a, b: set `path"),
    ],
)
def test_folders_that_may_mean_two_things_are_refused(
    tmp_path: Path, names: list[str], expected: str
) -> None:
    """Where folders are named like splits and are not laid out so, the message says what to do."""
    for name in names:
        image(tmp_path / f"{name}.png")

    with pytest.raises(ValueError, match=expected):
        image_folder(path=str(tmp_path), size=[4, 4])


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    """One class among others that is named like a split is a class."""
    for name in ("train/0", "bus/0", "car/1/0"):
        image(tmp_path / f"{name}.png")

    assert set(image_folder(path=str(tmp_path), size=[4, 4])["y"]) == {"train", "bus", "car"}


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_all_broken_files_are_named_at_once(tmp_path: Path, kind: str) -> None:
    """Ten files are named and the rest is counted, also where only decoding finds the fault."""
    for number in range(12):
        file = (
            tmp_path / "ab"[number % 2] / (f"{number}.jpg" if kind == "images" else f"{number}.txt")
        )
        file.parent.mkdir(exist_ok=True)
        if kind == "images":
            Image.effect_noise((64, 64), 50).convert("RGB").save(file)
            file.write_bytes(file.read_bytes()[:900])
        else:
            file.write_bytes(b"caf\xe9")

    def read() -> Any:
        if kind == "texts":
            return text(path=str(tmp_path))
        return image_folder(path=str(tmp_path), size=[4, 4])["x"][np.array([5])]

    with pytest.raises(ValueError, match=r"12 of 12 (.|\n)*a/0(.|\n)*and 2 more"):
        read()


def drawn(mode: str, file: Path) -> None:
    """A black line on transparent ground."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    ImageDraw.Draw(picture).line((0, 0, 7, 7), fill=(0, 0, 0, 255))
    picture.convert(mode).save(file)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_becomes_white(tmp_path: Path, mode: str, channels: Any) -> None:
    """What is drawn in black on transparent ground stays visible, and the report says so."""
    for label in "ab":
        drawn(mode, tmp_path / label / "0.png")

    source = image_folder(path=str(tmp_path), size=[8, 8], channels=channels)

    picture = source["x"][0][..., 0]
    assert (picture[0, 0], picture[0, 7]) == (0, 255)
    assert said(source) == ["changed: 2 of 2 images have transparency, which becomes white"]


def test_the_transparent_colour_of_a_palette_becomes_white(tmp_path: Path) -> None:
    """A GIF or PNG whose palette has a transparent entry is laid on white as well."""
    for label in "ab":
        file = tmp_path / label / "0.png"
        file.parent.mkdir()
        picture = Image.new("P", (4, 4), 0)
        picture.putpalette([0, 0, 0, 255, 0, 0])
        picture.putpixel((1, 1), 1)
        picture.save(file, transparency=0)

    pixels = image_folder(path=str(tmp_path), size=[4, 4])["x"][0]

    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [255, 0, 0]


def test_images_are_turned_and_their_colours_kept(tmp_path: Path) -> None:
    """EXIF says what is up, CMYK becomes RGB, 16 bits a channel of colour keep their high byte."""
    image(tmp_path / "b" / "0.png")
    file = tmp_path / "a" / "0.jpg"
    file.parent.mkdir()
    picture = Image.new("RGB", (32, 16), "white")
    picture.paste((255, 0, 0), (0, 0, 16, 16))  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise, the left is up
    picture.convert("CMYK").save(file, exif=exif, quality=100)

    pixels = image_folder(path=str(tmp_path), size=[32, 16])["x"][0]

    assert (abs(pixels[4, 8].astype(int) - [255, 0, 0]) < 12).all()
    assert pixels[28, 8].min() > 243


def test_channels_that_cancel_out_are_counted(tmp_path: Path) -> None:
    """The mean of two channels in opposite phase is silence: the report has how many are so."""
    sound(tmp_path / "a_0.wav", np.stack([HIGH, -HIGH], axis=1))
    sound(tmp_path / "b_0.wav", np.stack([HIGH, HIGH], axis=1))
    sound(tmp_path / "c_0.wav", np.stack([HIGH, 0 * HIGH], axis=1))

    lines = said(audio_folder(path=str(tmp_path), rate=RATE, pattern="{label}_{take}"))

    assert len(lines) == 1
    assert lines[0].startswith("changed: 1 of 3 recordings lose 20 dB or more")
