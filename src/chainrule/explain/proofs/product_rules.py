"""Products and quotients of two values that both depend on θ, and what is quadratic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs import laws
from chainrule.explain.proofs.forms import Forms, constants, stacked
from chainrule.explain.proofs.intervals import Interval
from chainrule.explain.proofs.linear_rules import dot as known_dot
from chainrule.explain.proofs.linear_rules import pairs, scaled_by_known
from chainrule.explain.proofs.logarithms import log_form
from chainrule.explain.proofs.nonlinear_rules import (
    _flat,
    _row_ratio,
    huber_atoms,
    is_sum_of_powers,
    lives,
    powers,
    restrict,
    unread_positive,
)
from chainrule.explain.proofs.program import size_of
from chainrule.explain.proofs.workspace import FEW, Array, Domain, Value, Workspace
from chainrule.ir.graph import Node

_PAIRS: Final = 20_000


def _multiply(w: Workspace, node: Node, a: Value, b: Value) -> Forms | None:
    known = scaled_by_known(w, node, a, b)
    return known if known is not None else products(w, node, a.forms, b.forms, _flat(a), _flat(b))


def products(
    w: Workspace, node: Node, a: Forms, b: Forms, x: Interval, y: Interval
) -> Forms | None:
    """a b, row by row: squares, powers, x log x, Huber's function; else a product of two."""
    if a.size > FEW:
        return None
    fast = _all_squares(w, node, a, b, x)
    if fast is not None:
        return fast
    rows = [_row(w, node, a, b, x, y, r) for r in range(a.size)]
    left = np.array([r for r, found in enumerate(rows) if found is None], np.int64)
    others = _plain_products(w, node, a.take(left), b.take(left))
    place = iter(range(left.size))
    return stacked([
        row if row is not None else others.take(np.array([next(place)])) for row in rows
    ]) if rows else constants(np.zeros(0))  # fmt: skip


def _all_squares(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval) -> Forms | None:
    """Where all rows are squares of rows that are no lone atom of a special kind."""
    same = a is b or (
        np.array_equal(a.atom, b.atom) and np.array_equal(a.row, b.row)
        and np.array_equal(a.value, b.value) and np.array_equal(a.constant, b.constant)
    )  # fmt: skip
    if not same or (a is not b and a.error.any()):
        return None
    special = np.logical_or.reduce([w.atoms.is_kind(a, k) for k in ("exp", "power")])
    if not a.size or special.any() or (a.count == 0).any():
        return None
    return w.power(a, x, 2.0, node)


def _plain_products(w: Workspace, node: Node, a: Forms, b: Forms) -> Forms:
    """A product of which composition says nothing; of two affine ones it is quadratic."""
    if not a.size:
        return constants(np.zeros(0))
    no = np.zeros(a.size, bool)
    law = f"{node.op}: a product of two functions of θ"
    return w.atoms.new("product", no, no, a, b, where=node.where, law=law)


def _row(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval, y: Interval,
         r: int) -> Forms | None:  # fmt: skip
    at = np.array([r])
    one, other = a.take(at), b.take(at)
    u, v = (i.each(lambda values: values[at]) for i in (x, y))
    if not one.count[0] or not other.count[0]:
        plain, rest = (one, other) if not one.count[0] else (other, one)
        return rest.scaled(plain.constant)
    for rule in (_exponentials, _same, _power_product, _x_log_x, _near_far):
        for p, q, s in ((one, other, u), (other, one, v)):
            found: Forms | None = rule(w, node, p, q, s)
            if found is not None:
                return found
    return None


def _lone(w: Workspace, u: Forms, kind: str) -> bool:
    """Whether the row is one such atom times a number."""
    return bool(
        u.count[0] == 1 and u.constant[0] == 0 and not u.error.any() and w.atoms.is_kind(u, kind)[0]
    )


def _exponentials(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval) -> Forms | None:
    """eᵘ eᵛ is e^(u + v)."""
    if not (_lone(w, a, "exp") and _lone(w, b, "exp")):
        return None
    inner = w.atoms.arguments_of(a.atom).plus(w.atoms.arguments_of(b.atom))
    return w.exp(inner, iv.everything((1,)), node).scaled(a.value * b.value)


def _same(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval) -> Forms | None:
    """u · k u is k u²."""
    k = _row_ratio(b, a, 0)
    return w.power(a, x, 2.0, node).scaled(np.array([k])) if k else None


