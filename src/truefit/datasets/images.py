"""Images of the user's own: one folder per class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Len
from PIL import Image, ImageOps

from truefit.core.prepared.findings import Finding, Kind
from truefit.datasets.checks import Source
from truefit.datasets.folders import (
    by_ending,
    empty_folders,
    labels_of,
    left_out,
    refuse_lost_classes,
    some,
    visible_files,
)

# The kinds of picture that Pillow reads alone (.eps and .mpg need other programs).
PICTURES = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".bmp", ".dib", ".gif"),
    *(".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico"),
}
ENDINGS = frozenset(PICTURES & Image.registered_extensions().keys())
WAY_OUT = "convert those that are images to .png or .jpg"
# `cat_1_mask`, `cat (1)_mask_2`, `cat-seg`, `mask_cat_1`: drawings of where the cat is in `cat_1`.
MASK = re.compile(
    r"(?P<of>.+?)(?:[ _.-]?masks?|[ _.-](?:seg|segmentation|labels?|gt|annotations?|trimap))"
    r"(?:[ _.-]?\d+)?|masks?[ _.-](?P<after>.+)",
    re.IGNORECASE,
)
# `masks`, `GT`, `train_labels`, VOC's `SegmentationClass`: folders of such drawings.
MASKS = re.compile(
    r".*mask.*|(?:.*[ _.-])?(?:seg|segmentation(?:s|class|object)?|labels?|gt|ground[ _-]?truth"
    r"|annotations?|trimaps?)",
    re.IGNORECASE,
)
# `images`, `img`, VOC's `JPEGImages`: beside these even numbers as names are those of drawings.
PICTURED = re.compile(r".*(?:images?|imgs?|photos?|pictures?|inputs?)", re.IGNORECASE)
WHITE = (255, 255, 255, 255)
# By content alone Pillow would also hand a file to other programs (PostScript to Ghostscript).
FORMATS = sorted({Image.registered_extensions()[ending] for ending in ENDINGS})
# Its decoders raise almost anything for files that are broken in one way or another.
FAULTS = (Exception,)


class Images:
    """The images of `files`, each decoded when its row is asked for: uint8, 0 to 255."""

    dtype = np.dtype(np.uint8)

    def __init__(self, files: list[Path], size: tuple[int, int], channels: int) -> None:
        """`size` is (height, width) in pixels; nothing is read yet."""
        self.files = files
        self.shape = (len(files), *size, channels)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """The images of a number, a slice or an array of numbers.

        Raises:
            ValueError: an image cannot be decoded; the message has all files that cannot.
        """
        chosen = np.arange(len(self))[rows]
        decoded = np.empty((chosen.size, *self.shape[1:]), self.dtype)
        try:
            for place, row in enumerate(chosen.flat):
                decoded[place] = self._decode(self.files[row])
        except FAULTS:
            self._refuse()
            raise  # it was found whole the second time: the row is not read all the same
        return decoded.reshape(chosen.shape + self.shape[1:])

    def _decode(self, file: Path) -> np.ndarray:
        _, height, width, channels = self.shape
        with Image.open(file, formats=FORMATS) as image:
            _require_8_bits(image)
            upright = _on_white(ImageOps.exif_transpose(image))
            picture = upright.convert("L" if channels == 1 else "RGB")
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture, dtype=np.uint8).reshape(height, width, channels)

    def _refuse(self) -> None:
        """Decode every file, so that one message names all that are at fault."""
        broken = []
        for file in self.files:
            try:
                self._decode(file)
            except FAULTS as error:
                broken.append(f"{file} cannot be decoded: {error or type(error).__name__}")
        _name(broken, len(self.files))


def _require_8_bits(image: Image.Image) -> None:
    """Pillow would cut brighter values off, so that a picture of 16 bits becomes white."""
    if image.mode.startswith(("I", "F", "LAB")):
        raise ValueError(
            f"mode {image.mode} (no 8 bits a channel of grey or colour); save it as such"
        )


def _on_white(image: Image.Image) -> Image.Image:
    """What is transparent becomes white; its hidden colour, mostly black, says nothing."""
    if not image.has_transparency_data:
        return image
    picture = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, WHITE), picture)


def image_folder(
    *, path: str, size: Annotated[list[int], Len(2, 2)], channels: Literal[1, 3] = 3
) -> Source:
    """`x` uint8 (images, height, width, channels) from 0 to 255, `y` the folders' names.

    Images are looked at once here and decoded row by row when they are asked for: turned as their
    EXIF says, what is transparent in white. Folders named train, val and test that hold the class
    folders, or lie in them, are the given splits.

    Raises:
        ValueError: there are no class folders or images, or some cannot be decoded (all are
            counted, ten are named).
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"data.path: expected a folder with one folder per class, received {path}")
    found = visible_files(root)
    files = [f for f in found if f.suffix.lower() in ENDINGS and f.parent != root]
    if not files:
        held = f"; it holds {by_ending(found)}" if found else ""
        raise ValueError(
            f"{path}: no images in class folders; expected {path}/CLASS/image.png{held}"
        )
    refuse_lost_classes(root, found, ENDINGS, WAY_OUT)
    labels, given = labels_of(root, files)
    _refuse_folder_of_masks(root, files, labels)
    return {
        "x": Images(files, (size[0], size[1]), channels),
        "y": np.array(labels),
        "findings": [
            *left_out(found, ENDINGS, WAY_OUT),
            *empty_folders(root, found),
            *_loose(root, found),
            *masks(files),
            *noticed(files),
        ],
        **given,
    }


