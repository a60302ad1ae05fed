"""Functions of one value, powers, logarithms, extremes and choices, as atoms with a curvature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs import laws
from chainrule.explain.proofs.forms import Forms, choose, stacked
from chainrule.explain.proofs.intervals import Interval
from chainrule.explain.proofs.linear_rules import groups_of
from chainrule.explain.proofs.logarithms import log_form
from chainrule.explain.proofs.workspace import Array, Domain, Value, Workspace
from chainrule.ir.graph import Node

_LN2: Final = float(np.log(2.0))


def _flat(x: Value) -> Interval:
    return x.range.each(np.ravel)


def _plain(w: Workspace, node: Node, x: Value) -> Forms:
    """A function of the table of laws."""
    if node.op == "gammaln":
        restrict(w, node, x.forms, _flat(x), "positive")
    function: Any = iv.UNARY[node.op]
    return w._but_constant(
        x.forms, lambda c: function(iv.point(c)).low,
        lambda u, at: w.unary(node.op, u, at, laws.UNARY[node.op], node), _flat(x),
    )  # fmt: skip


def restrict(w: Workspace, node: Node, u: Forms, x: Interval, what: str) -> None:
    """f has a value only where u is positive (or not negative): a convex set if u is concave."""
    sure = x.positive if what == "positive" else x.low >= 0
    rows = np.flatnonzero(~sure.ravel() & lives(w, node, u.size))
    if not rows.size:
        return
    some = u.take(rows)
    _, concave = w.atoms.curvature(some)
    is_convex = bool(concave.all())
    text = f"the argument of {node.op} is {what}"
    w.domains.append(Domain(text, node.where, is_convex))
    w.restrict(some)
    _bounds(w, some, strict=what == "positive")


def lives(w: Workspace, node: Node, size: int) -> Array:
    """Which elements of a node f reads; all, where the rows are not its elements."""
    live = w.live.get(node)
    return np.ones(size, bool) if live is None or live.size != size else live.ravel()


def unread_positive(w: Workspace, node: Node, x: Interval) -> Interval:
    """The enclosures of a node's operand, those of elements that f does not read taken as 1."""
    unread = ~lives(w, node, x.low.size)
    return Interval(np.where(unread, 1.0, x.low), np.where(unread, 1.0, x.high), x.above & ~unread)


def _bounds(w: Workspace, u: Forms, strict: bool) -> None:
    """a θₖ + b >= 0 says θₖ >= -b / a, or <=."""
    for r in np.flatnonzero(u.count == 1):
        atom, value, error = (column[0] for column in u.entries(int(r)))
        block, _ = w.atoms.of(atom)
        if block.kind != "theta" or error:
            continue
        bound = -u.constant[r] / value
        bound = bound if u.constant[r] else 0.0
        slack = 0.0 if bound == 0 else 4 * float(np.spacing(abs(bound)))
        if value > 0:
            w.floors[int(atom)] = max(w.floors.get(int(atom), -np.inf), bound - slack)
            if strict and bound == 0:
                w.above.add(int(atom))
        else:
            w.ceilings[int(atom)] = min(w.ceilings.get(int(atom), np.inf), bound + slack)


def _log(w: Workspace, node: Node, x: Value) -> Forms:
    shift = 1.0 if node.op == "log1p" else 0.0
    scale = {"log2": 1 / np.log(2.0), "log10": 1 / np.log(10.0)}.get(node.op, 1.0)
    at = _flat(x)
    at = iv.add(at, iv.point(np.full(at.shape, shift))) if shift else at
    at = unread_positive(w, node, at)
    return log_form(w, x.forms.shifted(np.full(x.size, shift)), at, node, restrict).scaled(scale)


def _exponential(w: Workspace, node: Node, x: Value) -> Forms:
    scale = _LN2 if node.op == "exp2" else 1.0
    found = w.exp(
        x.forms.scaled(scale), iv.multiply(_flat(x), iv.point(np.full(x.size, scale))), node
    )
    return found.shifted(np.full(x.size, -1.0)) if node.op == "expm1" else found


