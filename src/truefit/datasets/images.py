"""Images of the user's own: one folder per class."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Len
from PIL import Image, ImageOps

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
# What Pillow raises for files that are broken in one way or another.
FAULTS = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


class Images:
    """The images of `files`, each decoded when its row is asked for: uint8, 0 to 255."""

    dtype = np.dtype(np.uint8)

    def __init__(self, files: list[Path], size: tuple[int, int], channels: int) -> None:
        """`size` is (height, width) in pixels; nothing is read yet."""
        self.files = files
        self.shape = (len(files), *size, channels)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The images of a number, a slice or an array of numbers.

        Raises:
            ValueError: an image cannot be decoded; the message names its file.
        """
        chosen = np.arange(len(self))[rows]
        decoded = np.empty((chosen.size, *self.shape[1:]), self.dtype)
        for place, row in enumerate(chosen.flat):
            decoded[place] = self._decode(self.files[row])
        return decoded.reshape(chosen.shape + self.shape[1:])

    def _decode(self, file: Path) -> np.ndarray:
        _, height, width, channels = self.shape
        try:
            with Image.open(file) as image:
                picture = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
        except FAULTS as error:
            raise ValueError(f"{file} cannot be decoded; remove or replace it: {error}") from error
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture, dtype=np.uint8).reshape(height, width, channels)


def image_folder(
    *, path: str, size: Annotated[list[int], Len(2, 2)], channels: Literal[1, 3] = 3
) -> dict[str, Any]:
    """`x` uint8 (images, height, width, channels) from 0 to 255, `y` the folders' names.

    Images are looked at once here and decoded row by row when they are asked for.

    Raises:
        ValueError: there are no class folders or images, or some cannot be decoded (all are named).
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"data.path: expected a folder with one folder per class, received {path}")
    found = sorted(
        file
        for file in root.glob("*/**/*")
        # what editors and file managers leave behind starts with a dot
        if file.is_file() and not any(p.startswith(".") for p in file.relative_to(root).parts)
    )
    files = [file for file in found if file.suffix.lower() in ENDINGS]
    if not files:
        raise ValueError(f"{path}: no images in class folders; expected {path}/CLASS/image.png")
    classes = {file.relative_to(root).parts[0] for file in files}
    if strange := [file for file in found if file.relative_to(root).parts[0] not in classes]:
        raise ValueError(
            f"{strange[0].relative_to(root)}: its class folder has no image in it; remove the "
            f"folder, or convert its files to one of {', '.join(sorted(ENDINGS))}"
        )
    if broken := [fault for file in files if (fault := _fault(file))]:
        raise ValueError(
            f"{len(broken)} of {len(files)} images cannot be decoded; remove or replace them:\n  "
            + "\n  ".join(broken[:10])
        )
    return {
        "x": Images(files, (size[0], size[1]), channels),
        "y": np.array([file.relative_to(root).parts[0] for file in files]),
    }


def _fault(file: Path) -> str | None:
    """What is wrong with an image as far as its header and checksums say, without decoding it."""
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                return f"{file}: mode {image.mode} (more than 8 bits a channel); save it with 8"
            image.verify()
    except FAULTS as error:
        return f"{file}: {error}"
    return None
