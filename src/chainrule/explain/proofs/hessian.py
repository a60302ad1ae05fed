"""The Hessian over boxes in interval arithmetic: positive semidefinite everywhere, or not shown.

Every atom has its value, gradient and Hessian as intervals over many boxes at once; boxes where
the least eigenvalue is not shown to be >= 0 are cut in two.

Source: Moore, Kearfott & Cloud 2009, Introduction to Interval Analysis, chapter 6; Weyl's bound
for the eigenvalues of the centre and radius of an interval matrix (Rohn 1994).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs.atoms import Atoms, Block
from chainrule.explain.proofs.composition import Composition
from chainrule.explain.proofs.derivatives import SMOOTH, one, times
from chainrule.explain.proofs.forms import Forms
from chainrule.explain.proofs.intervals import Interval
from chainrule.explain.proofs.program import Array

_LARGEST: Final = 8
_MOST_ATOMS: Final = 400
_MOST_BOXES: Final = 4096
_CUTS: Final = (-1e6, -1e3, -100.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 100.0, 1e3, 1e6)


class NotSmoothError(Exception):
    """An atom without a second derivative here; internal."""


@dataclass(frozen=True, eq=False)
class Jet:
    """Value (boxes,), gradient (boxes, n) and Hessian (boxes, n, n) of one function over boxes."""

    value: Interval
    gradient: Interval
    hessian: Interval


@dataclass(frozen=True)
class Witness:
    """How the Hessian was shown to be positive semidefinite.

    Attributes:
        boxes: how many boxes cover the domain.
        least: the least lower bound of the smallest eigenvalue over all of them.
    """

    boxes: int
    least: float


def semidefinite(c: Composition, seconds: float) -> Witness | None:
    """Whether the Hessian of f is positive semidefinite over the whole of its box.

    Parts of f that are convex by composition and have no second derivative only help: they are
    left out.
    """
    smooth = _smooth_part(c)
    n = c.program.size
    if n > _LARGEST or smooth is None or smooth.row.size > _MOST_ATOMS:
        return None
    try:
        return _covered(c, smooth, time.monotonic() + seconds)
    except NotSmoothError:
        return None


def _smooth_part(c: Composition) -> Forms | None:
    """f without the convex atoms that have corners."""
    sign = c.form.sign()
    up, low = c.atoms.convex[c.form.atom], c.atoms.concave[c.form.atom]
    convex = (up & low) | ((sign > 0) & up) | ((sign < 0) & low)
    smooth = np.array([_is_smooth(c.atoms, int(a)) for a in c.form.atom], bool)
    if (~smooth & ~convex).any():
        return None
    f = c.form
    return Forms(f.constant, f.row[smooth], f.atom[smooth], f.value[smooth], f.error[smooth])


def _is_smooth(atoms: Atoms, atom: int) -> bool:
    block, _ = atoms.of(atom)
    inner = (b for argument in block.arguments for b in atoms.reachable(argument))
    return all(b.kind in _KINDS for b in (block, *inner))


def _covered(c: Composition, form: Forms, deadline: float) -> Witness | None:
    low, high = _first_boxes(*c.box)
    done, least = 0, np.inf
    while len(low):
        bounds = _least_eigenvalues(c, form, low, high)
        good = bounds >= 0
        done += int(good.sum())
        least = min(least, float(bounds[good].min(initial=np.inf)))
        low, high = low[~good], high[~good]
        if done + 2 * len(low) > _MOST_BOXES or time.monotonic() > deadline:
            return None
        low, high = _halved(low, high)
        if (low == high).any():
            return None
    return Witness(done, least)


def _first_boxes(low: Array, high: Array) -> tuple[Array, Array]:
    """The box; of a few numbers without bounds, cut at some places first."""
    n = len(low)
    lows, highs = low[None], high[None]
    if n > 2:
        return lows, highs
    for k in range(n):
        if np.isinf(low[k]) or np.isinf(high[k]):
            inside = [x for x in _CUTS if low[k] < x < high[k]]
            edges = np.array([low[k], *inside, high[k]])
            lows, highs = _spread(lows, edges[:-1], k), _spread(highs, edges[1:], k)
    return lows, highs


def _spread(boxes: Array, values: Array, k: int) -> Array:
    made = np.repeat(boxes, len(values), axis=0)
    made[:, k] = np.tile(values, len(boxes))
    return made


def _halved(low: Array, high: Array) -> tuple[Array, Array]:
    """Each box cut across its longest side."""
    if not len(low):
        return low, high
    width = np.where(np.isfinite(high - low), high - low, 1e300)
    k = np.argmax(width, axis=1)
    rows = np.arange(len(low))
    middle = _middle(low[rows, k], high[rows, k])
    left, right = high.copy(), low.copy()
    left[rows, k], right[rows, k] = middle, middle
    return np.concatenate([low, right]), np.concatenate([left, high])


def _middle(low: Array, high: Array) -> Array:
    with np.errstate(all="ignore"):
        middle = low + 0.5 * (high - low)
        middle = np.where(np.isinf(low) & np.isinf(high), 0.0, middle)
        middle = np.where(np.isinf(low) & np.isfinite(high), 2 * np.minimum(high, -1), middle)
        return np.where(np.isfinite(low) & np.isinf(high), 2 * np.maximum(low, 1), middle)


def _least_eigenvalues(c: Composition, form: Forms, low: Array, high: Array) -> Array:
    """A lower bound of the least eigenvalue of the Hessian over each box."""
    with np.errstate(all="ignore"):
        walker = _Walker(c.atoms, iv.between(low, high, _open(c, low)))
        H = walker.form(form, 0).hessian
    finite = np.isfinite(H.low).all(axis=(1, 2)) & np.isfinite(H.high).all(axis=(1, 2))
    bounds = np.full(len(low), -np.inf)
    if H.low.shape[1] == 1:
        return np.asarray(H.low[:, 0, 0])
    centre = 0.5 * (H.low[finite] + H.high[finite])
    centre = 0.5 * (centre + centre.transpose(0, 2, 1))
    radius = iv.up(np.maximum(H.high[finite] - centre, centre - H.low[finite]), 2)
    radius = np.maximum(radius, radius.transpose(0, 2, 1))
    size = np.abs(centre).sum(axis=2).max(axis=1, initial=0)
    slack = 20 * centre.shape[1] * 2.0**-52 * size
    values = np.linalg.eigvalsh(centre)[:, 0] if finite.any() else np.zeros(0)
    bounds[finite] = values - radius.sum(axis=2).max(axis=1, initial=0) - slack
    return np.asarray(bounds)


def _open(c: Composition, low: Array) -> Array:
    """Where a domain keeps θ from its lower bound."""
    kept = np.zeros(low.shape, bool)
    if any("positive" in domain.text for domain in c.domains):
        kept |= (low == 0) & (c.box[0] == 0)
    return kept


class _Walker:
    """The jets of atoms over some boxes, each worked out once."""

    def __init__(self, atoms: Atoms, theta: Interval) -> None:
        self.atoms, self.theta = atoms, theta
        self.boxes, self.n = theta.shape
        self.done: dict[int, Jet] = {}

    def constant(self, value: float) -> Jet:
        at = (self.boxes, self.n, self.n)
        return Jet(
            iv.point(np.full(at[0], value)), iv.point(np.zeros(at[:2])), iv.point(np.zeros(at))
        )

    def form(self, forms: Forms, r: int) -> Jet:
        total = self.constant(float(forms.constant[r]))
        for atom, value, error in zip(*forms.entries(r), strict=True):
            by = iv.between(np.float64(value - error), np.float64(value + error))
            total = _sum(total, _scaled(self.atom(int(atom)), by))
        return total

    def atom(self, atom: int) -> Jet:
        if atom not in self.done:
            block, i = self.atoms.of(atom)
            self.done[atom] = self._made(block, i, atom)
        return self.done[atom]

    def _made(self, block: Block, i: int, atom: int) -> Jet:
        if block.kind == "theta":
            gradient = np.zeros((self.boxes, self.n))
            gradient[:, i] = 1
            value = self.theta.each(lambda v: v[:, i])
            return Jet(value, iv.point(gradient), self.constant(0.0).hessian)
        if block.kind == "linear":
            return self.form(self.atoms.by_theta(Forms(
                np.zeros(1), np.zeros(1, np.int64), np.array([atom]), np.ones(1), np.zeros(1)
            )), 0)  # fmt: skip
        if block.kind not in _KINDS:
            raise NotSmoothError(block.kind)
        return _KINDS[block.kind](self, block, i)

    def arguments(self, block: Block, i: int) -> list[Jet]:
        return [self.form(argument, i) for argument in block.arguments]


def _sum(a: Jet, b: Jet) -> Jet:
    return Jet(*(iv.add(x, y) for x, y in zip(_parts(a), _parts(b), strict=True)))


def _parts(a: Jet) -> tuple[Interval, Interval, Interval]:
    return a.value, a.gradient, a.hessian


def _scaled(a: Jet, by: Interval) -> Jet:
    return Jet(*(iv.multiply(x, _like(by, x)) for x in _parts(a)))


def _like(by: Interval, x: Interval) -> Interval:
    return by.each(lambda v: np.broadcast_to(v, x.shape))


def _with(x: Interval, axes: int) -> Interval:
    """One number per box, for each element of a gradient (1) or a Hessian (2)."""
    return x.each(lambda v: v.reshape(v.shape + (1,) * axes))


def _times(x: Interval, y: Interval) -> Interval:
    shape = np.broadcast_shapes(x.shape, y.shape)
    spread = [v.each(lambda a: np.broadcast_to(a, shape)) for v in (x, y)]
    return iv.multiply(*spread)


def _outer(a: Interval, b: Interval) -> Interval:
    same = a is b
    left, right = a.each(lambda v: v[:, :, None]), b.each(lambda v: v[:, None, :])
    found = _times(left, right)
    if not same:
        return found
    squares = iv.square(a)
    diagonal = np.eye(a.shape[1], dtype=bool)[None]
    low = np.where(diagonal, squares.low[:, :, None], found.low)
    high = np.where(diagonal, squares.high[:, :, None], found.high)
    return iv.between(low, high)


def _chained(u: Jet, value: Interval, slope: Interval, curve: Interval) -> Jet:
    """φ(u): gradient φ' ∇u, Hessian φ' ∇²u + φ'' ∇u ∇uᵀ."""
    hessian = iv.add(
        _times(_with(slope, 2), u.hessian),
        _times(_with(curve, 2), _outer(u.gradient, u.gradient)),
    )
    return Jet(value, _times(_with(slope, 1), u.gradient), hessian)


def _product(a: Jet, b: Jet) -> Jet:
    gradient = iv.add(_times(_with(a.value, 1), b.gradient), _times(_with(b.value, 1), a.gradient))
    cross = iv.add(_outer(a.gradient, b.gradient), _outer(b.gradient, a.gradient))
    curved = iv.add(_times(_with(a.value, 2), b.hessian), _times(_with(b.value, 2), a.hessian))
    return Jet(iv.multiply(a.value, b.value), gradient, iv.add(curved, cross))


def _unary(w: _Walker, block: Block, i: int) -> Jet:
    (u,) = w.arguments(block, i)
    return _chained(u, *SMOOTH[block.kind](u.value))


def _power(w: _Walker, block: Block, i: int) -> Jet:
    (u,) = w.arguments(block, i)
    p = block.parameter
    x = u.value if float(p).is_integer() else u.value.met(0.0, np.inf)
    if (not float(p).is_integer() and p < 2) or p < 0:
        if not (x.low > 0).all() and not (x.positive | (x.high < 0)).all():
            raise NotSmoothError(f"power {p}")
    slope = times(_raised(x, p - 1), p)
    return _chained(u, _raised(x, p), slope, times(_raised(x, p - 2), p * (p - 1)))


def _raised(x: Interval, p: float) -> Interval:
    if p == 0:
        return one(x)
    return x if p == 1 else iv.power(x, p)


def _pair_product(w: _Walker, block: Block, i: int) -> Jet:
    return _product(*w.arguments(block, i))


def _ratio(w: _Walker, block: Block, i: int) -> Jet:
    a, b = w.arguments(block, i)
    inverse = iv.reciprocal(b.value)
    square = iv.square(inverse)
    cube = iv.multiply(square, inverse)
    return _product(a, _chained(b, inverse, iv.negative(square), times(cube, 2.0)))


def _relative_entropy(w: _Walker, block: Block, i: int) -> Jet:
    """u log u - u log v."""
    u, v = w.arguments(block, i)
    own = _chained(u, *SMOOTH["x_log_x"](u.value))
    cross = _product(u, _chained(v, *SMOOTH["log"](v.value)))
    return _sum(own, _scaled(cross, iv.point(np.float64(-1.0))))


def _log_sum_exp(w: _Walker, block: Block, i: int) -> Jet:
    """By the logarithm of the sum, shifted so that nothing overflows where boxes are small."""
    jets = [w.form(block.arguments[0], int(r)) for r in block.rows_of(i)]
    shift = np.max([0.5 * (j.value.low + j.value.high) for j in jets], axis=0)
    shift = np.where(np.isfinite(shift), shift, 0.0)
    total = w.constant(0.0)
    for jet in jets:
        moved = iv.subtract(jet.value, iv.point(shift))
        total = _sum(total, _chained(jet, *SMOOTH["exp"](moved)))
    found = _chained(total, *SMOOTH["log"](total.value))
    return Jet(iv.add(found.value, iv.point(shift)), found.gradient, found.hessian)


_KINDS: Final[Mapping[str, Callable[[Any, Block, int], Jet]]] = {
    **dict.fromkeys(SMOOTH, _unary),
    "theta": _unary, "linear": _unary,  # handled before
    "power": _power, "product": _pair_product, "ratio": _ratio,
    "relative_entropy": _relative_entropy, "log_sum_exp": _log_sum_exp,
}  # fmt: skip