def powers(w: Workspace, node: Node, u: Forms, x: Interval, p: float) -> Forms:
    """uᵖ with what it says of the domain, or a norm."""
    whole = float(p).is_integer()
    if not whole:
        restrict(w, node, u, x, "not negative" if p > 0 else "positive")
        x = x.met(0.0, np.inf)
    elif p < 0 and not (x.positive | (x.high < 0) | ~lives(w, node, u.size)).all():
        text = f"the divisor of {node.op} is not 0"
        w.domains.append(Domain(text, node.where, is_convex=False))
    if 0 < p < 1:
        return _norm(w, node, u, x, p)
    return w.power(u, x, p, node)


def _norm(w: Workspace, node: Node, u: Forms, x: Interval, p: float) -> Forms:
    """(Σ c |h|^q + c₀)^(1/q), a norm of functions h; other rows are plain powers."""
    convex = is_sum_of_powers(w, u, 1 / p) & (u.count > 0)
    if p == 0.5 and _is_product_of_positive(w, u).all():
        yes = np.ones(u.size, bool)
        return w.atoms.new("power", ~yes, yes, u, parameter=p, range=x, where=node.where,
                           law=laws.SEVERAL["geometric_mean"])  # fmt: skip
    plain = w.power(u, x, p, node)
    if not convex.any():
        return plain
    rows = np.flatnonzero(convex)
    made = w.atoms.new(
        "power", np.ones(rows.size, bool), np.zeros(rows.size, bool), u.take(rows), parameter=p,
        range=x.each(lambda v: v.ravel()[rows]), where=node.where, law=laws.SEVERAL["norm"],
    )  # fmt: skip
    place = np.full(u.size, -1)
    place[rows] = np.arange(rows.size)
    return choose([plain, made.take(place)], convex.astype(int))


def _is_product_of_positive(w: Workspace, u: Forms) -> Array:
    """Rows c a b with c > 0 and a, b affine and nowhere negative."""
    lone = (u.count == 1) & (u.constant == 0)
    entry = w.atoms.is_kind(u, "product") & (u.sign() > 0)
    for k in np.flatnonzero(entry):
        block, i = w.atoms.of(u.atom[k])
        rows = [argument.take(np.array([i])) for argument in block.arguments]
        entry[k] = all(w.atoms.affine(row)[0] and w.least(row) >= 0 for row in rows)
    return np.asarray(lone & u.all_entries(entry))


def is_sum_of_powers(w: Workspace, u: Forms, q: float) -> Array:
    """Rows Σ c h^q + c₀ with c, c₀ >= 0 and h affine (q even), or convex and nowhere negative."""
    entry = w.atoms.is_kind(u, "power") & (u.sign() > 0)
    for k in np.flatnonzero(entry):
        block, i = w.atoms.of(u.atom[k])
        assert block.range is not None
        near = abs(block.parameter - q) <= 1e-15 * q
        convex, concave = w.atoms.curvature(block.arguments[0].take(np.array([i])))
        even = float(block.parameter).is_integer() and block.parameter % 2 == 0
        low, high = block.range.low[i], block.range.high[i]
        fits = (convex[0] and concave[0] and even) or (convex[0] and low >= 0)
        entry[k] = near and (fits or (even and concave[0] and high <= 0))
    return np.asarray(u.all_entries(entry) & (u.constant >= u.doubt))


def _power(w: Workspace, node: Node, x: Value, p: Value) -> Forms | None:
    """A known exponent, or a known positive base: cᵘ is e^(u log c)."""
    if p.known is not None:
        exponents = np.unique(p.forms.constant)
        if exponents.size != 1 or not np.isfinite(exponents[0]):
            return None
        return powers(w, node, x.forms, _flat(x), float(exponents[0]))
    if x.known is not None and (x.forms.constant > 0).all():
        factor = np.log(x.forms.constant)
        return w.exp(p.forms.scaled(factor), iv.multiply(_flat(p), iv.point(factor)), node)
    return None


