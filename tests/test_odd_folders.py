"""Folders and files as people have them: read right, or refused with what to do."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from truefit.datasets import images
from truefit.datasets.audio import audio_folder
from truefit.datasets.checks import Source
from truefit.datasets.images import Images, image_folder
from truefit.datasets.npz import npz
from truefit.datasets.rows import read_rows
from truefit.datasets.text import text

RATE = 100
HALF = 0.5 * np.sin(np.arange(RATE))
PICTURES: dict[str, Any] = {
    "_target_": "truefit.datasets.images.image_folder", "size": [4, 4], "channels": 3,
}  # fmt: skip
SOUNDS: dict[str, Any] = {
    "_target_": "truefit.datasets.audio.audio_folder", "rate": RATE, "seconds": 1.0,
}  # fmt: skip


def image(file: Path, shade: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(file)


def sound(file: Path, samples: np.ndarray, rate: int = RATE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(file, rate, samples)


def classes(root: Path) -> None:
    for name in "ab":
        image(root / name / "0.png")
        sound(root / name / "0.wav", (HALF * 2**15).astype(np.int16))


def both(root: Path) -> list[Source]:
    return [
        image_folder(path=str(root), size=[4, 4]),
        audio_folder(path=str(root), rate=RATE, pattern=None),
    ]


def test_what_machines_leave_behind_is_neither_row_nor_class(tmp_path: Path) -> None:
    """Thumbnails of a network disk would be rows twice, and an archive's folder a class."""
    classes(tmp_path)
    for name in ("a/@eaDir/0", "__MACOSX/a/0", "$RECYCLE.BIN/0", ".ipynb_checkpoints/0"):
        image(tmp_path / f"{name}.png")
        sound(tmp_path / f"{name}.wav", (HALF * 2**15).astype(np.int16))
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")

    for source in both(tmp_path):
        assert source["y"].tolist() == ["a", "b"]
        assert "Thumbs" not in str(source["findings"])
        assert "folders" not in str(source["findings"])


@pytest.mark.parametrize("target", ["elsewhere", "nowhere", "."])
def test_links_that_hide_files_are_named(tmp_path: Path, target: str) -> None:
    """A class behind a link, a link to nowhere and a circle: none is left out silently."""
    classes(tmp_path / "data")
    image(tmp_path / "elsewhere" / "0.png")
    (tmp_path / "data" / "c").symlink_to(tmp_path / target)

    for read in (lambda: image_folder(path=str(tmp_path / "data"), size=[4, 4]),
                 lambda: audio_folder(path=str(tmp_path / "data"), rate=RATE, pattern=None),
                 lambda: read_rows(tmp_path / "data", PICTURES)):  # fmt: skip
        with pytest.raises(ValueError, match=r"(?s)1 links.*DVC does not see.*data/c"):
            read()


def test_a_link_to_a_file_is_the_file(tmp_path: Path) -> None:
    """DVC itself makes such links."""
    classes(tmp_path)
    (tmp_path / "a" / "1.png").symlink_to(tmp_path / "b" / "0.png")

    assert image_folder(path=str(tmp_path), size=[4, 4])["y"].tolist() == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["images"], "its only folder is images"),
        (["d/train/a", "d/train/b", "d/test/a", "d/test/b"], r"path: \S+/d`"),
        (["train/a", "train/b", "eval/a", "eval/b"], "received eval, train, which hold a, b"),
        (["fold_1/a", "fold_1/b", "fold_2/a", "fold_2/b"], "received fold_1, fold_2"),
        (["seg_train/seg_train/a", "seg_test/seg_test/a"], "received seg_test, seg_train"),
        (["training_set/training_set/a", "test_set/test_set/a"], "received test_set, training_set"),
        (["fold1", "fold2", "fold10"], "received fold1, fold10, fold2, which are named like parts"),
        (["fold1/a", "fold1/b", "fold2/a"], "received fold1, fold2, which hold a, b"),
        (["train", "eval"], "received eval, train, which are named like parts of the data"),
    ],
)
def test_folders_that_are_no_classes_are_refused(
    tmp_path: Path, folders: list[str], expected: str
) -> None:
    """Parts of the data, folders packed twice and a folder beside a table are no labels."""
    for folder in folders:
        image(tmp_path / folder / "0.png")
        sound(tmp_path / folder / "0.wav", HALF.astype(np.float32))

    with pytest.raises(ValueError, match=expected):
        image_folder(path=str(tmp_path), size=[4, 4])
    with pytest.raises(ValueError, match=expected):
        audio_folder(path=str(tmp_path), rate=RATE, pattern=None)


