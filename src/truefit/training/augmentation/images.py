"""Images that are flipped, moved, turned, cropped and mixed, by Keras' own layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import Ge, Le, Lt

if TYPE_CHECKING:
    import keras

    from truefit.core.prepared.facts import FactsJSON


def images(
    *,
    facts: FactsJSON,
    seed: int,
    flip: Literal["none", "horizontal", "vertical", "horizontal_and_vertical"] = "none",
    shift: Annotated[float, Ge(0), Lt(1)] = 0.0,
    rotation: Annotated[float, Ge(0), Le(0.5)] = 0.0,
    crop: Annotated[float, Ge(0), Lt(1)] = 0.0,
    mixup: Annotated[float, Ge(0), Le(1)] = 0.0,
    cutmix: Annotated[float, Ge(0), Le(1)] = 0.0,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function of images (rows, height, width, channels) and targets that gives new ones.

    Args:
        facts: what dataset.json says.
        seed: of the random numbers.
        flip: which mirror images are as likely as the image.
        shift: most of the height and width that an image is moved by.
        rotation: most of a full turn that it is turned by, either way.
        crop: most of the height and width that is cut away; the rest is enlarged.
        mixup: of two images and of their targets a weighted sum, the weight from Beta(mixup, mixup)
            (Zhang et al. 2018).
        cutmix: a rectangle of another image in its place, and its target by area (Yun et al. 2019).

    Raises:
        ValueError: rows are no images, or targets cannot be mixed.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by the environment before this

    shape, target = facts["input_shape"], facts["target"]
    if len(shape) != 3:
        raise ValueError(
            f"augmentation images needs rows of (height, width, channels), received "
            f"{' x '.join(map(str, shape))}; `augmentation: none` or another file of it"
        )
    if target["kind"] == "input":
        raise ValueError(
            "augmentation images changes what is to be reconstructed, and the target stays as it "
            "was: `augmentation: none`"
        )
    mixes = bool(mixup or cutmix)
    if mixes and target["kind"] not in ("classes", "labels", "number"):
        raise ValueError(
            f"augmentation.mixup and cutmix mix targets, and those of kind {target['kind']!r} "
            "cannot be mixed: set both to 0"
        )
    wanted: list[tuple[float, Callable[[int], keras.Layer]]] = [
        (flip != "none", lambda s: keras.layers.RandomFlip(flip, seed=s)),
        (shift, lambda s: keras.layers.RandomTranslation(shift, shift, "nearest", seed=s)),
        (rotation, lambda s: keras.layers.RandomRotation(rotation, "nearest", seed=s)),
        (crop, lambda s: keras.layers.RandomZoom((-crop, 0.0), None, "nearest", seed=s)),
        (mixup, lambda s: keras.layers.MixUp(mixup, seed=s)),
        (cutmix, lambda s: keras.layers.CutMix(cutmix, seed=s)),
    ]
    layers = [make(seed + place) for place, (is_wanted, make) in enumerate(wanted) if is_wanted]
    classes = len(target.get("classes") or [])

    def augment(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not mixes:
            return _apply(layers, x.astype(np.float32)), y
        soft = np.eye(classes, dtype=np.float32)[y] if classes > 2 else y.astype(np.float32)
        flat = soft.reshape(len(y), -1)
        both = {"images": x.astype(np.float32), "labels": flat}
        for layer in layers:
            both = layer(both, training=True)
        mixed = keras.ops.convert_to_numpy(both["labels"]).reshape(soft.shape)
        return keras.ops.convert_to_numpy(both["images"]), mixed

    return augment


def _apply(layers: list[keras.Layer], x: np.ndarray) -> np.ndarray:
    import keras  # noqa: PLC0415

    for layer in layers:
        x = layer(x, training=True)
    changed: np.ndarray = keras.ops.convert_to_numpy(x)
    return changed