@dataclass(frozen=True)
class ImageHeader:
    """What a file's header says of it, without decoding it."""

    fault: str = ""
    transparent: bool = False
    more_frames: bool = False


def _look(file: Path) -> ImageHeader:
    try:
        with Image.open(file, formats=FORMATS) as image:
            _require_8_bits(image)
            # The second picture of an MPO, as telephones write it, is a smaller copy of the first.
            more = image.format != "MPO" and getattr(image, "n_frames", 1) > 1
            look = ImageHeader("", image.has_transparency_data, more)
            image.verify()
    except FAULTS as error:
        return ImageHeader(str(error) or type(error).__name__)
    return look


def _loose(root: Path, found: Sequence[Path]) -> list[Finding]:
    images = [file for file in found if file.suffix.lower() in ENDINGS]
    loose = sum(file.parent == root for file in images)
    what = "images lie in no class folder and are left out"
    return [Finding("skipped", loose, len(images), what)] if loose else []


def masks(files: Sequence[Path]) -> list[Finding]:
    """Return the finding that counts images named like masks of others in the same folder."""
    known = {(file.parent, file.stem) for file in files}
    found = [file for file in files if any((file.parent, of) in known for of in _masked(file))]
    if not found:
        return []
    what = (
        f"images are named like masks of others beside them, such as {found[0]}, and count as "
        "images of their own: if they are masks, move them into a folder elsewhere"
    )
    return [Finding("unknown", len(found), len(files), what)]


def _refuse_folder_of_masks(root: Path, files: Sequence[Path], labels: Sequence[str]) -> None:
    """A folder that is named so, with the names of the images in the only other, is no class.

    Faces in `mask` and `no_mask` are classes: both are named so. Numbers as names of files, as of
    faces in `with_mask` and `clean`, say nothing, unless the other folder is named like images.
    """
    others = [label for label in {*labels} if not MASKS.fullmatch(label)]
    if len(others) != 1:
        return
    pairs = [*zip(files, labels, strict=True)]
    images = {file.stem for file, label in pairs if label == others[0]}
    numbers_count = PICTURED.fullmatch(others[0]) is not None
    telling = {stem for stem in images if numbers_count or re.search(r"[^\W\d_]", stem)}
    for drawn in sorted({*labels} - {*others}):
        inside = [file for file, label in pairs if label == drawn]
        named = [file for file in inside if file.stem in telling or images & {*_masked(file)}]
        if 2 * len(named) > len(inside):
            raise ValueError(
                f"{root}: expected a folder for each class; {drawn} is named like masks and holds "
                f"{len(named)} files with the names of images in {others[0]}, such as "
                f"{named[0].name}: move masks out of {root}, and each image into a folder named "
                f"after its class; if {drawn} is a class, give the folder a name "
                "without words such as `mask` or `label`"
            )


def _masked(file: Path) -> list[str]:
    """The name of the image that a file is named like a mask of; none for other names."""
    match = MASK.fullmatch(file.stem)
    return [name for name in match.groups() if name] if match else []


def noticed(files: Sequence[Path]) -> list[Finding]:
    """Return what is left out of images, or changed in them, by their headers.

    Raises:
        ValueError: some cannot be decoded; all are counted, ten are named.
    """
    looks = [_look(file) for file in files]
    faults = zip(files, (look.fault for look in looks), strict=True)
    _name([f"{file}: {fault}" for file, fault in faults if fault], len(files))
    counts: list[tuple[Kind, int, str]] = [
        (
            "skipped",
            sum(look.more_frames for look in looks),
            "have further pages or frames, which are left out: the first one counts",
        ),
        (
            "changed",
            sum(look.transparent for look in looks),
            "have transparency, which becomes white",
        ),
    ]
    return [Finding(kind, n, len(looks), f"images {what}") for kind, n, what in counts if n]


def _name(broken: list[str], of: int) -> None:
    if broken:
        raise ValueError(
            f"{len(broken)} of {of} images cannot be decoded; remove or replace them:\n  "
            + some(broken)
        )
