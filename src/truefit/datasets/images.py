"""Images of the user's own: one folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Len
from PIL import Image, ImageOps

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


def image_folder(
    *, path: str, size: Annotated[list[int], Len(2, 2)], channels: Literal[1, 3] = 3
) -> dict[str, Any]:
    """`x` uint8 (images, height, width, channels) from 0 to 255, `y` the folders' names.

    Raises:
        ValueError: there are no class folders or images, or some cannot be decoded (all are named).
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"data.path: expected a folder with one folder per class, received {path}")
    files = sorted(
        file
        for file in root.glob("*/**/*")
        if file.suffix.lower() in ENDINGS
        # what editors and file managers leave behind starts with a dot
        and not any(part.startswith(".") for part in file.relative_to(root).parts)
    )
    if not files:
        raise ValueError(f"{path}: no images in class folders; expected {path}/CLASS/image.png")
    images, broken = [], []
    for file in files:
        try:
            images.append(_decode(file, (size[0], size[1]), channels))
        except (OSError, SyntaxError, ValueError) as error:
            broken.append(f"{file}: {error}")
    if broken:
        raise ValueError(
            f"{len(broken)} of {len(files)} images cannot be decoded; remove or replace them:\n  "
            + "\n  ".join(broken[:10])
        )
    return {"x": np.stack(images), "y": np.array([f.relative_to(root).parts[0] for f in files])}


def _decode(file: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    with Image.open(file) as image:
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"mode {image.mode} (more than 8 bits a channel); save it with 8 bits")
        upright = ImageOps.exif_transpose(image)
        picture = upright.convert("L" if channels == 1 else "RGB")
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        return np.asarray(picture, dtype=np.uint8).reshape(*size, channels)
