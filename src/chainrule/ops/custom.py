"""``custom``: results in the body of a loop or branch that bring their own backward pass.

Operands: the results as they were worked out, the arguments that they are derived by, and what the
backward pass reads besides. ``back`` takes (what it reads, the cotangents of the floating-point
results) and gives the cotangents of the floating-point arguments, linear in the cotangents. No
cotangent flows on through the results themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.graph import Graph
from chainrule.ir.types import ArrayType
from chainrule.ops.apply import bind
from chainrule.ops.bodies import (
    TOKEN,
    Array,
    Mask,
    Values,
    chosen,
    floats,
    given,
    in_front,
    items,
    or_zeros,
    placed,
    replay,
    trace_body,
    transform,
    type_of,
    zeros,
)
from chainrule.ops.record import Joint, Primitive, register


def _custom_type(*types: ArrayType, back: Graph, results: int, arguments: int) -> ArrayType:
    ys, rest = types[:results], types[results + arguments :]
    if [node.type for node in back.inputs] != [*rest, *chosen(ys, floats(ys))]:
        raise ShapeError("a backward pass takes other types than it is given")
    return TOKEN


def _parts(operands: Sequence[Any], results: int, arguments: int) -> tuple[Values, Values, Values]:
    end = results + arguments
    return list(operands[:results]), list(operands[results:end]), list(operands[end:])


def _types(values: Sequence[Array]) -> list[ArrayType]:
    return [type_of(x) for x in values]


def _back(
    g: Any, y: Array, wanted: Mask, *operands: Array, back: Graph, results: int, arguments: int
) -> Values:
    ys, xs, rest = _parts(operands, results, arguments)
    types = _types(ys)
    gs = [or_zeros(c, t) for c, t in zip(given(g, results), types, strict=True)]
    owed = replay(back, [*rest, *chosen(gs, floats(types))])
    return [*[None] * results, *placed(owed, floats(_types(xs))), *[None] * len(rest)]


def _forward(
    tangents: Sequence[Any], *operands: Array, back: Graph, results: int, arguments: int
) -> Any:
    """The transpose of the backward pass: the derivative of what it owes by its cotangents."""
    ys, xs, rest = _parts(operands, results, arguments)
    on, types = floats(_types(ys)), _types(xs)
    along = [or_zeros(t, k) for t, k in zip(tangents[results:], types, strict=False)]
    at = [zeros(type_of(y)) for y in chosen(ys, on)]
    dots = transform("pull_back")(
        lambda gs: replay(back, [*rest, *gs]), at, (True,) * len(at), chosen(along, floats(types))
    )
    return tuple(ys), tuple(placed(dots, on))


def _batched(
    size: int, mapped: Mask, *operands: Array, back: Graph, results: int, arguments: int
) -> Any:
    """The backward pass of all examples; what is the same for all is owed the sum of theirs."""
    ys, xs, rest = _parts(operands, results, arguments)
    own, x_on, rest_on = _parts(mapped, results, arguments)
    ys = [in_front(y, size, on) for y, on in zip(ys, own, strict=True)]
    there = [on for on, x in zip(x_on, xs, strict=True) if type_of(x).is_float]
    gs = chosen(ys, floats(_types(ys)))

    def step(values: Values) -> Values:
        flags = (*rest_on, *[True] * len(gs))
        found, have = transform("spread")(lambda v: replay(back, v), size, flags, values)
        every = [in_front(t, size, on) for t, on in zip(found, have, strict=True)]
        pairs = zip(every, there, strict=True)
        return [t if on else np.sum(t, axis=0) for t, on in pairs]

    new, around = trace_body(step, _types([*rest, *gs]))
    rest = [*around, *rest]
    token = bind("custom", *ys, *xs, *rest, back=new, results=results, arguments=arguments)
    return tuple(items(token, _types(ys)))


# fmt: off
custom = register(Primitive(
    name="custom", shape=_custom_type,
    evaluate=lambda *operands, back, results, arguments: tuple(operands[:results]),
    vjp=Joint(_back), jvp=Joint(_forward), batched=_batched, lower=None,
    domain=(0.0, 0.0), source="what the user says it is",
))
# fmt: on
