"""A network pretrained on ImageNet, with a new head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import keras
from annotated_types import Ge, Gt, Lt

BASE = "base"  # name of the pretrained part within the model
# Normalisation follows the training within an epoch of few steps, which Keras' 0.99 does not.
MOMENTUM = 0.9
# What Keras' EfficientNet inserts after its normalisation for its own ImageNet weights alone.
EFFICIENTNET_MEAN = (0.485, 0.456, 0.406)
EFFICIENTNET_SCALE = (0.229**-0.5, 0.224**-0.5, 0.225**-0.5)
CAFFE_MEAN = [103.939, 116.779, 123.68]  # blue, green, red


def pretrained(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    statistics: dict[str, Any],
    base: Literal["VGG16", "ResNet50", "MobileNetV2", "EfficientNetB0"] = "MobileNetV2",
    weights: str | None = None,
    size: Annotated[int, Ge(32)] = 96,
    highest: Annotated[float, Gt(0)] | None = None,
    units: list[Annotated[int, Ge(1)]] = [1024, 512],  # noqa: B006 - read, never changed
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.3,
) -> keras.Model:
    """Raw pixels, resized and scaled as the base wants them, the base, and dense layers of our own.

    The base is one of `keras.applications`. It is frozen and runs in inference mode;
    `training.fine_tune` lets its last layers learn in the last epochs. With random weights
    ResNet50 and VGG16 give features that can be learned from; MobileNetV2 and EfficientNetB0 let
    nothing through.

    Args:
        input_shape: (height, width, 1 or 3 channels) of raw pixels; grey becomes three channels.
        num_outputs: units of the linear output.
        statistics: of the training images; what `white` is.
        base: the network.
        weights: `None` for random ones, `imagenet` for those that Keras downloads and checks, or a
            file of them (`.weights.h5` or `.h5`), with or without its own top of 1,000 classes.
        size: pixels of a side that images are resized to.
        highest: value of a white pixel; `None` takes that of the statistics.
        units: of each dense layer between base and output.
        dropout: share of the units left out in training, before each dense layer.

    Raises:
        ValueError: the input is no image, or the weights cannot be had or do not fit.
    """
    if len(input_shape) != 3 or input_shape[2] not in {1, 3}:
        raise ValueError(
            f"model pretrained needs images (height, width, 1 or 3 channels), received examples of "
            f"shape {tuple(input_shape)}; model=cnn takes any number of channels"
        )
    if (white := highest or statistics["white"]) is None:
        raise ValueError(
            "model pretrained needs raw pixels from 0 to 65535; set model.highest to the value of "
            "white"
        )
    body = _base(base, weights, size)
    body.trainable = False
    inputs = keras.Input(input_shape)
    hidden = _resized(inputs, size, 255.0 / white)
    hidden = body(_scaled(hidden, base, weights), training=False)
    hidden = keras.layers.GlobalAveragePooling2D()(hidden)
    # Features of random or foreign weights differ in scale by orders of magnitude.
    hidden = keras.layers.BatchNormalization(momentum=MOMENTUM)(hidden)
    for width in units:
        hidden = keras.layers.Dropout(dropout)(hidden)
        hidden = keras.layers.Dense(width, activation="relu")(hidden)
    hidden = keras.layers.Dropout(dropout)(hidden)
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden), name="pretrained")


def _resized(inputs: keras.KerasTensor, size: int, scale: float) -> keras.KerasTensor:
    """(size, size, 3) with pixels 0..255."""
    hidden = inputs if scale == 1 else keras.layers.Rescaling(scale)(inputs)
    if inputs.shape[1:3] != (size, size):
        hidden = keras.layers.Resizing(size, size)(hidden)
    return hidden if inputs.shape[3] == 3 else keras.layers.Concatenate()([hidden] * 3)


def _scaled(pixels: keras.KerasTensor, base: str, weights: str | None) -> keras.KerasTensor:
    """What `keras.applications.*.preprocess_input` does to pixels 0..255, as layers."""
    if base == "MobileNetV2":
        return keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
    if base != "EfficientNetB0":
        blue_first = keras.ops.flip(pixels, axis=-1)
        return keras.layers.Normalization(mean=CAFFE_MEAN, variance=[1.0] * 3)(blue_first)
    if weights is None or weights == "imagenet":
        return pixels  # it normalises by itself
    pairs = list(zip(EFFICIENTNET_MEAN, EFFICIENTNET_SCALE, strict=True))
    offset = [255 * mean * (1 - scale) for mean, scale in pairs]
    return keras.layers.Rescaling([scale for _, scale in pairs], offset=offset)(pixels)


def _base(base: str, weights: str | None, size: int) -> keras.Model:
    """The network without its top.

    Raises:
        ValueError: the weights cannot be had or do not fit.
    """
    make = getattr(keras.applications, base)
    own = weights if weights in {None, "imagenet"} else None
    try:
        body = make(input_shape=(size, size, 3), include_top=False, weights=own, name=BASE)
    except Exception as error:
        if own is None:
            raise
        raise ValueError(_no_weights(base, "imagenet", error)) from error
    if own != weights:
        _load(make, base, body, str(weights))
    return body


def _load(make: Callable[..., keras.Model], base: str, body: keras.Model, file: str) -> None:
    """Weights from `file` into `body`: its own, or those of the whole network."""
    try:
        try:
            body.load_weights(file)
        except ValueError:  # then the file holds another number of layers: those of the whole
            whole = make(weights=None)
            whole.load_weights(file)
            for mine, theirs in zip(body.layers, whole.layers, strict=False):
                mine.set_weights(theirs.get_weights())
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(_no_weights(base, file, error)) from error


def _no_weights(base: str, weights: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"model.weights={weights}: no weights for {base} could be read from there ({reason}); set "
        "`weights: imagenet` to let Keras download them, the path of a .weights.h5 or .h5 file "
        f"that `keras.applications.{base}().save_weights(...)` wrote, or `weights: null` for "
        "random ones"
    )
