"""Generative adversarial network for small images."""

from __future__ import annotations

from typing import Annotated, Any

import keras
from annotated_types import Ge, Gt, Lt

EVALUATION_SEED = 0  # the same images each time a distance is measured
# Normalisation follows the training within an epoch of few steps, which Keras' 0.99 does not.
MOMENTUM = 0.9


def gan(
    input_shape: tuple[int, ...],
    num_outputs: int,  # noqa: ARG001 - every model is called with it
    *,
    statistics: dict[str, Any],
    highest: Annotated[float, Gt(0)] | None = None,
    latent: Annotated[int, Ge(1)] = 64,
    depth: Annotated[int, Ge(1)] = 2,
    filters: Annotated[int, Ge(1)] = 32,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.3,
) -> keras.Model:
    """A convolutional generator and a discriminator, trained together (Radford et al. 2016).

    Args:
        input_shape: (height, width, channels) of raw pixels, and of what is generated.
        num_outputs: not used: the output is an image.
        statistics: `mean` and `variance` of the training images' raw pixels, one per channel, and
            what `white` is.
        highest: value of a white pixel, black being 0; `None` takes that of the statistics.
        latent: numbers that an image is made from.
        depth: doublings in the generator and halvings in the discriminator.
        filters: next to the image in both; twice as many at each step away from it.
        dropout: share of the discriminator's units left out in training.

    Raises:
        ValueError: the input is no image, too small for `depth` halvings, or has negative pixels.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"model gan needs images (height, width, channels), received examples of shape "
            f"{tuple(input_shape)}"
        )
    if min(input_shape[:2]) < 2**depth:
        raise ValueError(
            f"model.depth={depth} halves an image of {input_shape[0]} x {input_shape[1]} below one "
            "pixel: lower model.depth and its range"
        )
    mean, variance = (list(map(float, statistics[name])) for name in ("mean", "variance"))
    white = highest or statistics["white"]
    if white is None:
        raise ValueError(
            "model gan needs raw pixels from 0 to 65535; set model.highest to the value of white"
        )
    return Gan(
        generator=_generator(input_shape, latent, depth, filters, white),
        discriminator=_discriminator(input_shape, depth, filters, dropout, mean, variance),
    )


@keras.saving.register_keras_serializable("truefit")
class Gan(keras.Model):  # type: ignore[misc]
    """Trains `generator` (latent -> raw pixels) against `discriminator` (raw pixels -> logit).

    In training its loss is the sum of both players' losses (Goodfellow et al. 2014, the generator's
    in the form that does not saturate). Otherwise it is the energy distance between the rows and as
    many generated ones, the same ones each time, so that a validation loss means something.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model, **given: object) -> None:
        """Both players are Keras models."""
        super().__init__(**{"name": "gan", **given})
        self.generator, self.discriminator = generator, discriminator
        self.noise = keras.random.SeedGenerator()
        self.generator_loss = keras.metrics.Mean(name="generator_loss")
        self.discriminator_loss = keras.metrics.Mean(name="discriminator_loss")

    def call(self, rows: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """As many generated images as there are rows; outside training the same ones each time."""
        shape = (keras.ops.shape(rows)[0], self.generator.input_shape[-1])
        seed = self.noise if training else EVALUATION_SEED
        return self.generator(keras.random.normal(shape, seed=seed), training=training)

    def compute_loss(
        self,
        x: keras.KerasTensor | None = None,
        y: keras.KerasTensor | None = None,  # noqa: ARG002 - Keras' signature
        y_pred: Any = None,
        sample_weight: keras.KerasTensor | None = None,  # noqa: ARG002 - Keras' signature
        training: bool = True,
    ) -> keras.KerasTensor:
        """The players' losses in training, a distance between `x` and `y_pred` otherwise."""
        x = keras.ops.cast(x, y_pred.dtype)
        on_real = self.discriminator(x, training=training)
        on_fake = self.discriminator(keras.ops.stop_gradient(y_pred), training=training)
        judging = keras.ops.mean(keras.ops.softplus(-on_real) + keras.ops.softplus(on_fake))
        fooling = keras.ops.mean(keras.ops.softplus(-self._frozen_verdict(y_pred, training)))
        self.discriminator_loss.update_state(judging)
        self.generator_loss.update_state(fooling)
        return judging + fooling if training else self._distance(x, y_pred)

    def _frozen_verdict(self, images: keras.KerasTensor, training: bool) -> keras.KerasTensor:
        """The discriminator's logits; no gradient reaches its weights."""
        judge = self.discriminator
        frozen = [(v, keras.ops.stop_gradient(v.value)) for v in judge.trainable_variables]
        frozen += [(v, v.value) for v in judge.non_trainable_variables]
        with keras.StatelessScope(state_mapping=frozen):
            return judge(images, training=training)

    def _distance(self, x: keras.KerasTensor, y: keras.KerasTensor) -> keras.KerasTensor:
        """Energy distance in units of the discriminator's input."""
        normalize = self.discriminator.get_layer("normalize")
        return energy_distance(normalize(x), normalize(y))

    def get_config(self) -> dict[str, object]:
        """The arguments that make an equal model."""
        players = {"generator": self.generator, "discriminator": self.discriminator}
        return {
            **super().get_config(),
            **{k: keras.saving.serialize_keras_object(v) for k, v in players.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, object], custom_objects: object = None) -> Gan:  # noqa: ARG003
        """The model whose `get_config` was `config`."""
        players = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in ("generator", "discriminator")
        }
        return cls(**{**config, **players})


