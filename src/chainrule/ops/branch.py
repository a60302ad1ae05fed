"""``cond``: one of two bodies, by a condition that is known only when it runs.

Operands: the condition, then what both bodies take. Both give the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

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
    both,
    chosen,
    either,
    floats,
    given,
    in_front,
    items,
    needed,
    or_zeros,
    placed,
    reached,
    replay,
    trace_bodies,
    transform,
    type_of,
)
from chainrule.ops.record import Joint, Primitive, register

#: What is the same for all examples and has no more elements is repeated for them in a choice.
_FEW: Final = 64


def _types(body: Graph) -> list[ArrayType]:
    return [node.type for node in body.outputs]


def _cond_type(
    condition: ArrayType, *types: ArrayType, if_true: Graph, if_false: Graph
) -> ArrayType:
    if condition != TOKEN:
        raise ShapeError(f"a condition is bool[], not {condition}")
    for body in (if_true, if_false):
        if [node.type for node in body.inputs] != list(types):
            raise ShapeError("a branch takes other types than it is given")
    if _types(if_true) != _types(if_false):
        raise ShapeError("the branches give different types")
    return TOKEN


def _cond(condition: Array, *operands: Array, if_true: Graph, if_false: Graph) -> Any:
    found = replay(if_true if condition else if_false, [np.asarray(x) for x in operands])
    return tuple(map(np.asarray, found))


def branches(
    condition: Array, operands: Sequence[Array],
    derive: Callable[[Graph], Callable[[Values], Values]], if_true: Graph, if_false: Graph,
) -> Values:  # fmt: skip
    """The results of a cond of what is derived from either branch."""
    types = [type_of(x) for x in operands]
    new, around = trace_bodies([derive(if_true), derive(if_false)], types)
    token = bind("cond", condition, *around, *operands, if_true=new[0], if_false=new[1])
    return items(token, _types(new[0]))


def _cond_back(
    g: Any, y: Array, wanted: Mask, condition: Array, *operands: Array,
    if_true: Graph, if_false: Graph,
) -> Values:  # fmt: skip
    """The reverse mode of the branch that was taken; what the other alone needs gets zeros."""
    real = floats([type_of(x) for x in operands])
    whole = tuple(on and not is_real for on, is_real in zip(wanted[1:], real, strict=True))
    g = given(g, len(if_true.outputs))
    there = tuple(x is not None for x in g)
    matters = either(needed(if_true, there), needed(if_false, there))
    on = both(both(wanted[1:], real), matters)
    count = len(operands)

    def derive(body: Graph) -> Callable[[Values], Values]:
        def back(values: Values) -> Values:
            cotangents = placed(values[count:], there)
            pulled = transform("pull_back")(
                lambda xs: replay(body, xs), values[:count], on, cotangents, whole
            )
            pairs = zip(pulled, values[:count], strict=True)
            return [or_zeros(c, type_of(x)) for c, x in chosen(list(pairs), on)]

        return back

    inputs = [*operands, *chosen(g, there)]
    return [None, *placed(branches(condition, inputs, derive, if_true, if_false), on)]


def _cond_forward(
    tangents: Sequence[Any], condition: Array, *operands: Array, if_true: Graph, if_false: Graph
) -> Any:
    """Values and tangents of the branch that is taken."""
    on = tuple(t is not None for t in tangents[1:])
    moved = both(either(reached(if_true, on), reached(if_false, on)), floats(_types(if_true)))
    count = len(operands)

    def derive(body: Graph) -> Callable[[Values], Values]:
        def forward(values: Values) -> Values:
            found, dots = transform("push_forward")(
                lambda xs: replay(body, xs), values[:count], placed(values[count:], on)
            )
            pairs = list(zip(dots, found, strict=True))
            return [*found, *(or_zeros(d, type_of(x)) for d, x in chosen(pairs, moved))]

        return forward

    inputs = [*operands, *chosen(tangents[1:], on)]
    found = branches(condition, inputs, derive, if_true, if_false)
    results = len(if_true.outputs)
    return tuple(found[:results]), tuple(placed(found[results:], moved))


def _cond_batched(
    size: int, mapped: Mask, condition: Array, *operands: Array, if_true: Graph, if_false: Graph
) -> Any:
    """One branch for all examples; both, and a choice, where each has a condition of its own."""

    def derive(body: Graph, flags: Mask) -> Callable[[Values], Values]:
        def spread(values: Values) -> Values:
            found, have = transform("spread")(lambda xs: replay(body, xs), size, flags, values)
            return [in_front(x, size, on) for x, on in zip(found, have, strict=True)]

        return spread

    if not mapped[0]:
        bodies = lambda body: derive(body, mapped[1:])  # noqa: E731
        return tuple(branches(condition, operands, bodies, if_true, if_false))
    flags = tuple(on or _is_guarded(x) for x, on in zip(operands, mapped[1:], strict=True))
    every = [
        in_front(x, size, on) if flag else x
        for x, on, flag in zip(operands, mapped[1:], flags, strict=True)
    ]
    taken = (condition, np.logical_not(condition))
    found = []
    for body, p in zip((if_true, if_false), taken, strict=True):
        values = [_guarded(p, x) if on else x for x, on in zip(every, flags, strict=True)]
        with np.errstate(all="ignore"):  # of examples that do not take this branch
            found.append(derive(body, flags)(values))
    return tuple(choose(condition, a, b) for a, b in zip(*found, strict=True))


def _is_guarded(x: Array) -> bool:
    """Whether each example gets a copy of its own of what is the same for all."""
    return type_of(x).is_float and int(np.prod(np.shape(x))) <= _FEW


def _guarded(taken: Array, x: Array) -> Array:
    """x, to which no cotangent comes back from the examples that do not take a branch.

    What comes from there is 0 times a slope, which is NaN where the slope is infinite.
    """
    return choose(taken, x, bind("stop_gradient", x)) if type_of(x).is_float else x


def choose(condition: Array, a: Array, b: Array) -> Array:
    """For each example the one or the other. condition: (size,), a and b: (size, ...)."""
    condition = np.reshape(condition, (*condition.shape, *(1,) * (a.ndim - condition.ndim)))
    return np.where(np.broadcast_to(condition, a.shape), a, b)


# fmt: off
cond = register(Primitive(
    name="cond", shape=_cond_type, evaluate=_cond,
    vjp=Joint(_cond_back), jvp=Joint(_cond_forward), batched=_cond_batched, lower=None,
    domain=(0.0, 0.0), source="the derivative of the branch that is taken",
))
# fmt: on
