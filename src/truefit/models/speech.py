"""Convolutional network on log-mel spectrograms, for short sounds."""

from __future__ import annotations

from typing import Annotated

import keras
from annotated_types import Ge, Gt, Le, Lt

FULL_SCALE = 32768.0  # of 16-bit samples
# Normalisation follows the training within an epoch of few steps, which Keras' 0.99 does not.
MOMENTUM = 0.9
POWER_FLOOR = 1e-6  # keeps digital silence finite; well below the quietest frame of a recording


def speech(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    rate: Annotated[int, Ge(1)] = 8000,
    mels: Annotated[int, Ge(8)] = 40,
    window: Annotated[float, Gt(0)] = 0.032,
    hop: Annotated[float, Gt(0)] = 0.016,
    depth: Annotated[int, Ge(1)] = 3,
    filters: Annotated[int, Ge(1)] = 24,
    time_mask: Annotated[float, Ge(0), Le(1)] = 0.3,
    frequency_mask: Annotated[float, Ge(0), Le(1)] = 0.4,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.3,
) -> keras.Model:
    """Log-mel spectrogram, SpecAugment, `depth` blocks of convolution and pooling, linear output.

    Each clip's spectrogram is brought to mean 0 and variance 1, so loudness does not matter.

    Args:
        input_shape: (samples,), 16-bit integers.
        num_outputs: units of the linear output.
        rate: samples per second.
        mels: bands of the spectrogram.
        window: seconds that one frame looks at.
        hop: seconds from one frame to the next.
        depth: blocks; each halves the spectrogram and doubles the filters.
        filters: of the first block.
        time_mask: largest share of the frames hidden at once in training.
        frequency_mask: largest share of the bands hidden at once in training.
        dropout: share of the last features left out in training.

    Raises:
        ValueError: the input is no sound, or too short for `depth` halvings.
    """
    if len(input_shape) != 1:
        raise ValueError(
            f"model speech needs sound (samples,), received examples of shape "
            f"{tuple(input_shape)}; model=cnn takes images"
        )
    inputs = keras.Input(input_shape, dtype="float32")
    hidden = _log_mel(inputs, rate, mels, window, hop)
    if min(hidden.shape[1:]) < 2**depth:
        raise ValueError(
            f"model.depth={depth} halves a spectrogram of {hidden.shape[1]} bands x "
            f"{hidden.shape[2]} frames below one point: lower model.depth and its range"
        )
    hidden = SpecAugment(time_mask, frequency_mask)(hidden)
    hidden = _convolutions(keras.layers.Reshape((*hidden.shape[1:], 1))(hidden), depth, filters)
    hidden = keras.layers.Dropout(dropout)(_over_time(hidden))
    return keras.Model(inputs, keras.layers.Dense(num_outputs)(hidden), name="speech")


def _log_mel(
    samples: keras.KerasTensor, rate: int, mels: int, window: float, hop: float
) -> keras.KerasTensor:
    """(mels, frames), mean 0 and variance 1 within each clip."""
    length = round(rate * window)
    power = keras.layers.MelSpectrogram(
        fft_length=1 << (length - 1).bit_length(),
        sequence_length=length,
        sequence_stride=round(rate * hop),
        sampling_rate=rate,
        num_mel_bins=mels,
        mag_exp=2.0,
        min_freq=20.0,
        # Its own decibels are cut relative to the loudest clip of the batch.
        power_to_db=False,
    )(keras.layers.Rescaling(1 / FULL_SCALE)(samples))
    logs = keras.ops.log(power + POWER_FLOOR)
    return keras.layers.LayerNormalization(axis=(1, 2), center=False, scale=False)(logs)


def _convolutions(hidden: keras.KerasTensor, depth: int, filters: int) -> keras.KerasTensor:
    for block in range(depth):
        hidden = keras.layers.Conv2D(filters * 2**block, 3, padding="same", use_bias=False)(hidden)
        hidden = keras.layers.BatchNormalization(momentum=MOMENTUM)(hidden)
        hidden = keras.layers.MaxPooling2D()(keras.layers.ReLU()(hidden))
    return hidden


def _over_time(hidden: keras.KerasTensor) -> keras.KerasTensor:
    """The largest and the mean value over time of each band and channel: pitch keeps its place."""
    _, bands, frames, channels = hidden.shape
    hidden = keras.layers.Permute((2, 1, 3))(hidden)
    hidden = keras.layers.Reshape((frames, bands * channels))(hidden)
    largest = keras.layers.GlobalMaxPooling1D()(hidden)
    return keras.layers.Concatenate()([largest, keras.layers.GlobalAveragePooling1D()(hidden)])


@keras.saving.register_keras_serializable("truefit")
class SpecAugment(keras.layers.Layer):  # type: ignore[misc]
    """Hides a band of frequencies and a stretch of time of each clip, in training alone.

    Park et al. 2019, "SpecAugment", with one mask of each kind and without time warping. What is
    hidden becomes 0, the mean of a normalised spectrogram.
    """

    def __init__(self, time_mask: float, frequency_mask: float, **given: object) -> None:
        """The largest shares of frames and of bands that are hidden."""
        super().__init__(**given)
        self.time_mask, self.frequency_mask = time_mask, frequency_mask
        self.seed_generator = keras.random.SeedGenerator()

    def call(
        self, spectrogram: keras.KerasTensor, training: bool | None = None
    ) -> keras.KerasTensor:
        """`spectrogram` (rows, bands, frames) with the hidden places 0."""
        if not training:
            return spectrogram
        seen = self._seen(spectrogram, 1, self.frequency_mask)
        return spectrogram * seen * self._seen(spectrogram, 2, self.time_mask)

    def _seen(self, spectrogram: keras.KerasTensor, axis: int, share: float) -> keras.KerasTensor:
        """1 outside a random stretch of `axis` and 0 inside, for each row."""
        size, rows = spectrogram.shape[axis], keras.ops.shape(spectrogram)[0]
        width = share * size * keras.random.uniform((rows, 1), seed=self.seed_generator)
        start = (size - width) * keras.random.uniform((rows, 1), seed=self.seed_generator)
        place = keras.ops.arange(size, dtype="float32")[None] + 0.5
        hidden = keras.ops.logical_and(place > start, place < start + width)
        return keras.ops.expand_dims(keras.ops.cast(~hidden, spectrogram.dtype), 3 - axis)

    def get_config(self) -> dict[str, object]:
        """The arguments that make an equal layer."""
        masks = {"time_mask": self.time_mask, "frequency_mask": self.frequency_mask}
        return {**super().get_config(), **masks}
