"""Loops of their own: running results along an axis, writing at places that are data, checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.views import JOINED, shared_axes
from chainrule.compiler.native.emit import I64, PTR, NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW, lanes_over
from chainrule.compiler.native.memory import Entry, Index, Lanes, kind_of
from chainrule.compiler.native.moves import existing_place
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node
from chainrule.ir.types import Batch

#: Where a check notes what it found: which check, and the place that does not exist.
FAULT: Final = Val(PTR, "%fault")


def write_kernel(body: Body, nest: Nest) -> None:
    """Write the loops of a kernel."""
    node = nest.anchor
    assert node is not None
    if node.op == "scatter_add":
        _alone(body, lambda: _scatter_add(body, node))
    elif node.op == "last_of":
        _alone(body, lambda: _last_of(body, node))
    elif node.op == JOINED:
        _joined(body, nest, node)
    else:
        _running(body, nest, node)


def _alone(body: Body, write: Callable[[], None]) -> None:
    """The first thread does it."""
    with body.e.when(body.e.compare("lt", LOW, HIGH)), body.block():
        write()


# -- running results ---------------------------------------------------------------------------

#: (the operands at one place, that place, what is carried) -> (result, what is carried on).
Step = Callable[[Index, Val, list[Val]], tuple[Val, list[Val]]]


def _running(body: Body, nest: Nest, node: Node) -> None:
    """Loops over the other axes, lanes along the last of them, around the loop along the axis."""
    *others, axis = nest.order
    if not others:
        _alone(body, lambda: _along(body, node, axis, {}))
        return

    def descend(depth: int, entries: dict[int, Entry]) -> None:
        other = others[depth]
        low, high = (LOW, HIGH) if depth == 0 else (body.e.i64(0), body.size(nest.shape[other]))
        if depth == len(others) - 1 and other == len(nest.shape) - 1:
            size = None if depth == 0 else nest.shape[other]
            lanes_over(
                body, low, high, size, True,
                lambda run: _along(body, node, axis, {**entries, other: run}),
            )  # fmt: skip
            return

        def at(place: Val, _: list[Val]) -> list[Val]:
            with body.block():
                here = {**entries, other: place}
                if depth == len(others) - 1:
                    _along(body, node, axis, here)
                else:
                    descend(depth + 1, here)
            return []

        body.e.loop(low, high, 1, at)

    descend(0, {})


def _along(body: Body, node: Node, axis: int, entries: dict[int, Entry]) -> None:
    """One line (or a line per lane) along the axis, forwards or backwards."""
    e, rank = body.e, node.type.rank
    lanes = body.lanes if any(isinstance(x, Lanes) for x in entries.values()) else 0
    reverse = bool(node.attributes.get("reverse", False))
    size = body.size(node.type.shape[axis])
    last = body.plus(size, e.i64(-1))
    step, start = _STEPS[node.op](body, node, lanes)

    def at(k: Val, carried: list[Val]) -> list[Val]:
        with body.block():
            place = e.sub(last, k) if reverse else k
            index = tuple(place if a == axis else entries[a] for a in range(rank))
            result, on = step(index, k, carried)
            body.store(body.stored[node], index, e.splat(result, lanes) if lanes else result)
            return on

    e.loop(e.i64(0), size, 1, at, start)


def _wide(body: Body, x: Val, lanes: int) -> Val:
    return body.e.splat(x, lanes) if lanes else x


def _constant(body: Body, value: float, type_: NativeType) -> Val:
    return body.e.constant(value, type_)


def _recurrence(body: Body, node: Node, lanes: int) -> tuple[Step, list[Val]]:
    """s = a s + b; the first a meets no s, so that an infinite one does no harm."""
    a, b = node.inputs
    type_, e = NativeType(kind_of(node.type.dtype), lanes), body.e

    def step(index: Index, k: Val, carried: list[Val]) -> tuple[Val, list[Val]]:
        factor, term = (_wide(body, body.value(x, index), lanes) for x in (a, b))
        scaled = e.add(e.mul(factor, carried[0]), term)
        first = e.compare("eq", k, e.i64(0))
        s = e.select(_wide(body, first, lanes), term, scaled)
        return s, [s]

    return step, [_constant(body, 0, type_)]


def _cumlogsumexp(body: Body, node: Node, lanes: int) -> tuple[Step, list[Val]]:
    (x,) = node.inputs
    type_ = NativeType(kind_of(node.type.dtype), lanes)

    def step(index: Index, k: Val, carried: list[Val]) -> tuple[Val, list[Val]]:
        total = body.e.call("logaddexp", carried[0], _wide(body, body.value(x, index), lanes))
        return total, [total]

    return step, [_constant(body, float("-inf"), type_)]


def _argcummax(body: Body, node: Node, lanes: int) -> tuple[Step, list[Val]]:
    """The largest so far and its place; a NaN is larger than every number, and the first stays."""
    (x,) = node.inputs
    kind, e = NativeType(kind_of(x.type.dtype), lanes), body.e
    whole = NativeType("i64", lanes)

    def step(index: Index, k: Val, carried: list[Val]) -> tuple[Val, list[Val]]:
        largest, place = carried
        value = _wide(body, body.value(x, index), lanes)
        larger = e.compare("gt", value, largest)
        if value.type.is_float:
            new_nan = e.and_(e.compare("ne", value, value), e.compare("eq", largest, largest))
            larger = e.or_(larger, new_nan)
        larger = e.or_(larger, _wide(body, e.compare("eq", k, e.i64(0)), lanes))
        place = e.select(larger, _wide(body, k, lanes), place)
        return place, [e.select(larger, value, largest), place]

    return step, [_constant(body, 0, kind), _constant(body, 0, whole)]


_STEPS: Final = {
    "recurrence": _recurrence,
    "cumlogsumexp": _cumlogsumexp,
    "argcummax": _argcummax,
}


# -- parts behind one another -------------------------------------------------------------------


def _joined(body: Body, nest: Nest, node: Node) -> None:
    """One part after the other, each to its place."""
    axis, start = node.attributes["axis"], 0
    assert isinstance(axis, int)
    for part in node.inputs:
        at = start
        if nest.shares:
            _part(body, node, part, axis, at)
        else:
            _alone(body, lambda part=part, at=at: _part(body, node, part, axis, at))  # type: ignore[misc]
        size = part.type.shape[axis]
        assert isinstance(size, int)
        start += size


def _part(body: Body, node: Node, part: Node, axis: int, start: int) -> None:
    def write(index: Index) -> None:
        place = tuple(body.shifted(x, start) if k == axis else x for k, x in enumerate(index))
        body.store(body.stored[node], place, body.value(part, index), beside=True)

    _rows(body, part.type.shape, write, shared=axis != 0)


# -- writing at places that are data -----------------------------------------------------------


def _loops(
    body: Body, shape: tuple[int | Batch, ...], write: Callable[[Index], None], shared: bool = False
) -> None:
    """Loops over whole axes (a thread's share of a shared first one), in row-major order."""

    def descend(index: Index) -> None:
        if len(index) == len(shape):
            write(index)
            return

        def at(place: Val, _: list[Val]) -> list[Val]:
            with body.block():
                descend((*index, place))
            return []

        low, high = (LOW, HIGH) if shared and not index else _whole(body, shape[len(index)])
        body.e.loop(low, high, 1, at)

    descend(())


def _whole(body: Body, size: int | Batch) -> tuple[Val, Val]:
    return body.e.i64(0), body.size(size)


def _rows(
    body: Body, shape: tuple[int | Batch, ...], write: Callable[[Index], None], shared: bool = False
) -> None:
    """The same with lanes along the last axis, if there is one (which then is not shared)."""
    if not shape:
        write(())
        return
    size = shape[-1]

    def row(index: Index) -> None:
        known = size if isinstance(size, int) else None
        lanes_over(body, *_whole(body, size), known, True, lambda run: write((*index, run)))

    _loops(body, shape[:-1], row, shared)


def _fill(body: Body, node: Node, value: float) -> None:
    type_ = NativeType(kind_of(node.type.dtype))
    _rows(body, node.type.shape, lambda index: body.store(
        body.stored[node], index, body.e.constant(value, type_)
    ))  # fmt: skip


def _scatter_add(body: Body, node: Node) -> None:
    """Zeros, then one update after the other: a place that is named twice gets both."""
    i, g = node.inputs
    buffer, e, shared = body.stored[node], body.e, shared_axes(node)
    size = body.size(node.type.shape[shared])
    _fill(body, node, 0)

    def update(places: Index) -> None:
        place = existing_place(body, i, places, size)

        def add(rest: Index) -> None:
            at = (*places[:shared], place, *rest)
            lanes = body.lanes if any(isinstance(x, Lanes) for x in rest) else 0
            new = _wide(body, body.value(g, (*places, *rest)), lanes)
            body.store(buffer, at, e.add(body.load(buffer, at), new))

        _rows(body, node.type.shape[shared + 1 :], add)

    with e.when(e.compare("gt", size, e.i64(0))), body.block():
        _loops(body, i.type.shape, update)


def _last_of(body: Body, node: Node) -> None:
    (i,) = node.inputs
    e, shared = body.e, shared_axes(node)
    size = body.size(node.type.shape[shared])
    _fill(body, node, -1)

    def note(places: Index) -> None:
        number = e.i64(0)
        for entry, n in list(zip(places, i.type.shape, strict=True))[shared:]:
            number = body.plus(body.times(number, body.size(n)), body.positions(entry))
        place = existing_place(body, i, places, size)
        body.store(body.stored[node], (*places[:shared], place), number)

    with e.when(e.compare("gt", size, e.i64(0))), body.block():
        _loops(body, i.type.shape, note)


# -- checks ------------------------------------------------------------------------------------


def write_check(body: Body, nest: Nest, number: int) -> None:
    """Note a place that does not exist; ``number`` says which check found it, from 1 on."""
    node = nest.anchor
    assert node is not None
    (i,), e = node.inputs, body.e
    bound = node.attributes["size"]
    assert isinstance(bound, int | Batch)
    size = body.size(bound)

    def look(index: Index) -> None:
        lanes = body.lanes if index and isinstance(index[-1], Lanes) else 0
        place = _wide(body, e.convert(body.value(i, index), "i64"), lanes)
        outside = e.or_(e.compare("lt", place, e.i64(0)), e.compare("ge", place, size))
        if lanes:
            run = index[-1]
            assert isinstance(run, Lanes)
            if run.valid is not None:
                valid = e.i64(run.valid) if isinstance(run.valid, int) else run.valid
                outside = e.and_(outside, e.first_lanes(lanes, valid))
            outside, place = _any_lane(body, outside, place)
        with e.when(outside):
            e.store(e.i64(number), FAULT)
            e.store(place, e.pointer(FAULT, e.i64(1), "i64"))

    _alone(body, lambda: _rows(body, i.type.shape, look))


def _any_lane(body: Body, outside: Val, place: Val) -> tuple[Val, Val]:
    """Whether a lane is outside, and the largest of the places that are (or the smallest)."""
    e, lanes = body.e, body.lanes
    bad = e.select(outside, place, e.i64(0))
    for of in (outside, bad):
        name, kind = _REDUCE[of.type.kind]
        e.declarations.add(
            f"declare {kind} @llvm.vector.reduce.{name}.v{lanes}{kind}({of.type.text})"
        )
    some = e.define(NativeType("i1"), f"call i1 @llvm.vector.reduce.or.v{lanes}i1({outside.typed})")
    worst = e.define(I64, f"call i64 @llvm.vector.reduce.umax.v{lanes}i64({bad.typed})")
    return some, worst


_REDUCE: Final = {"i1": ("or", "i1"), "i64": ("umax", "i64")}
