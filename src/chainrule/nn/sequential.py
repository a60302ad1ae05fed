"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError, TrainingError
from chainrule.tracing.trees import flatten, static, tree

Array: TypeAlias = Any
Layer: TypeAlias = Callable[[Array], Array]


@tree
class Function:
    """A plain function as a layer: it has no parameters, all of it is structure.

    Example:
        >>> layer = Function(abs)
        >>> layer(-2.0), flatten(layer)[0]
        (2.0, [])
    """

    function: Layer = static()

    def __call__(self, x: Array) -> Array:
        return self.function(x)

    def __repr__(self) -> str:
        return str(getattr(self.function, "__name__", self.function))


@tree
class Sequential:
    """The first layer's output goes into the second, and so on.

    Args:
        layers: trees of arrays with a call (``Linear``, another ``Sequential``, a dataclass of
            your own) and plain functions such as ``nn.relu``, which have no parameters.

    Shapes:
        x: what the first layer takes -> what the last one returns.

    Raises:
        TrainingError: a layer cannot be called, or holds arrays and is no tree.
        ShapeError: a layer's output does not fit the next one; the message names the layer.

    Example:
        >>> import numpy as np
        >>> from chainrule import nn
        >>> model = Sequential(nn.Linear.init(3, 8, rng=0), nn.tanh, nn.Linear.init(8, 1, rng=1))
        >>> model
        Sequential(Linear(3 -> 8, float32), tanh, Linear(8 -> 1, float32))
        >>> model(np.zeros((5, 3), np.float32)).shape
        (5, 1)
    """

    layers: tuple[Layer, ...]

    __eq__ = object.__eq__  # as for Linear
    __hash__ = object.__hash__

    def __init__(self, *layers: Layer) -> None:
        object.__setattr__(self, "layers", tuple(map(_as_layer, range(len(layers)), layers)))

    def __call__(self, x: Array) -> Array:
        for k, layer in enumerate(self.layers):
            x = call_layer(k, layer, x)
        return x

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))})"


def _as_layer(k: int, layer: Any) -> Layer:
    """The layer itself where it is a tree of arrays, else a function made part of the structure."""
    if not callable(layer) or isinstance(layer, type):
        raise TrainingError(
            f"Sequential: layer {k} is {_kind(layer)}; expected a layer or a function",
            "write Sequential(*layers)" if isinstance(layer, list | tuple) else "",
        )
    leaves, _ = flatten(layer)
    made: Layer = layer
    if len(leaves) == 1 and leaves[0] is layer:
        _refuse_hidden_arrays(k, layer)
        made = Function(layer)
    return made


def _refuse_hidden_arrays(k: int, layer: Any) -> None:
    """Arrays on an object that is no tree would be left out of the training without a word."""
    hidden = [n for n, x in getattr(layer, "__dict__", {}).items() if isinstance(x, np.ndarray)]
    if hidden:
        raise TrainingError(
            f"Sequential: layer {k} is {_kind(layer)}, which is no tree: {', '.join(hidden)} would"
            " not be trained",
            "make its class a dataclass; or pass a function, if these are constants",
        )


def _kind(x: Any) -> str:
    return f"the class {x.__name__}" if isinstance(x, type) else f"of type {type(x).__name__}"


def call_layer(k: int, layer: Layer, x: Array) -> Array:
    """``layer(x)``; an error in sizes says which layer it was, by the name of its leaves."""
    try:
        return layer(x)
    except ShapeError as error:
        raise ShapeError(f"layers.{k}: {error.message}", error.hint) from None
