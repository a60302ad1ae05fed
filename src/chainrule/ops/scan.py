"""``scan``: a body done once for each step, with values carried from step to step.

Operands: ``consts`` values that every step reads, ``carries`` first values, and what the steps run
over, a slice along the first axis each. The body takes (consts, carries, slices) and gives (next
carries, what the step puts out). Results, to be picked by ``item``: the last carries, the stacked
outputs, and the stacked carries as each step found them, which reverse mode needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.graph import Graph
from chainrule.ir.types import ArrayType, Size
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
    item,
    items,
    needed,
    or_zeros,
    pairs,
    placed,
    reached,
    replay,
    rounded,
    slice_type,
    trace_body,
    transform,
    type_of,
    zeros,
)
from chainrule.ops.record import Joint, Primitive, register


@dataclass(frozen=True, eq=False)
class Scan:
    """The attributes of a scan, and what follows from them."""

    body: Graph
    consts: int
    carries: int
    length: Any
    reverse: bool

    @property
    def attributes(self) -> dict[str, Any]:
        return {
            "body": self.body, "consts": self.consts, "carries": self.carries,
            "length": self.length, "reverse": self.reverse,
        }  # fmt: skip

    def parts(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Values in the order of the operands as (consts, carries, what is run over)."""
        a, b = self.consts, self.consts + self.carries
        return list(values[:a]), list(values[a:b]), list(values[b:])

    def outputs(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Values in the order of the body's outputs as (next carries, put out)."""
        return list(values[: self.carries]), list(values[self.carries :])

    def results(self, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Values in the order of the results as (last carries, stacked outputs, histories)."""
        n = len(self.body.outputs)
        return list(values[: self.carries]), list(values[self.carries : n]), list(values[n:])

    def stacked(self, type_: ArrayType) -> ArrayType:
        return type_.with_shape((self.length, *type_.shape))

    @property
    def carry_types(self) -> list[ArrayType]:
        return [node.type for node in self.parts(self.body.inputs)[1]]

    @property
    def types(self) -> list[ArrayType]:
        """The types of all results."""
        put = [self.stacked(node.type) for node in self.body.outputs[self.carries :]]
        return [*self.carry_types, *put, *map(self.stacked, self.carry_types)]

    def history(self, token: Array) -> Values:
        """The carries as each step found them."""
        first = len(self.body.outputs)
        return [item(token, first + k, self.stacked(t)) for k, t in enumerate(self.carry_types)]

    def spread(self, inputs: Sequence[bool]) -> Mask:
        """The carries that come to depend on the marked inputs, or are marked themselves."""
        consts, carries, slices = self.parts(inputs)
        while True:
            found = reached(self.body, (*consts, *carries, *slices))[: self.carries]
            more = either(carries, both(found, floats(self.carry_types)))
            if list(more) == carries:
                return more
            carries = list(more)

    def whole(self, wanted: Sequence[bool]) -> Mask:
        """The inputs of the body that are whole numbers made of what is differentiated."""
        marks = [*wanted]
        spread = self.spread(wanted)
        first, last = self.consts, self.consts + self.carries
        marks[first:last] = either(marks[first:last], spread)
        while True:
            more = either(marks[first:last], rounded(self.body, marks)[: self.carries])
            if list(more) == marks[first:last]:
                break
            marks[first:last] = more
        real = floats([node.type for node in self.body.inputs])
        return tuple(on and not is_real for on, is_real in zip(marks, real, strict=True))

    def mapped(self, inputs: Sequence[bool]) -> Mask:
        """The same for examples, which whole numbers carry as well."""
        consts, carries, slices = self.parts(inputs)
        while True:
            found = reached(self.body, (*consts, *carries, *slices))[: self.carries]
            more = either(carries, found)
            if list(more) == carries:
                return more
            carries = list(more)

    def live(self, given: Sequence[bool]) -> Mask:
        """The carries whose value at some step matters to the results that are marked."""
        last, put, history = self.results(given)
        carries = either(last, history)
        while True:
            found = self.parts(needed(self.body, (*carries, *put)))[1]
            more = either(carries, found)
            if more == carries:
                return more
            carries = more


def run(scan: Scan, operands: Sequence[Array]) -> Array:
    """Put a scan into whatever records; the token."""
    return bind("scan", *operands, **scan.attributes)


# -- type and meaning --------------------------------------------------------------------------


def _scan_type(
    *types: ArrayType, body: Graph, consts: int, carries: int, length: Size, reverse: bool
) -> ArrayType:
    scan = Scan(body, consts, carries, length, reverse)
    given = [*types[: consts + carries]]
    for x in types[consts + carries :]:
        if not x.rank or x.shape[0] != length:
            raise ShapeError(f"a scan of {length} steps runs over {x}")
        given.append(x.with_shape(x.shape[1:]))
    if given != [node.type for node in body.inputs]:
        raise ShapeError(f"the body takes {_list(body.inputs)}, it is given {given}")
    if scan.carry_types != [node.type for node in body.outputs[:carries]]:
        raise ShapeError(f"the body carries {scan.carry_types}, gives {_list(body.outputs)}")
    return TOKEN


def _list(nodes: Sequence[Any]) -> list[str]:
    return [str(node.type) for node in nodes]


def _scan(*operands: Array, **attributes: Any) -> tuple[Array, ...]:
    """One step after the other, by NumPy."""
    scan = Scan(**attributes)
    consts, carries, over = scan.parts([np.asarray(x) for x in operands])
    put = [zeros(t) for t in scan.types[scan.carries :]]
    steps = range(scan.length)
    for k in reversed(steps) if scan.reverse else steps:
        found = replay(scan.body, [*consts, *carries, *(x[k] for x in over)])
        after, out = scan.outputs(found)
        for place, value in zip(put, [*out, *carries], strict=True):
            place[k] = value
        carries = after
    return (*map(np.asarray, carries), *put)


# -- reverse mode --------------------------------------------------------------------------------


def _scan_back(g: Any, y: Array, wanted: Mask, *operands: Array, **attributes: Any) -> Values:
    """A scan in the other direction of the body's own reverse mode.

    It carries the cotangents of the carries and the sums of those of the constants, runs over the
    carries as the forward scan found them, and puts out the cotangents of what was run over.
    """
    scan = Scan(**attributes)
    whole = scan.whole(wanted)
    wanted = both(wanted, floats([node.type for node in scan.body.inputs]))
    g = given(g, len(scan.types))
    there = tuple(x is not None for x in g)
    live = scan.live(there)
    moved = both(both(scan.spread(wanted), live), floats(scan.carry_types))
    matters = needed(scan.body, (*live, *scan.results(there)[1]))
    c_on, _, x_on = scan.parts(both(wanted, matters))
    back = _Back(scan, tuple(c_on), moved, tuple(x_on), there, whole)
    return back.run(g, y, operands)


@dataclass(frozen=True, eq=False)
class _Back:
    """The reverse scan: which constants, carries and slices get cotangents, and what is given."""

    scan: Scan
    consts: Mask
    carries: Mask
    over: Mask
    given: Mask
    whole: Mask

    def run(self, g: Any, y: Array, operands: Sequence[Array]) -> Values:
        scan = self.scan
        consts, _, over = scan.parts(operands)
        last, put, history = scan.results(g)
        sums = [zeros(type_of(x)) for x in chosen(consts, self.consts)]
        first = [or_zeros(x, t) for x, t in chosen(pairs(last, scan.carry_types), self.carries)]
        shown = [*scan.history(y), *over, *self._there(put), *self._kept_history(history)]
        inputs = [*consts, *first, *sums, *shown]
        types = [*map(type_of, [*consts, *first, *sums]), *map(slice_type, shown)]
        body, around = trace_body(self._step, types)
        fixed, carries = len(around) + len(consts), len(first) + len(sums)
        back = Scan(body, fixed, carries, scan.length, not scan.reverse)
        found = items(run(back, [*around, *inputs]), back.types)
        firsts, rest = found[: len(first)], found[len(first) :]
        outs = rest[len(sums) : len(sums) + sum(self.over)]
        return [
            *placed(rest[: len(sums)], self.consts), *placed(firsts, self.carries),
            *placed(outs, self.over),
        ]  # fmt: skip

    def _there(self, values: Sequence[Any]) -> Values:
        return [x for x in values if x is not None]

    def _kept_history(self, history: Sequence[Any]) -> Values:
        return self._there(chosen(history, self.carries))

    def _step(self, values: Values) -> Values:
        scan, rest = self.scan, iter(values)

        def take(count: int) -> Values:
            return [next(rest) for _ in range(count)]

        _, put_on, history_on = scan.results(self.given)
        consts, carried, sums = (
            take(scan.consts), take(sum(self.carries)), take(sum(self.consts)),
        )  # fmt: skip
        found, over = take(scan.carries), take(len(self.over))
        put = placed(take(sum(put_on)), put_on)
        owed = chosen(history_on, self.carries)
        history = placed(take(sum(owed)), owed)
        cotangents = [*placed(carried, self.carries), *put]
        wanted = (*self.consts, *self.carries, *self.over)
        inputs = [*consts, *found, *over]
        pulled = transform("pull_back")(
            lambda xs: replay(scan.body, xs), inputs, wanted, cotangents, self.whole
        )
        c, s, x = scan.parts(pulled)
        back = [
            _sum(own, seen, type_of(h))
            for own, seen, h in zip(
                chosen(s, self.carries), history, chosen(found, self.carries), strict=True
            )
        ]
        grown = [
            a if b is None else a + b for a, b in zip(sums, chosen(c, self.consts), strict=True)
        ]
        outs = [or_zeros(own, type_of(part)) for own, part in chosen(pairs(x, over), self.over)]
        return [*back, *grown, *outs]


def _sum(a: Array | None, b: Array | None, type_: ArrayType) -> Array:
    if a is None or b is None:
        return or_zeros(b if a is None else a, type_)
    return a + b


# -- forward mode --------------------------------------------------------------------------------


def _scan_forward(tangents: Sequence[Any], *operands: Array, **attributes: Any) -> Any:
    """A scan of values and tangents together."""
    scan = Scan(**attributes)
    there = tuple(t is not None for t in tangents)
    c_on, _, x_on = scan.parts(there)
    moved, whole = scan.spread(there), scan.whole(there)
    consts, first, over = scan.parts(operands)
    c_dot, first_dot, x_dot = scan.parts(tangents)
    dots = [or_zeros(d, type_of(x)) for d, x in chosen(pairs(first_dot, first), moved)]
    put_on = both(
        reached(scan.body, (*c_on, *moved, *x_on))[scan.carries :],
        floats([node.type for node in scan.body.outputs[scan.carries :]]),
    )

    def step(values: Values) -> Values:
        rest = iter(values)

        def take(count: int) -> Values:
            return [next(rest) for _ in range(count)]

        a, da = take(scan.consts), placed(take(sum(c_on)), c_on)
        b, db = take(scan.carries), placed(take(sum(moved)), moved)
        x, dx = take(len(over)), placed(take(sum(x_on)), x_on)
        found, dots = transform("push_forward")(
            lambda xs: replay(scan.body, xs), [*a, *b, *x], [*da, *db, *dx], whole
        )
        after, out = scan.outputs(found)
        d_after, d_out = scan.outputs(dots)
        ends = [or_zeros(d, type_of(y)) for d, y in chosen(pairs(d_after, after), moved)]
        outs = [or_zeros(d, type_of(y)) for d, y in chosen(pairs(d_out, out), put_on)]
        return [*after, *ends, *out, *outs]

    every = [*consts, *chosen(c_dot, c_on), *first, *dots]
    shown = [*over, *chosen(x_dot, x_on)]
    body, around = trace_body(step, [*map(type_of, every), *map(slice_type, shown)])
    every = [*around, *every]
    carries = len(first) + len(dots)
    pair = Scan(body, len(every) - carries, carries, scan.length, scan.reverse)
    last, put, history = pair.results(items(run(pair, [*every, *shown]), pair.types))
    n, m = scan.carries, len(put_on)
    value = (*last[:n], *put[:m], *history[:n])
    tangent = (*placed(last[n:], moved), *placed(put[m:], put_on), *placed(history[n:], moved))
    return value, tangent


# -- many examples -------------------------------------------------------------------------------


def _scan_batched(size: int, mapped: Mask, *operands: Array, **attributes: Any) -> Any:
    """A scan of the body for all examples; what does not depend on them stays single."""
    scan = Scan(**attributes)
    c_on, _, x_on = scan.parts(mapped)
    carried = scan.mapped(mapped)
    consts, first, over = scan.parts(operands)
    starts = [
        in_front(x, size, have) if want else x
        for x, have, want in zip(first, scan.parts(mapped)[1], carried, strict=True)
    ]
    shown = [np.moveaxis(x, 0, 1) if on else x for x, on in zip(over, x_on, strict=True)]
    put_on = reached(scan.body, (*c_on, *carried, *x_on))[scan.carries :]

    def step(values: Values) -> Values:
        found, have = transform("spread")(
            lambda xs: replay(scan.body, xs), size, (*c_on, *carried, *x_on), values
        )
        return [
            in_front(x, size, on) if want else x
            for x, on, want in zip(found, have, (*carried, *put_on), strict=True)
        ]

    every = [*consts, *starts]
    body, around = trace_body(step, [*map(type_of, every), *map(slice_type, shown)])
    fixed = len(around) + scan.consts
    many = Scan(body, fixed, scan.carries, scan.length, scan.reverse)
    last, put, history = many.results(items(run(many, [*around, *every, *shown]), many.types))
    stacked = zip([*put, *history], (*put_on, *carried), strict=True)
    return (
        *(in_front(x, size, on) for x, on in zip(last, carried, strict=True)),
        *(np.moveaxis(x, 1, 0) if on else in_front(x, size, False) for x, on in stacked),
    )


# fmt: off
scan_ = register(Primitive(
    name="scan", shape=_scan_type, evaluate=_scan,
    vjp=Joint(_scan_back), jvp=Joint(_scan_forward), batched=_scan_batched, lower=None,
    domain=(0.0, 0.0), source="Griewank & Walther 2008, Evaluating Derivatives, chapter 12",
))
# fmt: on
