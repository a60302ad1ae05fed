"""The multi-layer network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.activations import Activation, activation
from chainrule.nn.initial import scale_for
from chainrule.nn.linear import Linear
from chainrule.nn.sequential import call_layer
from chainrule.tracing.trees import static, tree

Array: TypeAlias = Any


@tree
class MLP:
    """Linear layers with an activation between them and none after the last.

    Args:
        sizes: numbers per example: in, after each hidden layer, out. Two sizes make a linear
            model.
        rng: a seed or a generator for the initial weights; biases begin at 0.
        activation: a name in ``nn.ACTIVATIONS`` or a NumPy function of one array.
        dtype: float32 or float64.

    Shapes:
        x: (batch, sizes[0]) -> y: (batch, sizes[-1]); a single example (sizes[0],) too.
        layers[k].weight: (sizes[k + 1], sizes[k]). layers[k].bias: (sizes[k + 1],).

    Raises:
        ShapeError: fewer than two sizes or one below 1; x is not as wide as sizes[0].
        TrainingError: no activation has this name.
        DTypeError: another dtype.

    Source:
        Rumelhart, Hinton & Williams 1986, Learning Representations by Back-Propagating Errors.
        Initial weights: He et al. 2015 for ReLU and its kin, Glorot & Bengio 2010 for tanh, the
        sigmoid and the identity, LeCun et al. 1998 for SELU (as its paper asks): ``nn.initial``.

    Example:
        >>> model = MLP([784, 128, 10])
        >>> model
        MLP([784, 128, 10], activation='relu', dtype=float32)
        >>> model(np.zeros((32, 784), np.float32)).shape
        (32, 10)
    """

    layers: tuple[Linear, ...]
    activation: str | Activation = static()

    __eq__ = object.__eq__  # as for Linear
    __hash__ = object.__hash__

    def __init__(
        self,
        sizes: Sequence[int],
        rng: int | np.random.Generator = 0,
        activation: str | Activation = "relu",
        dtype: Any = np.float32,
    ) -> None:
        scale = scale_for(_name(activation))
        rng = np.random.default_rng(rng)
        layers = tuple(
            Linear.init(n_in, n_out, rng, dtype, scale)
            for n_in, n_out in zip(_checked(sizes), sizes[1:], strict=False)
        )
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "activation", activation)

    def __call__(self, x: Array) -> Array:
        between = activation(self.activation)
        last = len(self.layers) - 1
        for k, layer in enumerate(self.layers):
            x = call_layer(k, layer, x)
            x = x if k == last else between(x)
        return x

    @property
    def sizes(self) -> list[int]:
        """Numbers per example: in, after each hidden layer, out."""
        return [self.layers[0].weight.shape[1], *(x.weight.shape[0] for x in self.layers)]

    def __repr__(self) -> str:
        if not all(hasattr(x, "weight") and hasattr(x.weight, "dtype") for x in self.layers):
            return f"MLP(layers={self.layers!r}, activation={_name(self.activation)!r})"
        dtype = self.layers[0].weight.dtype
        return f"MLP({self.sizes}, activation={_name(self.activation)!r}, dtype={dtype})"


def _name(which: str | Activation) -> str:
    return str(getattr(activation(which), "__name__", which))


def _checked(sizes: Sequence[int]) -> Sequence[int]:
    if len(sizes) < 2 or any(n < 1 for n in sizes):
        raise ShapeError(
            f"MLP({list(sizes)}): expected at least two sizes, none below 1",
            "MLP([4, 16, 3]) takes 4 numbers per example and returns 3",
        )
    return sizes
