"""Moves and convolutions, by their pattern."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.layers.values import Maker, Value


def moved(v: Value, make: Maker) -> Value | None:
    """Several moves of an array of many axes are one; windows on it are its patches."""
    (x,) = v.inputs
    if x.op == "conv" and v.op == "transpose":
        return _after_convolution(v, x, make)
    if x.op not in _MOVES or max(v.rank, x.rank) < 3 or x.inputs[0].rank == 0:
        return None
    if v.call is None or x.call is None or _is_matrix_move(v) or _is_matrix_move(x):
        return None
    inner, outer, shape = x.call, v.call, x.shape
    is_window = "shear" in (v.op, x.op) or "patches" in (v.op, x.op)

    def call(array: Any) -> Any:
        return outer(np.reshape(inner(array), shape))

    at = {"of": (*x.attributes.items(), x.op, *v.attributes.items(), v.op)}
    return make("patches" if is_window else "rearrange", x.inputs, v.data, call, **at)


def _is_matrix_move(v: Value) -> bool:
    """A transposition of matrices, also of a stack of them, has a form of its own."""
    axes = v.attributes.get("axes")
    return v.op == "transpose" and axes == (*range(v.rank - 2), v.rank - 1, v.rank - 2)


def convolution(v: Value, make: Maker) -> Value | None:
    """The product of an array's patches with a kernel."""
    patches, kernel = v.inputs
    if patches.op != "patches" or v.call is None or patches.call is None:
        return None
    inner, outer, shape = patches.call, v.call, patches.shape

    def call(array: Any, weight: Any) -> Any:
        return outer(np.reshape(inner(array), shape), weight)

    at = {"of": (*patches.attributes.items(), *v.attributes.items())}
    return make("conv", (patches.inputs[0], kernel), v.data, call, **at)


def _after_convolution(v: Value, conv: Value, make: Maker) -> Value | None:
    """The axes of a convolution in the order that the program wants."""
    if v.call is None or conv.call is None:
        return None
    inner, outer, shape = conv.call, v.call, conv.shape

    def call(array: Any, weight: Any) -> Any:
        return outer(np.reshape(inner(array, weight), shape))

    at = {"of": (*conv.attributes.items(), *v.attributes.items())}
    return make("conv", conv.inputs, v.data, call, **at)


_MOVES: Final = frozenset(
    ("broadcast", "reshape", "transpose", "slice", "pad", "shear", "unshear", "rearrange",
     "patches")
)  # fmt: skip
