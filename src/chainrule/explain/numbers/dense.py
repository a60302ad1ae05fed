"""A chain of dense layers, read out of the layers that were visited: its units and its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.explain.numbers.jacobians import Product
from chainrule.explain.numbers.layers import Given, Layer

if TYPE_CHECKING:
    from chainrule.explain.numbers.backpropagation import Backpropagation

Array = Any


@dataclass(frozen=True, eq=False)
class Units:
    """The units of one column, a batch taken together.

    Attributes:
        title: what they are: "x", "layers.0".
        kind: "input", "Linear, relu".
        value: (n,), after the activation; the mean over the rows.
        delta: (n,) ∂L/∂z before the activation, added up over the rows; None if not known.
        weight, gradient: (n, n_in) W and ∂L/∂W of what leads here; None for the input.
        layers: numbers of the layers that these are.
        passed: length of the gradient that goes back from here, to the units before.
        silent: how many are 0 in every row.
    """

    title: str
    kind: str
    value: Array
    delta: Array | None
    weight: Array | None
    gradient: Array | None
    layers: tuple[int, ...]
    passed: float | None
    silent: int


def dense_chain(found: Backpropagation) -> tuple[Units, ...] | None:
    """Input first; None where the network is no chain of dense layers and activations."""
    if not found.layers:
        return None
    loss, *others = found.layers
    forward = others[::-1]
    if (
        not forward
        or not _is_chain([*forward, loss])
        or any(
            g.source is None and np.ndim(g.value) > 1 and _is_weight(loss, g) for g in loss.leaves
        )
    ):
        return None
    while forward and _is_flatten(forward[0]):
        forward = forward[1:]
    columns: list[Units] = []
    for layer in forward:
        weight = _weight(layer)
        if weight is not None:
            columns = columns or [_input(found, layer, weight)]
            columns.append(_dense(layer, weight))
        elif columns and columns[-1].weight is not None and _is_activation(layer, columns[-1]):
            columns[-1] = _activated(columns[-1], layer)
        else:
            return None
    return tuple(columns) if len(columns) > 1 else None


def _is_chain(forward: Sequence[Layer]) -> bool:
    """Whether each layer passes back to the one before it and to no other."""
    for before, layer in pairwise(forward):
        if [given.source for given in layer.passed] != [before.number]:
            return False
    return not forward[0].passed


def _is_weight(layer: Layer, given: Given) -> bool:
    return isinstance(given.jacobian, Product)


def _is_flatten(layer: Layer) -> bool:
    size = np.size(layer.value)
    return (
        not layer.passed
        and len(layer.leaves) == 1
        and np.size(layer.leaves[0].value) == size
        and _weight(layer) is None
    )


def _weight(layer: Layer) -> Given | None:
    """The matrix of a product of rows with it."""
    if np.ndim(layer.value) not in (1, 2) or isinstance(layer.value, tuple):
        return None
    for given in layer.leaves:
        is_matrix = len(given.shape) == 2 and isinstance(given.jacobian, Product)
        if is_matrix and _order(given) is not None:
            return given
    return None


def _order(given: Given) -> tuple[int, int] | None:
    """Axes of the matrix that number what comes out and what goes in."""
    product = given.jacobian
    assert isinstance(product, Product)
    result, other, own = product.letters
    out = [k for k, letter in enumerate(own) if letter in result and letter not in other]
    inner = [k for k, letter in enumerate(own) if letter in other and letter not in result]
    is_last = bool(out) and result.endswith(own[out[0]])
    return (out[0], inner[0]) if len(out) == len(inner) == 1 and is_last else None


def _rows_summed(x: Array) -> Array:
    x = np.asarray(x, np.float64)
    return np.sum(x, axis=0) if x.ndim == 2 else x


def _rows_mean(x: Array) -> Array:
    x = np.asarray(x, np.float64)
    return np.mean(x, axis=0) if x.ndim == 2 else x


def _dense(layer: Layer, weight: Given) -> Units:
    order = _order(weight)
    turned = np.transpose(weight.value, order), np.transpose(weight.gradient, order)
    back = [*layer.passed, *(g for g in layer.leaves if _is_input(g, layer, weight))]
    return Units(
        layer.name or layer.kind, layer.kind, _rows_mean(layer.value), _rows_summed(layer.delta),
        *turned, (layer.number,), back[0].norm if back else None, 0,
    )  # fmt: skip


def _is_input(given: Given, layer: Layer, weight: Given) -> bool:
    """A leaf that the matrix is applied to."""
    return given is not weight and isinstance(given.jacobian, Product)


def _input(found: Backpropagation, layer: Layer, weight: Given) -> Units:
    product, order = weight.jacobian, _order(weight)
    assert isinstance(product, Product) and order is not None
    _, _, rows = product.stack
    value = np.mean(np.asarray(product.other, np.float64), axis=rows) if rows else product.other
    width = np.size(value)
    followed = [g for g in found.layers[-1].leaves if g.to != weight.to and g.source is None]
    data = [
        g
        for g in followed
        if np.size(g.value) % width == 0 and np.size(g.value) == np.size(product.other)
    ]
    delta = np.reshape(data[0].gradient, (-1, width)).sum(axis=0) if data else None
    title = data[0].to if data else "input"
    return Units(title, "input", np.ravel(value), delta, None, None, (), None, 0)


def _is_activation(layer: Layer, before: Units) -> bool:
    """A layer that keeps the shape and reads nothing else."""
    return (
        not layer.leaves
        and np.shape(layer.value)[-1:] == np.shape(before.value)
        and not before.kind.count(",")
    )


def _activated(before: Units, layer: Layer) -> Units:
    silent = layer.dead[0] if layer.dead is not None else 0
    return Units(
        before.title, f"{before.kind}, {layer.kind}", _rows_mean(layer.value), before.delta,
        before.weight, before.gradient, (*before.layers, layer.number), before.passed, silent,
    )  # fmt: skip