def test_folders_of_parts_may_hold_sounds_whose_names_say_the_class(tmp_path: Path) -> None:
    """As UrbanSound8K has them: `data.pattern` reads the class."""
    for fold, label in ((1, 3), (1, 5), (2, 3)):
        sound(tmp_path / f"fold{fold}" / f"{fold}{label}-{label}.wav", HALF.astype(np.float32))

    found = audio_folder(path=str(tmp_path), rate=RATE, pattern="{source}-{label}")
    assert found["y"].tolist() == ["3", "5", "3"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat_001", "cat_001_mask", "cat_002"], 1),
        (["benign (1)", "benign (1)_mask", "benign (1)_mask_1"], 2),
        (["7", "7-seg", "mask_7"], 2),
        (["7", "8_mask", "mask_9", "masked 7", "label_7", "gt"], 0),
    ],
)
def test_masks_beside_their_images_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: list[str], expected: int
) -> None:
    """They would be rows of the class; without the image they belong to they are images."""
    for name in names:
        image(tmp_path / "a" / f"{name}.png")
    image(tmp_path / "b" / "8.png")

    findings = image_folder(path=str(tmp_path), size=[4, 4])["findings"]
    said = [str(finding) for finding in findings if "masks" in str(finding)]
    read_rows(tmp_path, PICTURES)

    assert [text.partition(" ")[0] for text in said] == [str(expected)] * (expected > 0)
    assert ("move them into a folder elsewhere" in capsys.readouterr().err) == (expected > 0)


@pytest.mark.parametrize(
    ("pictures", "drawings", "ending"),
    [
        ("images", "masks", ""),
        ("images", "labels", ""),
        ("JPEGImages", "SegmentationClass", ""),
        ("img", "train_masks", "_mask"),
        ("cats", "masks", "_mask"),
    ],
)
@pytest.mark.parametrize("split", ["", "train/"])
def test_a_folder_of_masks_is_no_class(
    tmp_path: Path, pictures: str, drawings: str, ending: str, split: str
) -> None:
    """Images and their masks would be two classes; the message says how they may be."""
    for number in range(3):
        for patient in ("", "1/", "2/"):
            image(tmp_path / f"{split}{pictures}/{patient}{number}.jpg")
            image(tmp_path / f"{split}{drawings}/{patient}{number}{ending}.png")
    if split:
        image(tmp_path / f"test/{pictures}/9.jpg")

    with pytest.raises(ValueError, match=rf"{drawings} is named like masks .*a class, .* without"):
        image_folder(path=str(tmp_path), size=[4, 4])


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["hats", "drawings"], ["0", "1"]),
        (["hats", "masks"], ["left", "right", "0"]),
        (["mask", "no_mask"], ["0", "1"]),
        (["clean", "with_mask"], ["0", "1"]),
        (["mask", "unmasked"], ["0", "1"]),
        (["hats", "gloves", "masks"], ["0", "1"]),
    ],
)
def test_what_is_no_folder_of_masks_is_a_class(
    tmp_path: Path, folders: list[str], names: list[str]
) -> None:
    """Masks of faces are a class, too, beside others or `no_mask`, or where names do not pair."""
    for folder in folders[:-1]:
        for number in range(2):
            image(tmp_path / folder / f"{number}.png")
    for name in names:
        image(tmp_path / folders[-1] / f"{name}.png")

    assert {*image_folder(path=str(tmp_path), size=[4, 4])["y"]} == {*folders}


@pytest.mark.parametrize(
    "folders",
    [
        ["a/left", "a/right", "b/left", "b/right"],
        ["a/a", "b/b"],
        ["spare part/front", "spare part/back", "door/front", "door/back"],
        ["spare part", "front part"],
        ["fold", "crease"],
    ],
)
def test_classes_may_hold_folders(tmp_path: Path, folders: list[str]) -> None:
    """The first folder is the class, whatever lies in it."""
    for folder in folders:
        image(tmp_path / folder / "0.png")

    found = set(image_folder(path=str(tmp_path), size=[4, 4])["y"])
    assert found == {folder.partition("/")[0] for folder in folders}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.int32])
def test_an_image_of_more_bits_is_refused_also_by_a_prediction(tmp_path: Path, dtype: Any) -> None:
    """Pillow would make it white or black, and a prediction for that is wrong silently."""
    file = tmp_path / "x.tif"
    Image.fromarray((np.arange(64).reshape(8, 8) * 900).astype(dtype)).save(file)

    with pytest.raises(ValueError, match="no 8 bits a channel"):
        read_rows(file, PICTURES)
    with pytest.raises(ValueError, match="no 8 bits a channel"):
        Images([file], (4, 4), 3)[:]


