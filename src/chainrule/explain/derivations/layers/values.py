"""A graph as mathematics has it: no axes of length one, no copies, every value with its number.

A row (1, n) and a column (n, 1) of a program are both a vector here, and what a program repeats to
add it to more is repeated only where it is no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.ops import PRIMITIVES, NoGradient
from chainrule.ops.record import POINTWISE

Array: TypeAlias = Any
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Value:
    """An operation on other values, and its number at the point that is explained.

    Attributes:
        op: "input", "constant", a primitive of ``chainrule.ops`` or a larger piece.
        inputs: what it is made of.
        data: its number; float64 where it is no whole number; no axis has the length one.
        attributes: of the operation, axes counted without those of length one.
        call: its meaning on NumPy arrays or tracers of the inputs' shapes.
        live: whether the gradient passes through it.
        fixed: whether it depends on no floating-point argument: a constant, or made of labels.
        uniform: whether it is one number, repeated.
    """

    op: str
    inputs: tuple[Value, ...]
    data: Array
    attributes: Mapping[str, Any] = field(default_factory=dict)
    call: Callable[..., Any] | None = None
    live: bool = False
    fixed: bool = False
    uniform: bool = False

    @property
    def shape(self) -> Shape:
        return tuple(np.shape(self.data))

    @property
    def rank(self) -> int:
        return int(np.ndim(self.data))

    @property
    def number(self) -> float | None:
        """The one number that a constant is."""
        if self.op != "constant" or not self.uniform or not np.size(self.data):
            return None
        return float(np.ravel(self.data)[0])

    def __repr__(self) -> str:
        return f"<{self.op}: {self.shape}>"


class Maker:
    """Makes values, equal ones once."""

    def __init__(self) -> None:
        self._made: dict[Any, Value] = {}

    def __call__(
        self, op: str, inputs: tuple[Value, ...], data: Array, call: Any = None, **attributes: Any
    ) -> Value:
        key = (op, *(id(x) for x in inputs), repr(sorted(attributes.items())))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Value(
                op, inputs, squeezed(data), attributes, call,
                live=any(x.live for x in inputs) and op not in NO_GRADIENT,
                fixed=all(x.fixed for x in inputs),
                uniform=_is_uniform(op, inputs),
            )  # fmt: skip
        return found


#: What no gradient passes through.
NO_GRADIENT: Final = frozenset(
    ("stop_gradient", *(name for name, p in PRIMITIVES.items() if isinstance(p.vjp, NoGradient)))
)
#: One number at each place of the result, made of those at its place.
SPREADING: Final = "broadcast"


#: What lays numbers elsewhere, or in several places, and computes nothing.
LINEAR_MOVES: Final = frozenset(
    ("broadcast", "reshape", "transpose", "slice", "pad", "shear", "unshear", "rearrange",
     "patches", "sum")
)  # fmt: skip


def _is_uniform(op: str, inputs: tuple[Value, ...]) -> bool:
    if op == SPREADING:
        return inputs[0].uniform or inputs[0].rank == 0
    return op in POINTWISE_OPS and all(x.uniform or x.rank == 0 for x in inputs)


#: Each element of the result is made of those at its place.
POINTWISE_OPS: Final = frozenset(
    name for name, p in PRIMITIVES.items() if p.batched == POINTWISE and p.vjp != ()
) | {"square", "relu"}


def constant(data: Array) -> Value:
    """An array of the program's own: known, the same for every argument."""
    small = squeezed(data)
    uniform = small.size > 0 and bool(np.all(small == small.flat[0]))
    return Value("constant", (), small, fixed=True, uniform=uniform)


def squeezed(data: Array) -> Array:
    """Without axes of length one; floating-point numbers as float64."""
    array = np.asarray(data)
    small = array.reshape(kept(array.shape))
    return small.astype(np.float64) if small.dtype.kind == "f" else small


def kept(shape: Any) -> Shape:
    """The sizes of the axes that are longer than one."""
    return tuple(n for n in shape if n != 1)


def place(shape: Any, axis: int) -> int | None:
    """The number that an axis has without those of length one; None for such a one."""
    return None if shape[axis] == 1 else sum(n != 1 for n in shape[:axis])


def places(shape: Any, axes: Any) -> tuple[int, ...]:
    """Those axes that are left, in the order given."""
    found = (place(shape, axis) for axis in axes)
    return tuple(k for k in found if k is not None)


def count(shape: Shape) -> int:
    """How many elements an array has."""
    return math.prod(shape)
