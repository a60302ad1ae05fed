"""``while_loop``: a body done as long as a condition on what it carries holds.

Operands: ``consts`` values that every step reads, then the first values of what is carried. The
condition and the body both take (consts, carries).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    both,
    chosen,
    either,
    floats,
    in_front,
    items,
    or_zeros,
    placed,
    reached,
    replay,
    trace_bodies,
    transform,
    type_of,
)
from chainrule.ops.branch import choose
from chainrule.ops.record import Joint, NoGradient, Primitive, register


def _types(graph: Graph) -> list[ArrayType]:
    return [node.type for node in graph.outputs]


def _while_type(*types: ArrayType, condition: Graph, body: Graph, consts: int) -> ArrayType:
    for graph in (condition, body):
        if [node.type for node in graph.inputs] != list(types):
            raise ShapeError("the condition or the body takes other types than it is given")
    if _types(condition) != [TOKEN]:
        raise ShapeError(f"a condition is bool[], not {_types(condition)}")
    if _types(body) != list(types[consts:]):
        raise ShapeError("the body gives other types than it carries")
    return TOKEN


def _while(*operands: Array, condition: Graph, body: Graph, consts: int) -> tuple[Array, ...]:
    fixed, carried = operands[:consts], [np.asarray(x) for x in operands[consts:]]
    while replay(condition, [*fixed, *carried])[0]:
        carried = [np.asarray(x) for x in replay(body, [*fixed, *carried])]
    return tuple(carried)


def _closure(body: Graph, consts: Sequence[bool], carries: Sequence[bool], allowed: Mask) -> Mask:
    """The carries that come to depend on the marked inputs."""
    marked = tuple(carries)
    while True:
        more = either(marked, both(reached(body, (*consts, *marked)), allowed))
        if more == marked:
            return more
        marked = more


def _loop(
    goes_on: Callable[[Values], Values], step: Callable[[Values], Values],
    consts: int, operands: Sequence[Array],
) -> Values:  # fmt: skip
    """The results of a loop of these functions of (constants, carries)."""
    (condition, body), around = trace_bodies([goes_on, step], [type_of(x) for x in operands])
    fixed = len(around) + consts
    token = bind("while_loop", *around, *operands, condition=condition, body=body, consts=fixed)
    return items(token, _types(body))


def _while_forward(
    tangents: Sequence[Any], *operands: Array, condition: Graph, body: Graph, consts: int
) -> Any:
    """Values and tangents together, as often as the values' condition says."""
    on = tuple(t is not None for t in tangents)
    c_on, moved = on[:consts], _closure(body, on[:consts], on[consts:], floats(_types(body)))
    fixed, first = operands[:consts], operands[consts:]
    c_dot = chosen(tangents[:consts], c_on)
    pairs = list(zip(tangents[consts:], first, strict=True))
    dots = [or_zeros(d, type_of(x)) for d, x in chosen(pairs, moved)]
    count, several = len(c_dot), len(first)

    def parts(values: Values) -> tuple[Values, Values]:
        a, rest = values[:consts], values[consts + count :]
        dots = [
            *placed(values[consts : consts + count], c_on), *placed(rest[several:], moved)
        ]  # fmt: skip
        return [*a, *rest[:several]], dots

    def step(values: Values) -> Values:
        found, after = transform("push_forward")(lambda xs: replay(body, xs), *parts(values))
        ends = list(zip(after, found, strict=True))
        return [*found, *(or_zeros(d, type_of(x)) for d, x in chosen(ends, moved))]

    def goes_on(values: Values) -> Values:
        return replay(condition, parts(values)[0])

    found = _loop(goes_on, step, consts + count, [*fixed, *c_dot, *first, *dots])
    return tuple(found[:several]), tuple(placed(found[several:], moved))


def _while_batched(
    size: int, mapped: Mask, *operands: Array, condition: Graph, body: Graph, consts: int
) -> Any:
    """All examples at once: as long as one of them goes on, those that are done stand still."""
    on, some = mapped[:consts], mapped[consts:]
    carried = _closure(body, on, some, (True,) * len(some))
    each = reached(condition, (*on, *carried))[0]
    if each:
        carried = (True,) * len(some)
    starts = [
        in_front(x, size, have) if want else x
        for x, have, want in zip(operands[consts:], some, carried, strict=True)
    ]

    def spread(graph: Graph, values: Values, wanted: Sequence[bool]) -> Values:
        found, have = transform("spread")(
            lambda xs: replay(graph, xs), size, (*on, *carried), values
        )
        pairs = zip(found, have, wanted, strict=True)
        return [in_front(x, size, own) if want else x for x, own, want in pairs]

    def goes_on(values: Values) -> Values:
        (still,) = spread(condition, values, (each,))
        return [np.max(still, axis=0) if each else still]

    def step(values: Values) -> Values:
        after = spread(body, values, carried)
        if not each:
            return after
        (still,) = spread(condition, values, (True,))
        pairs = zip(after, values[consts:], strict=True)
        return [choose(still, new, old) for new, old in pairs]

    found = _loop(goes_on, step, consts, [*operands[:consts], *starts])
    return tuple(in_front(x, size, own) for x, own in zip(found, carried, strict=True))


# fmt: off
while_loop = register(Primitive(
    name="while_loop", shape=_while_type, evaluate=_while,
    vjp=NoGradient(
        "how many steps it takes is known only at its end, so reverse mode has no room to keep "
        "what each step found; use cr.scan with a fixed number of steps, or cr.jvp"),
    jvp=Joint(_while_forward), batched=_while_batched, lower=None,
    domain=(0.0, 0.0), source="forward mode of each step",
))
# fmt: on