def test_a_prediction_says_what_of_an_image_does_not_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Further pages are left out of rows to predict as of those to learn from, and it is said."""
    Image.new("L", (8, 8)).save(
        tmp_path / "x.tif", save_all=True, append_images=[Image.new("L", (8, 8), 255)]
    )

    read_rows(tmp_path / "x.tif", PICTURES)

    assert "1 of 1 images have further pages" in capsys.readouterr().err


def test_a_fault_that_does_not_come_again_is_not_swallowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails once must not leave a row of whatever the memory held."""
    image(tmp_path / "a.png")
    faults = iter([OSError("the disk is busy")])

    def fail_once(_: Any) -> None:
        for fault in faults:
            raise fault

    monkeypatch.setattr(images, "_require_8_bits", fail_once)
    with pytest.raises(OSError, match="busy"):
        Images([tmp_path / "a.png"], (4, 4), 3)[:]


@pytest.mark.parametrize(("kind", "place"), [("TIFF", 8), ("AVIF", 60)])
def test_whatever_a_decoder_raises_names_the_file(tmp_path: Path, kind: str, place: int) -> None:
    """TypeError and RuntimeError of a broken file are no traceback."""
    written = io.BytesIO()
    Image.new("RGB", (24, 24), (9, 99, 200)).save(written, kind)
    for name in "ab":
        image(tmp_path / name / "0.png")
    for number in range(place, place + 60):
        broken = bytearray(written.getvalue())
        broken[number] ^= 0xFF
        (tmp_path / "a" / "1.png").write_bytes(bytes(broken))
        try:
            image_folder(path=str(tmp_path), size=[4, 4])["x"][:]
        except ValueError as error:
            assert "a/1.png" in str(error)  # noqa: PT017 - some bytes say nothing


def test_a_file_of_another_kind_is_handed_to_no_program(tmp_path: Path) -> None:
    """PostScript called .png would go to Ghostscript, which runs what it says."""
    classes(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "a" / "1.png", "EPS")

    with pytest.raises(ValueError, match="cannot identify"):
        image_folder(path=str(tmp_path), size=[4, 4])


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("x.wav", PICTURES, "received recordings"),
        ("x.png", SOUNDS, "received images"),
        ("fast.wav", SOUNDS, "200 samples a second, expected 100"),
        ("empty", SOUNDS, "no recordings in it"),
        ("x.flac", SOUNDS, "received .flac"),
    ],
)
def test_rows_of_another_kind_are_refused(
    tmp_path: Path, name: str, data: dict[str, Any], expected: str
) -> None:
    """A model of sounds takes no images, nor sounds of another rate, and says so."""
    classes(tmp_path)
    sound(tmp_path / "x.wav", HALF.astype(np.float32))
    sound(tmp_path / "fast.wav", HALF.astype(np.float32), 2 * RATE)
    image(tmp_path / "x.png")
    (tmp_path / "x.flac").write_bytes(b"fLaC")
    (tmp_path / "empty").mkdir()

    with pytest.raises(ValueError, match=expected):
        read_rows(tmp_path / name, data)


X, Y = np.arange(160, dtype=np.uint8).reshape(40, 2, 2, 1), np.arange(40) % 2


def test_splits_in_two_units_are_refused(tmp_path: Path) -> None:
    """Bytes to learn from and shares of 255 to test on are another unit in each split."""
    np.savez(tmp_path / "t.npz", x_train=X, y_train=Y, x_test=X / 255, y_test=Y)

    with pytest.raises(ValueError, match="in one unit, received uint8 and float64"):
        npz(path=str(tmp_path / "t.npz"))


def test_labels_in_another_encoding_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """The message has the bytes and the way out."""
    np.savez(tmp_path / "t.npz", x=X, y=np.array([b"a", b"\xe4"])[Y])

    with pytest.raises(ValueError, match=r"not UTF-8 .*np\.char\.decode"):
        npz(path=str(tmp_path / "t.npz"))


@pytest.mark.parametrize("content", ["abc " * 200, bytes(range(128)).decode() * 9])
def test_a_text_with_nul_characters_is_refused(tmp_path: Path, content: str) -> None:
    """UTF-16 without a mark reads as UTF-8 in which every other character is NUL."""
    encoding = "utf-16-le" if content.isprintable() else "utf-8"
    (tmp_path / "t.txt").write_bytes(content.encode(encoding))

    with pytest.raises(ValueError, match=r"NUL characters.*utf-16"):
        text(path=str(tmp_path / "t.txt"), length=10)


def test_a_packed_text_is_called_so(tmp_path: Path) -> None:
    """It was said to be in another encoding."""
    (tmp_path / "t.txt.gz").write_bytes(gzip.compress(b"abc " * 200))

    with pytest.raises(ValueError, match=r"a packed one: .*t\.txt\.gz; unpack it"):
        text(path=str(tmp_path / "t.txt.gz"), length=10)