def _power_product(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval) -> Forms | None:
    """uᵖ · k u is k uᵖ⁺¹, and uᵖ uᵠ is uᵖ⁺ᵠ."""
    if not _lone(w, a, "power"):
        return None
    block, i = w.atoms.of(a.atom[0])
    u, at = block.arguments[0].take(np.array([i])), w.range_of_arguments(a.atom)
    k, p = _row_ratio(b, u, 0), block.parameter
    if k:
        return w.power(u, at, p + 1, node).scaled(a.value * k) if p > 0 else None
    if _lone(w, b, "power") and b.atom[0] != a.atom[0]:
        other, j = w.atoms.of(b.atom[0])
        is_same = other.arguments[0].take(np.array([j])).key(0) == u.key(0)
        if is_same and p > 0 and other.parameter > 0:
            return w.power(u, at, p + other.parameter, node).scaled(a.value * b.value)
    return None


def _x_log_x(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval) -> Forms | None:
    """u (c log u + d) is c u log u + d u; u (c log u - c log v) is c times a relative entropy."""
    if not w.atoms.affine(a)[0] or not w.atoms.is_kind(b, "log").all() or b.count[0] > 2:
        return None
    inner = [w.atoms.arguments_of(b.atom[k : k + 1]) for k in range(b.count[0])]
    scales = [_row_ratio(a, z, 0) for z in inner]
    if b.count[0] == 1 and scales[0] and not b.error.any():
        law = laws.Law(laws.from_zero, laws.never, laws.never, laws.never,
                       laws.SEVERAL["x_log_x"])  # fmt: skip
        made = w.unary("x_log_x", inner[0], x.met(0, np.inf), law, node)
        return made.scaled(b.value * scales[0]).plus(a.scaled(b.constant))
    if b.count[0] != 2 or b.value[0] != -b.value[1] or b.error.any() or not any(scales):
        return None
    first = 0 if scales[0] else 1
    u, v = inner[first], inner[1 - first]
    convex = w.atoms.affine(u) & w.atoms.affine(v)
    made = w.atoms.new("relative_entropy", convex, np.zeros(1, bool), u, v, where=node.where,
                       law=laws.SEVERAL["relative_entropy"])  # fmt: skip
    return made.scaled(b.value[first] * scales[first]).plus(a.scaled(b.constant))


def _near_far(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval) -> Forms | None:
    """min(|z|, δ) (|z| - ½ min(|z|, δ)): Huber's function as ``losses.huber`` writes it."""
    if not _lone(w, a, "min") or a.value[0] != 1:
        return None
    block, i = w.atoms.of(a.atom[0])
    size, delta = (
        block.arguments[0].take(block.rows_of(i)[:1]),
        block.arguments[0].take(block.rows_of(i)[1:]),
    )
    if delta.count[0] or delta.constant[0] <= 0 or block.rows_of(i).size != 2:
        return None
    rest = b.plus(size, -1.0).plus(a, 0.5)
    z = _inside_size(w, size)
    if rest.count[0] or rest.constant[0] or z is None:
        return None
    return huber_atoms(w, node, z, float(delta.constant[0]))


def _inside_size(w: Workspace, size: Forms) -> Forms | None:
    """z of |z| = 2 max(z, 0) - z."""
    part = w.atoms.is_kind(size, "positive_part")
    if part.sum() != 1 or size.value[part][0] != 2:
        return None
    z = w.atoms.arguments_of(size.atom[part])
    whole = Forms(np.zeros(1), np.zeros(1, np.int64), size.atom[part], np.array([2.0]), np.zeros(1))
    rest = size.plus(whole, -1.0).plus(z)
    return z if not rest.count[0] and not rest.constant[0] else None


# -- quotients -----------------------------------------------------------------------------------


def _divide(w: Workspace, node: Node, a: Value, b: Value) -> Forms | None:
    if b.known is not None:
        return _by_known(a.forms, b.forms.constant)
    x, y = _flat(a), _flat(b)
    y = _off_zero(w, node, b.forms, y)
    turned = _by_exponential(w, node, a.forms, b.forms)
    if turned is not None:
        return turned
    if not a.forms.count.any():
        return powers(w, node, b.forms, y, -1.0).scaled(a.forms.constant)
    return _ratios(w, node, a.forms, b.forms, x, y)