def _max(w: Workspace, node: Node, x: Value) -> Forms:
    axes: Any = node.attributes["axes"]
    forms, at, groups = _without_least(*_grouped(x, axes))
    return w.largest(forms, at, groups, node)


def _without_least(u: Forms, x: Interval, groups: Array) -> tuple[Forms, Interval, Array]:
    """Without the rows that are -∞, which is never the largest, but for groups of nothing else."""
    least = (u.count == 0) & np.isneginf(u.constant)
    of_row = np.repeat(np.arange(len(groups) - 1), np.diff(groups))
    left = np.bincount(of_row[~least], minlength=len(groups) - 1)
    if not least.any() or not left.all():
        return u, x, groups
    rows = np.flatnonzero(~least)
    return u.take(rows), x.each(lambda v: v[rows]), np.concatenate([[0], np.cumsum(left)])


def _grouped(x: Value, axes: tuple[int, ...]) -> tuple[Forms, Interval, Array]:
    """The elements in the order of the results that they are reduced into."""
    group = groups_of(x, axes)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max(initial=-1) + 2))
    return x.forms.take(order), _flat(x).each(lambda v: v[order]), starts


def _extreme(kind: str) -> Callable[..., Forms]:
    return lambda w, node, a, b: w.larger(a.forms, b.forms, _flat(a), _flat(b), node, kind)


def _logaddexp(w: Workspace, node: Node, a: Value, b: Value) -> Forms:
    n = a.size
    rows = stacked([a.forms, b.forms]).take(np.stack([np.arange(n), n + np.arange(n)], 1))
    return w.log_sum_exp(rows, np.arange(n + 1) * 2, node)


# -- choices -------------------------------------------------------------------------------------


def _where(w: Workspace, node: Node, c: Value, a: Value, b: Value) -> Forms | None:
    """A known choice; the same on both sides; a maximum or minimum; Huber's function."""
    if c.known is not None:
        return choose([b.forms, a.forms], c.known.ravel().astype(int))
    gap = _gap(w, node.inputs[0])
    difference = a.forms.plus(b.forms, -1.0)
    same = (difference.count == 0) & (difference.constant == 0)
    if same.all():
        return a.forms
    if gap is None:
        return None
    ratio = _ratio(difference, gap)
    if not (same | (ratio != 0)).all():
        return _huber(w, node, gap, a.forms, b.forms)
    sign = np.where(same, 0, np.sign(ratio))
    larger = w.larger(a.forms, b.forms, _flat(a), _flat(b), node)
    if not (sign < 0).any():
        return choose([a.forms, larger], sign.astype(int))
    smaller = w.larger(a.forms, b.forms, _flat(a), _flat(b), node, "min")
    return choose([a.forms, larger, smaller], np.where(sign < 0, 2, sign).astype(int))


def _gap(w: Workspace, condition: Node) -> Forms | None:
    """What is positive (or 0) where the condition holds, negative (or 0) where it does not."""
    if condition.op == "logical_not":
        inner = _gap(w, condition.inputs[0])
        return None if inner is None else inner.scaled(-1.0)
    sign = {"greater": 1.0, "greater_equal": 1.0, "less": -1.0, "less_equal": -1.0}
    if condition.op not in sign:
        return None
    left, right = (w.value(x).forms for x in condition.inputs)
    return left.plus(right, -1.0).scaled(sign[condition.op])


