"""A multi-layer perceptron written in PyTorch, trained by Keras on its torch backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import keras
from annotated_types import Ge, Lt

if TYPE_CHECKING:
    from torch import nn


def torch_mlp(
    input_shape: tuple[int, ...],
    num_outputs: int,
    *,
    depth: Annotated[int, Ge(0)] = 1,
    units: Annotated[int, Ge(1)] = 256,
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
) -> keras.Model:
    """A `torch.nn.Module` of `depth` hidden layers with ReLU, and a linear output.

    Args:
        input_shape: of one example; images are flattened.
        num_outputs: units of the linear output.
        depth: hidden layers.
        units: in each of them.
        dropout: share of units left out in training.

    Raises:
        ValueError: Keras runs on another backend than torch.
    """
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    widths = [flat.shape[-1], *[units] * depth, num_outputs]
    return keras.Model(inputs, TorchDense(widths, dropout)(flat), name="torch_mlp")


@keras.saving.register_keras_serializable("truefit")
class TorchDense(keras.layers.Layer):  # type: ignore[misc]
    """Linear layers of PyTorch with ReLU and dropout between them.

    Only widths and rates are saved beside the weights, so that it loads in safe mode: Keras' own
    wrapper alone would save the module as a pickle.
    """

    def __init__(self, widths: list[int], dropout: float = 0.0, **given: object) -> None:
        """`widths`: of the input, of each hidden layer, of the output; `dropout`: a share.

        Raises:
            ValueError: Keras runs on another backend than torch.
        """
        super().__init__(**given)
        if keras.backend.backend() != "torch":
            raise ValueError(
                f"model torch_mlp is a PyTorch module and needs `backend: torch`, received backend "
                f"{keras.backend.backend()}; set `backend: torch` or use model=mlp"
            )
        self.widths, self.dropout = list(widths), dropout
        self.net = keras.layers.TorchModuleWrapper(_network(self.widths, dropout))

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """The last layer's linear units, (rows, widths[-1])."""
        return self.net(inputs, training=bool(training))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(rows, widths[-1])."""
        return (*input_shape[:-1], self.widths[-1])

    def get_config(self) -> dict[str, object]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "widths": self.widths, "dropout": self.dropout}


def _network(widths: list[int], dropout: float) -> nn.Module:
    from torch import nn  # noqa: PLC0415 - an optional dependency, needed by this model alone

    layers: list[nn.Module] = []
    before, *hidden, last = widths
    for width in hidden:
        layers += [nn.Linear(before, width), nn.ReLU(), nn.Dropout(dropout)]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, last))