def _off_zero(w: Workspace, node: Node, b: Forms, y: Interval) -> Interval:
    """The divisor as far as it is not 0: of a concave one that is not negative, all that is > 0."""
    doubtful = ~(y.positive | (y.high < 0)) & lives(w, node, b.size)
    if not doubtful.any():
        return y
    _, concave = w.atoms.curvature(b)
    fine = doubtful & concave & (y.low >= 0)
    is_convex = bool(fine[doubtful].all())
    text = "the divisor is positive" if is_convex else "the divisor is not 0"
    w.domains.append(Domain(text, node.where, is_convex))
    w.restrict(b.take(np.flatnonzero(doubtful)))
    return Interval(y.low, y.high, y.above | fine)


def _by_known(a: Forms, divisor: Array) -> Forms | None:
    safe = np.isfinite(divisor) & (divisor != 0)
    return a.divided(divisor) if safe.all() else None


def _by_exponential(w: Workspace, node: Node, a: Forms, b: Forms) -> Forms | None:
    """a / (c eᵘ) is a e⁻ᵘ / c."""
    lone = (b.count == 1) & (b.constant == 0)
    if not lone.all() or not w.atoms.is_kind(b, "exp").all() or b.error.any():
        return None
    inner = w.atoms.arguments_of(b.atom).scaled(-1.0)
    turned = w.exp(inner, iv.everything((b.size,)), node).divided(b.value)
    anything = iv.everything((a.size,))
    return products(w, node, a, turned, anything, anything)


def _ratios(w: Workspace, node: Node, a: Forms, b: Forms, x: Interval, y: Interval) -> Forms:
    """a / b: convex for a sum of squares over what is concave and positive."""
    _, concave_b = w.atoms.curvature(b)
    convex = is_sum_of_powers(w, a, 2.0) & concave_b & y.positive
    parameter = 1.0 if y.positive.all() else 0.0
    return w.atoms.new("ratio", convex, np.zeros(a.size, bool), a, b, where=node.where,
                       law=laws.SEVERAL["ratio"], parameter=parameter, range=x)  # fmt: skip


def _dot(w: Workspace, node: Node, a: Value, b: Value) -> Forms | None:
    found = known_dot(w, node, a, b)
    if found is not None or a.known is not None or b.known is not None:
        return found
    left, right, inner = pairs(node, a, b)
    shape = np.broadcast_shapes(left.shape, right.shape)
    total = int(np.prod(shape))
    if total > _PAIRS:
        return None
    at = [np.broadcast_to(side, shape).ravel() for side in (left, right)]
    forms = [v.forms.take(i) for v, i in zip((a, b), at, strict=True)]
    ranges = [_flat(v).each(lambda c, i=i: c[i]) for v, i in zip((a, b), at, strict=True)]  # type: ignore[misc]
    terms = products(w, node, forms[0], forms[1], ranges[0], ranges[1])
    group = np.repeat(np.arange(total // max(inner, 1)), inner)
    return None if terms is None else terms.summed(group, total // max(inner, 1))


def _prod(w: Workspace, node: Node, x: Value) -> Forms | None:
    """One factor after another."""
    axes: Any = node.attributes["axes"]
    order = np.moveaxis(x.numbers(), axes, range(len(axes)))
    size = size_of(node)
    factors = order.reshape(-1, size)
    if not factors.shape[0] or factors.size > 512:
        return None
    found, at = x.forms.take(factors[0]), _flat(x).each(lambda v: v[factors[0]])
    for index in factors[1:]:
        part = _flat(x).each(lambda v, i=index: v[i])  # type: ignore[misc]
        step = products(w, node, found, x.forms.take(index), at, part)
        if step is None:
            return None
        found, at = step, iv.multiply(at, part)
    return found


def _xlogy(w: Workspace, node: Node, a: Value, b: Value) -> Forms | None:
    """a log b; where a is the number 0 it is 0 at every b."""
    y = unread_positive(w, node, _flat(b))
    if a.known is None:
        logs = log_form(w, b.forms, y, node, restrict)
        return products(w, node, a.forms, logs, _flat(a), iv.everything((a.size,)))
    rows = np.flatnonzero(a.forms.constant != 0)
    logs = log_form(w, b.forms.take(rows), y.each(lambda v: v[rows]), node, restrict)
    place = np.full(a.size, -1)
    place[rows] = np.arange(rows.size)
    return logs.scaled(a.forms.constant[rows]).take(place)


RULES: Final[Mapping[str, Callable[..., Forms | None]]] = {
    "multiply": _multiply,
    "divide": _divide,
    "dot": _dot,
    "prod": _prod,
    "xlogy": _xlogy,
}