def _ratio(a: Forms, b: Forms) -> Array:
    """For each row k with a = k b, exactly; 0 where there is none."""
    if _are_equal(a, b):
        return np.ones(a.size)
    if a.row.size == b.row.size == a.size and _are_lone(a, b):
        certain = (np.abs(a.value) > a.error) & (np.abs(b.value) > b.error)
        return np.where(certain, a.value / b.value, 0.0)
    return np.array([_row_ratio(a, b, r) for r in range(a.size)])


def _are_equal(a: Forms, b: Forms) -> bool:
    pairs = ((a.row, b.row), (a.atom, b.atom), (a.value, b.value), (a.constant, b.constant))
    return all(np.array_equal(x, y) for x, y in pairs) and not a.error.any()


def _are_lone(a: Forms, b: Forms) -> bool:
    """Whether every row of both is one atom, the same, and no constant."""
    same = np.array_equal(a.row, b.row) and np.array_equal(a.atom, b.atom)
    return same and bool((a.count == 1).all()) and not (a.constant.any() or b.constant.any())


def _row_ratio(a: Forms, b: Forms, r: int) -> float:
    """k of a = k b, up to the rounding that is known to be in their coefficients."""
    (atoms, values, errors), (others, by, other_errors) = a.entries(r), b.entries(r)
    if not atoms.size or not np.array_equal(atoms, others):
        return 0.0
    lead = int(np.argmax(np.abs(by)))
    k = float(values[lead] / by[lead])
    slack = errors + abs(k) * other_errors
    certain = abs(values[lead]) > errors[lead] and abs(by[lead]) > other_errors[lead]
    if not (certain and np.isfinite(k)):
        return 0.0
    exact = not slack.any()
    single = atoms.size == 1 and a.constant[r] == b.constant[r] == 0
    room = 0.0 if exact else np.maximum(4 * slack, 4 * np.spacing(np.abs(values)))
    fits = (np.abs(by * k - values) <= room).all()
    same = abs(b.constant[r] * k - a.constant[r]) <= (0 if exact else 1e-15) * abs(a.constant[r])
    return k if single or (fits and same) else 0.0


def _huber(w: Workspace, node: Node, gap: Forms, a: Forms, b: Forms) -> Forms | None:
    """½ c z² where |z| <= δ, else c δ (|z| - ½ δ), whose two sides meet with one slope."""
    inner, outer = (a, b)
    near = gap
    if any(block.kind == "power" for block in w.atoms.reachable(b)):
        inner, outer, near = b, a, gap.scaled(-1.0)
    made = [_huber_row(w, near, inner, outer, r) for r in range(a.size)]
    if any(row is None for row in made):
        return None
    return _hubers(w, node, [row for row in made if row is not None])


def _huber_row(
    w: Workspace, near: Forms, inner: Forms, outer: Forms, r: int
) -> tuple[Forms, float, float] | None:
    """(z, δ, c) of one element; None if it is no such function."""
    atoms, values, errors = inner.entries(r)
    if atoms.size != 1 or inner.constant[r] != 0 or values[0] <= errors[0]:
        return None
    block, i = w.atoms.of(int(atoms[0]))
    if block.kind != "power" or block.parameter != 2:
        return None
    found = _size_in(w, outer.take(np.array([r])))
    if found is None:
        return None
    z, size = found
    k = _row_ratio(block.arguments[0].take(np.array([i])), z, 0)
    delta = _distance(near.take(np.array([r])), size)
    if not k or delta is None or delta <= 0:
        return None
    c = 2 * float(values[0]) * k * k
    line = size.scaled(np.array([c * delta])).shifted(np.array([-0.5 * c * delta * delta]))
    return (z, delta, c) if _agree(line, outer.take(np.array([r]))) else None


def _size_in(w: Workspace, line: Forms) -> tuple[Forms, Forms] | None:
    """(z, |z|) of the one max(z, 0) of an affine z in a row; |z| stands as 2 max(z, 0) - z."""
    part = w.atoms.is_kind(line, "positive_part")
    if part.sum() != 1:
        return None
    z = w.atoms.arguments_of(line.atom[part])
    if not w.atoms.affine(z)[0]:
        return None
    ramp = Forms(np.zeros(1), np.zeros(1, np.int64), line.atom[part], np.ones(1), np.zeros(1))
    return z, ramp.scaled(np.array([2.0])).plus(z, -1.0)


