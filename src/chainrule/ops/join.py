"""One array behind another. The tracing joins two at a time, the compiler takes all at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.apply import bind
from chainrule.ops.record import Primitive, register

Array = Any


def _joined_type(*parts: ArrayType, axis: int) -> ArrayType:
    first = parts[0]
    sizes = [x.shape[axis] if 0 <= axis < x.rank else None for x in parts]
    sides = {(x.dtype, x.shape[:axis], x.shape[axis + 1 :]) for x in parts}
    if len(sides) != 1 or not all(isinstance(n, int) for n in sizes):
        raise ShapeError(f"{', '.join(map(str, parts))} cannot be joined along axis {axis}")
    return first.with_shape((*first.shape[:axis], sum(sizes), *first.shape[axis + 1 :]))  # type: ignore[arg-type]


def _part(g: Array, axis: int, start: int, size: int) -> Array:
    rank = len(g.shape)
    starts = tuple(start if k == axis else 0 for k in range(rank))
    shape = tuple(size if k == axis else n for k, n in enumerate(g.shape))
    return bind("slice", g, starts=starts, shape=shape, steps=(1,) * rank)


def _forward(tangents: Any, y: Array, *parts: Array, axis: int) -> Array:
    filled = [np.zeros_like(x) if t is None else t for t, x in zip(tangents, parts, strict=True)]
    return bind("concatenate", *filled, axis=axis)


def _batched(size: int, mapped: tuple[bool, ...], *parts: Array, axis: int) -> Array:
    whole = [
        x if is_mapped else np.broadcast_to(x, (size, *x.shape))
        for x, is_mapped in zip(parts, mapped, strict=True)
    ]
    return bind("concatenate", *whole, axis=axis + 1)


# fmt: off
concatenate = register(Primitive(
    name="concatenate", shape=_joined_type,
    evaluate=lambda *parts, axis: np.concatenate(parts, axis),
    vjp=(lambda g, y, a, b, *, axis: _part(g, axis, 0, a.shape[axis]),
         lambda g, y, a, b, *, axis: _part(g, axis, a.shape[axis], b.shape[axis])),
    jvp=_forward, batched=_batched, lower=None,
    domain=(-3.0, 3.0), source="the adjoint of joining is taking the parts",
))
# fmt: on