def energy_distance(x: keras.KerasTensor, y: keras.KerasTensor) -> keras.KerasTensor:
    """2 E|x - y| - E|x - x'| - E|y - y'|, 0 for equal distributions, as a mean per number.

    Szekely & Rizzo 2013, estimated without bias (pairs of different rows), so that it does not
    depend on the number of rows. |.| is the Euclidean norm over all but the first axis, divided by
    the root of their count.

    Args:
        x: (rows, height, width, channels).
        y: the same shape.
    """
    _, height, width, channels = x.shape
    x, y = (keras.ops.reshape(part, (-1, height * width * channels)) for part in (x, y))
    count = keras.ops.cast(keras.ops.shape(x)[0], x.dtype)
    pairs = keras.ops.maximum(count * (count - 1), 1.0)
    between = keras.ops.mean(_distances(x, y))
    within = keras.ops.sum(_distances(x, x)) + keras.ops.sum(_distances(y, y))
    return 2 * between - within / pairs


def _distances(x: keras.KerasTensor, y: keras.KerasTensor) -> keras.KerasTensor:
    """Root mean square difference of each row of `x` to each of `y`."""
    squares = keras.ops.mean(x**2, axis=1)[:, None] + keras.ops.mean(y**2, axis=1)[None]
    products = keras.ops.matmul(x, keras.ops.transpose(y)) / x.shape[1]
    return keras.ops.sqrt(keras.ops.maximum(squares - 2 * products, 0.0))


def _generator(
    shape: tuple[int, ...], latent: int, depth: int, filters: int, highest: float
) -> keras.Model:
    """Latent numbers to raw pixels 0 .. `highest`; what is larger than `shape` is cut to it."""
    height, width = (-(-side // 2**depth) for side in shape[:2])
    inputs = keras.Input((latent,))
    hidden = keras.layers.Dense(height * width * filters * 2 ** (depth - 1))(inputs)
    hidden = keras.layers.Reshape((height, width, -1))(hidden)
    for block in reversed(range(depth)):
        hidden = keras.layers.BatchNormalization(momentum=MOMENTUM)(hidden)
        channels = filters * 2 ** (block - 1) if block else shape[2]
        hidden = keras.layers.Conv2DTranspose(channels, 4, strides=2, padding="same")(
            keras.layers.ReLU()(hidden)
        )
    excess = (height * 2**depth - shape[0], width * 2**depth - shape[1])
    hidden = keras.layers.Cropping2D(((0, excess[0]), (0, excess[1])))(hidden)
    bounded = keras.layers.Activation("tanh")(hidden)
    raw = keras.layers.Rescaling(highest / 2, offset=highest / 2)(bounded)
    return keras.Model(inputs, raw, name="generator")


def _discriminator(
    shape: tuple[int, ...],
    depth: int,
    filters: int,
    dropout: float,
    mean: list[float],
    variance: list[float],
) -> keras.Model:
    """Raw pixels to the logit of being real."""
    inputs = keras.Input(shape)
    hidden = keras.layers.Normalization(mean=mean, variance=variance, name="normalize")(inputs)
    for block in range(depth):
        hidden = keras.layers.Conv2D(filters * 2**block, 4, strides=2, padding="same")(hidden)
        hidden = keras.layers.Dropout(dropout)(keras.layers.LeakyReLU(0.2)(hidden))
    logit = keras.layers.Dense(1)(keras.layers.Flatten()(hidden))
    return keras.Model(inputs, logit, name="discriminator")