def _distance(near: Forms, size: Forms) -> float | None:
    """δ of k (δ - |z|) with k > 0."""
    if not near.count[0] or not size.count[0]:
        return None
    k = -float(near.value[0] / size.value[0])
    rest = near.plus(size, k)
    flat = (np.abs(rest.value) <= rest.error + 1e-14 * k).all() and k > 0
    return float(rest.constant[0] / k) if flat else None


def _agree(a: Forms, b: Forms) -> bool:
    """Equal but for the rounding of the constants that the program was written with."""
    if not np.array_equal(a.atom, b.atom):
        return False
    scale = max(float(np.abs(a.constant[0])), float(np.max(np.abs(a.value), initial=0)))
    near = np.allclose(a.value, b.value, rtol=1e-14, atol=0)
    return bool(near and abs(a.constant[0] - b.constant[0]) <= 1e-14 * scale)


def _hubers(w: Workspace, node: Node, rows: list[tuple[Forms, float, float]]) -> Forms:
    parts = []
    for delta in dict.fromkeys(row[1] for row in rows):
        some = [row[0] for row in rows if row[1] == delta]
        parts.append((delta, huber_atoms(w, node, stacked(some), delta)))
    place = {delta: iter(range(found.size)) for delta, found in parts}
    pieces = [dict(parts)[row[1]].take(np.array([next(place[row[1]])])) for row in rows]
    return stacked(pieces).scaled(np.array([row[2] for row in rows]))


def huber_atoms(w: Workspace, node: Node, z: Forms, delta: float) -> Forms:
    """½ z² where |z| <= δ, else δ (|z| - ½ δ), of affine rows z."""
    law = laws.Law(laws.always, laws.never, laws.never, laws.never, laws.SEVERAL["huber"])
    return w.unary("huber", z, iv.everything((z.size,)), law, node, delta)


def _cosine(w: Workspace, node: Node, x: Value) -> Forms:
    """cos is concave where it is >= 0: by its own law."""
    at = _flat(x)
    whole = iv.cosine(at)
    narrow = at.high - at.low < 3.0
    below, above = (whole.high <= 0) & narrow, (whole.low >= 0) & narrow
    law = laws.Law(lambda _: below, lambda _: above, laws.never, laws.never,
                   "cos is convex where it is ≤ 0 and concave where it is ≥ 0")  # fmt: skip
    if not x.forms.count.all():
        return w._but_constant(x.forms, np.cos, lambda u, _: w.unknown(node, u.size, u), at)
    convex, concave = w.atoms.curvature(x.forms)
    affine = convex & concave
    return w.atoms.new("cos", law.convex(at) & affine, law.concave(at) & affine, x.forms,
                       range=at, where=node.where, law=law.text)  # fmt: skip


RULES: Final[Mapping[str, Callable[..., Forms | None]]] = {
    **{op: _plain for op in laws.UNARY if op not in ("exp", "log", "softplus", "log_ndtr")},
    **dict.fromkeys(("exp", "exp2", "expm1"), _exponential),
    **dict.fromkeys(("log", "log1p", "log2", "log10"), _log),
    "softplus": lambda w, node, x: w.softplus(x.forms, _flat(x), node),
    "logaddexp": _logaddexp,
    "cos": _cosine,
    "absolute": lambda w, node, x: w.size(x.forms, _flat(x), node),
    "sqrt": lambda w, node, x: powers(w, node, x.forms, _flat(x), 0.5),
    "power": _power,
    "maximum": _extreme("max"),
    "minimum": _extreme("min"),
    "max": _max,
    "where": _where,
}
