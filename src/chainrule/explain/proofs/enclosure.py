"""The enclosure of every node of a program: what values it can take for θ in a box."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs.intervals import Interval
from chainrule.explain.proofs.liveness import MOVES
from chainrule.explain.proofs.program import Program
from chainrule.ir.graph import Node
from chainrule.ops import PRIMITIVES

Array: TypeAlias = np.ndarray[Any, Any]


def enclosures(program: Program, box: Mapping[str, Interval]) -> dict[Node, Interval]:
    """The enclosure of each node that depends on θ, for θ in the box.

    What an operation does that is not known here lies anywhere; a domain (of a logarithm, say) is
    taken for granted: outside of it f has no value.
    """
    found: dict[Node, Interval] = {node: box[name] for name, node in program.variables.items()}
    with np.errstate(all="ignore"):
        for node in program.nodes:
            if node not in found:
                operands = [_operand(program, found, x) for x in node.inputs]
                found[node] = _enclose(node, operands)
    return found


def _operand(program: Program, found: Mapping[Node, Interval], node: Node) -> Interval:
    return found[node] if node in found else point_or_token(program.known[node])


def point_or_token(value: Any) -> Interval:
    """Known numbers; NaN and the results of loops are anything."""
    if isinstance(value, tuple) or value.dtype == object:
        return iv.everything(())
    return iv.between(value, value)


def _enclose(node: Node, operands: list[Interval]) -> Interval:
    rule = _RULES.get(node.op)
    shape: Any = node.type.shape
    if rule is None:
        return iv.everything(shape)
    found = rule(node, *operands)
    return found if found.shape == shape else iv.everything(shape)


def _moved(node: Node, *operands: Interval) -> Interval:
    evaluate = PRIMITIVES[node.op].evaluate
    parts = [
        evaluate(*(getattr(x, name) for x in operands), **node.attributes)
        for name in ("low", "high", "above")
    ]
    return Interval(*map(np.asarray, parts))


def _multiply(node: Node, a: Interval, b: Interval) -> Interval:
    return iv.square(a) if node.inputs[0] is node.inputs[1] else iv.multiply(a, b)


def _subtract(node: Node, a: Interval, b: Interval) -> Interval:
    return iv.point(np.zeros(a.shape)) if node.inputs[0] is node.inputs[1] else iv.subtract(a, b)


def _power(node: Node, a: Interval, b: Interval) -> Interval:
    exponents = np.unique(b.low)
    if not np.array_equal(b.low, b.high) or exponents.size != 1:
        return iv.everything(a.shape)
    return iv.power(a, float(exponents[0]))


def _where(node: Node, c: Interval, a: Interval, b: Interval) -> Interval:
    yes, no = c.low == 1, c.high == 0
    low = np.where(yes, a.low, np.where(no, b.low, np.minimum(a.low, b.low)))
    high = np.where(yes, a.high, np.where(no, b.high, np.maximum(a.high, b.high)))
    both = (a.above | (a.low > low)) & (b.above | (b.low > low))
    return iv.between(low, high, np.where(yes, a.above, np.where(no, b.above, both)))


def _truth(low: Array, high: Array) -> Interval:
    return iv.between(low.astype(np.float64), high.astype(np.float64))


def _equal(node: Node, a: Interval, b: Interval) -> Interval:
    certain = (a.low == a.high) & (b.low == b.high) & (a.low == b.low)
    apart = (a.high < b.low) | (b.high < a.low)
    apart |= (a.above & (a.low >= b.high)) | (b.above & (b.low >= a.high))
    return _truth(certain, ~apart)


def _reduced(f: Callable[..., Array]) -> Callable[..., Interval]:
    def rule(node: Node, x: Interval) -> Interval:
        axes: Any = node.attributes["axes"]
        return iv.between(f(x.low, axis=axes), f(x.high, axis=axes))

    return rule


def _product(node: Node, x: Interval) -> Interval:
    """One factor after another."""
    axes: Any = node.attributes["axes"]
    front = x.each(lambda v: np.moveaxis(v, axes, range(len(axes))))
    rest = front.shape[len(axes) :]
    flat = front.each(lambda v: v.reshape(-1, *rest))
    found = iv.point(np.ones(rest))
    for k in range(flat.shape[0]):
        found = iv.multiply(found, flat.each(lambda v, k=k: v[k]))  # type: ignore[misc]
    return found


def _dot(node: Node, a: Interval, b: Interval) -> Interval:
    """Centre and radius (Rump 1999, Fast and Parallel Interval Arithmetic); ±∞ where unbounded."""

    def dot(x: Array, y: Array) -> Array:
        return np.asarray(PRIMITIVES["dot"].evaluate(x, y, **node.attributes))

    inner: Any = node.attributes["a_axes"]
    n = math.prod(a.shape[k] for k in inner)
    (ca, ra), (cb, rb) = _centred(a), _centred(b)
    size_a, size_b = np.abs(ca) + ra, np.abs(cb) + rb
    slack = (2 * n + 8) * 2.0**-53 * dot(size_a, size_b)
    radius = dot(np.abs(ca), rb) + dot(ra, size_b) + slack
    centre = dot(ca, cb)
    wild = _touches(dot, _infinite(a), size_b, b) | _touches(dot, size_a, _infinite(b), a, True)
    low = np.where(wild, -np.inf, np.where(radius == 0, centre, iv.down(centre - radius)))
    high = np.where(wild, np.inf, np.where(radius == 0, centre, iv.up(centre + radius)))
    if (a.low >= 0).all() and (b.low >= 0).all():
        low = np.maximum(np.where(np.isnan(low), 0, low), 0)
    return iv.between(low, high)


def _infinite(x: Interval) -> Array:
    return (np.isinf(x.low) | np.isinf(x.high)).astype(np.float64)


def _touches(dot: Any, x: Array, y: Array, other: Interval, left: bool = False) -> Array:
    """Where something unbounded meets what is not 0."""
    meets = ((other.low != 0) | (other.high != 0)).astype(np.float64)
    return np.asarray((dot(meets, y) if left else dot(x, meets)) > 0)


def _centred(x: Interval) -> tuple[Array, Array]:
    """Centre and radius; (0, 0) where unbounded, which is seen to elsewhere."""
    finite = np.isfinite(x.low) & np.isfinite(x.high)
    low, high = np.where(finite, x.low, 0.0), np.where(finite, x.high, 0.0)
    centre = low + 0.5 * (high - low)
    radius = np.where(low == high, 0.0, iv.up(np.maximum(high - centre, centre - low), 2))
    return centre, radius


def _logaddexp(node: Node, a: Interval, b: Interval) -> Interval:
    """Increasing in both."""
    low, high = np.logaddexp(a.low, b.low), np.logaddexp(a.high, b.high)
    floor = np.maximum(a.low, b.low)
    low = np.where(np.isneginf(a.low) & np.isneginf(b.low), -np.inf, low)
    return iv.between(np.maximum(iv.down(low, 8), floor), iv.up(high, 8), low == floor)


def _unary(node: Node, x: Interval) -> Interval:
    return iv.UNARY[node.op](x)


def _taken(node: Node, x: Interval, i: Interval) -> Interval:
    """Places that are known."""
    if not np.array_equal(i.low, i.high):
        return iv.everything(node.type.shape)  # type: ignore[arg-type]
    places = i.low.astype(np.int64)
    return x.each(lambda v: PRIMITIVES["take"].evaluate(v, places, **node.attributes))


_RULES: Final[Mapping[str, Callable[..., Interval]]] = {
    **dict.fromkeys(MOVES, _moved),
    **dict.fromkeys(iv.UNARY, _unary),
    "add": lambda node, a, b: iv.add(a, b),
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": lambda node, a, b: iv.divide(a, b),
    "power": _power,
    "maximum": lambda node, a, b: iv.maximum(a, b),
    "minimum": lambda node, a, b: iv.minimum(a, b),
    "where": _where,
    "logaddexp": _logaddexp,
    "dot": _dot,
    "sum": lambda node, x: iv.total(x, node.attributes["axes"]),
    "max": _reduced(np.max),
    "prod": _product,
    "sign": lambda node, x: iv.between(np.sign(x.low), np.sign(x.high)),
    "floor": lambda node, x: iv.between(np.floor(x.low), np.floor(x.high)),
    "ceil": lambda node, x: iv.between(np.ceil(x.low), np.ceil(x.high)),
    "sort": lambda node, x: x.each(lambda v: np.sort(v, axis=node.attributes["axis"])),
    "take": _taken,
    "less": lambda node, a, b: _truth(a.high < b.low, a.low < b.high),
    "less_equal": lambda node, a, b: _truth(a.high <= b.low, a.low <= b.high),
    "greater": lambda node, a, b: _truth(a.low > b.high, a.high > b.low),
    "greater_equal": lambda node, a, b: _truth(a.low >= b.high, a.high >= b.low),
    "equal": _equal,
    "not_equal": lambda node, a, b: iv.subtract(iv.point(np.ones(a.shape)), _equal(node, a, b)),
    "logical_and": lambda node, a, b: iv.minimum(a, b),
    "logical_or": lambda node, a, b: iv.maximum(a, b),
    "logical_not": lambda node, a: iv.subtract(iv.point(np.ones(a.shape)), a),
}
