"""Values that are read at another place: parts, paddings, windows, and places that are data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chainrule.compiler.lower.views import shared_axes, starts_of
from chainrule.compiler.native.emit import NativeType, Val
from chainrule.compiler.native.memory import Entry, Index, Near, is_literal, kind_of
from chainrule.compiler.passes.build import axes_of
from chainrule.ir.graph import Node
from chainrule.ir.types import Size, sized

if TYPE_CHECKING:
    from chainrule.compiler.native.values import Body

MOVES: Final = frozenset({"slice", "pad", "shear", "unshear", "take"})


def moved_value(body: Body, node: Node, index: Index) -> Val:
    """The value of a move at an index."""
    match node.op:
        case "slice":
            return body.value(node.inputs[0], _part(body, node, index))
        case "pad":
            return _padded(body, node, index)
        case "shear":
            return body.value(node.inputs[0], _sheared(body, node, index))
        case "unshear":
            return _unsheared(body, node, index)
        case _:
            return _taken(body, node, index)


# -- parts and paddings ------------------------------------------------------------------------


def _part(body: Body, node: Node, index: Index) -> Index:
    whole = node.inputs[0].type.shape
    steps = axes_of(node, "steps")
    return tuple(map(lambda *k: _at(body, *k), index, starts_of(node), steps, whole))


def _at(body: Body, entry: Entry, start: int, step: int, whole: Size) -> Entry:
    """``start + entry * step``; -1 is the last of an axis that is read backwards."""
    if step == 1:
        return body.shifted(entry, start) if start else entry
    begin = body.e.i64(start)
    if start == -1:
        begin = body.plus(body.size(whole), body.e.i64(-1))
    return _existing(body, _line(body, [(entry, step)], begin), whole)


def _existing(body: Body, at: Val, size: Size) -> Val:
    """Lanes past the end of a run stand for nothing, but what they read must be there."""
    if not at.type.lanes:
        return at
    last = body.plus(body.size(size), body.e.i64(-1))
    return _nearest(body, at, last)


def _nearest(body: Body, at: Val, last: Val) -> Val:
    """The nearest place from 0 to the last."""
    return body.e.larger(body.e.smaller(at, last), body.e.i64(0))


def _line(body: Body, terms: list[tuple[Entry, int]], begin: Val) -> Val:
    """begin + the sum of entries times factors, as integers."""
    total = begin
    for entry, factor in terms:
        total = body.plus(total, body.times(body.positions(entry), body.e.i64(factor)))
    return total


class _Inside:
    """Places of which some lie outside of what is read: there the value is 0."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.all: Val | None = None
        self.never = False

    def require(self, condition: Val) -> None:
        """Places where the condition does not hold are outside."""
        self.all = condition if self.all is None else self.body.e.and_(self.all, condition)

    def within(self, at: Val, step: int, size: int) -> Val:
        """``at / step``, if it divides and is below ``size``; the nearest place inside else."""
        e = self.body.e
        if is_literal(at):  # a column that is written out is known to be in or out
            whole, rest = divmod(int(at.text), step)
            self.never |= rest != 0 or not 0 <= whole < size
            return e.i64(min(max(whole, 0), max(size - 1, 0)))
        place = at
        if step == -1:
            place = e.neg(at)
        elif step != 1:
            place = e.divide_exactly(at, step)
            self.require(e.compare("eq", self.body.times(place, e.i64(step)), at))
        last, zero = e.i64(size - 1), e.i64(0)
        self.require(e.compare("ge", place, zero))
        self.require(e.compare("le", place, last))
        return _nearest(self.body, place, last)

    def value(self, x: Node, index: Index) -> Val:
        """The value inside, 0 outside."""
        e = self.body.e
        zero = e.constant(0, NativeType(kind_of(x.type.dtype)))
        if self.never or 0 in sized(x.type.shape, 1):
            return zero
        value = self.body.value(x, index)
        return value if self.all is None else e.select(self.all, value, zero)


def _padded(body: Body, node: Node, index: Index) -> Val:
    (x,), inside = node.inputs, _Inside(body)
    steps = axes_of(node, "steps")
    moved: list[Entry] = []
    for entry, start, step, n, m in zip(
        index, starts_of(node), steps, x.type.shape, node.type.shape, strict=True
    ):
        if n == m and step == 1:
            moved.append(entry)
        elif start == -1:  # the whole axis, turned round
            moved.append(_at(body, entry, start, step, m))
        else:
            at = _line(body, [(entry, 1)], body.e.i64(-start))
            moved.append(inside.within(at, step, sized((n,))[0]))
    return inside.value(x, tuple(moved))


# -- windows -----------------------------------------------------------------------------------


def _windows(node: Node) -> tuple[int, int, int, int]:
    found = tuple(node.attributes[name] for name in ("axis", "along", "stride", "dilation"))
    assert all(isinstance(n, int) for n in found)
    return found  # type: ignore[return-value]


def _sheared(body: Body, node: Node, index: Index) -> Index:
    axis, along, stride, dilation = _windows(node)
    if stride == 1 and isinstance(index[along], Val) and is_literal(index[along]):  # type: ignore[arg-type]
        at: Entry = body.shifted(index[axis], int(index[along].text) * dilation)  # type: ignore[union-attr]
    elif stride == 1 and not _is_vector(index[along]) and not isinstance(index[axis], Val):
        at = _moved_on(
            body, index[axis], body.times(body.positions(index[along]), body.e.i64(dilation))
        )
    else:
        line = _line(body, [(index[axis], stride), (index[along], dilation)], body.e.i64(0))
        at = _existing(body, line, node.inputs[0].type.shape[axis])
    return (*index[:axis], at, *index[axis + 1 :])


def _is_vector(entry: Entry) -> bool:
    return not isinstance(entry, Near) and not (isinstance(entry, Val) and not entry.type.lanes)


def _moved_on(body: Body, entry: Entry, by: Val) -> Entry:
    """Neighbouring places, all as much further on: they stay neighbours."""
    assert not isinstance(entry, Val)
    return entry.from_base(body.plus(entry.base, by))


def _unsheared(body: Body, node: Node, index: Index) -> Val:
    axis, along, stride, dilation = _windows(node)
    (y,), inside = node.inputs, _Inside(body)
    at = _line(body, [(index[axis], 1), (index[along], -dilation)], body.e.i64(0))
    place = inside.within(at, stride, sized(y.type.shape)[axis])
    return inside.value(y, (*index[:axis], place, *index[axis + 1 :]))


# -- places that are data ----------------------------------------------------------------------


def _taken(body: Body, node: Node, index: Index) -> Val:
    """An element at a place that is itself worked out; what is outside reads the first one."""
    x, i = node.inputs
    shared, rank = shared_axes(node), i.type.rank
    place = existing_place(body, i, index[:rank], body.size(x.type.shape[shared]))
    return body.value(x, (*index[:shared], place, *index[rank:]))


def existing_place(body: Body, i: Node, index: Index, size: Val) -> Val:
    """A place that exists: the first where the data names one that does not."""
    e = body.e
    place = e.convert(body.value(i, index), "i64")
    known = e.and_(e.compare("ge", place, e.i64(0)), e.compare("lt", place, size))
    return e.select(known, place, e.i64(0))
