"""Whether a convex f has a minimum, and whether it is the only one: by how f grows far out.

The recession function of f says how f grows along a direction d in the end. Where it is negative,
f falls without end; where it is positive for every d, a minimum exists; where it is 0 along a d on
which f still moves, f falls for ever and comes near a bound that it never reaches, as the logistic
loss of separable data does. All of it is linear in pieces: linear programming decides.

Source: Rockafellar 1970, Convex Analysis, theorems 8.5, 27.1 and 27.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from chainrule.explain.proofs.composition import Composition
from chainrule.explain.proofs.forms import Forms
from chainrule.explain.proofs.program import Array
from chainrule.explain.proofs.ridges import Ridges, restricting, ridges
from chainrule.explain.proofs.stationary import certified

_TOLERANCE: Final = 1e-8
_SECONDS: Final = 5.0
#: Sums and singular values below this part of their terms are 0 to rounding; those above the
#: second are not.
_ROUNDING: Final = 1e-13
_SEEN: Final = 1e-9
#: How many corners a direction is the sum of, of a problem of few parts.
_LOOKS: Final = 6
_FEW: Final = 1000


@dataclass(frozen=True, eq=False)
class Minimum:
    """What is known of the minima of f.

    Attributes:
        exists: whether f reaches its infimum; None: not decided.
        unique: whether in one place only; None: not decided, or there is none.
        dimension: of the affine space of all minima, where that is known (0: one point).
        direction: d along which f falls for ever, or does not change, of largest entry 1.
        reason: in words.
    """

    exists: bool | None
    unique: bool | None
    dimension: int | None
    direction: Array | None
    reason: str


UNDECIDED: Final = Minimum(
    None, None, None, None, "not decided: how parts of f grow is not known here, or f is too large"
)


def minimum_of_quadratic(hessian: Array, gradient: Array, rank: int | None) -> Minimum:
    """½ θᵀHθ + gᵀθ + c with H positive semidefinite."""
    n = len(gradient)
    if rank == n:
        return Minimum(True, True, 0, None, "f is quadratic with a positive definite Hessian")
    values, vectors = np.linalg.eigh(hessian)
    flat = vectors[:, : n - rank] if rank is not None else vectors[:, values < 1e-12 * values[-1]]
    slope = flat.T @ gradient
    scale = 1 + float(np.abs(gradient).max(initial=0))
    if 1e-13 * scale < np.abs(slope).max(initial=0) <= _TOLERANCE * scale:
        return UNDECIDED
    if np.abs(slope).max(initial=0) > _TOLERANCE * scale:
        d = _unit(-(flat @ slope))
        return Minimum(False, None, None, d, "f is linear and falls along a direction in which "
                       "its Hessian is 0: it is bounded by nothing")  # fmt: skip
    reason = f"f is quadratic of rank {n - flat.shape[1]} in {n} numbers, and does not change along"
    return Minimum(True, False, flat.shape[1], _plainest(flat),
                   f"{reason} {_many(flat.shape[1])}")  # fmt: skip


def minimum_of(c: Composition) -> Minimum:
    """The minima of an f that is convex by composition, on the whole of its domain.

    A box whose sides are all finite is compact: a continuous f has a minimum there.
    """
    r = ridges(c)
    if r is None or c.is_bounded or not _is_closed(c):
        return _of_box(c)
    if not r.groups:
        return _of_linear(r)
    evened = r.evened()
    return UNDECIDED if evened is None else _by_directions(evened)


def _is_closed(c: Composition) -> bool:
    """Whether f itself rises, or bends, at every bound of its domain: its parts know of them all.

    Of x² + 0 log x, where x > 0, no part tells that 0 is not in the domain.
    """
    if not all(domain.is_convex for domain in c.domains) or None in c.restricted:
        return False
    asked = [row for form in c.restricted if form is not None for row in _directions(c, form)]
    seen = {row for form in restricting(c) for row in _directions(c, form)}
    return all(row in seen for row in asked)


def _directions(c: Composition, forms: Forms) -> list[bytes]:
    """Rows by θ as coefficients and a constant of largest entry 1, without the last few bits."""
    rows = np.zeros((forms.size, c.program.size + 1))
    rows[forms.row, forms.atom], rows[:, -1] = forms.value, forms.constant
    size = np.abs(rows).max(axis=1, keepdims=True, initial=1e-300)
    return [(np.round(row, 12) + 0.0).tobytes() for row in rows / size]


def _of_box(c: Composition) -> Minimum:
    low, high = c.box
    if np.isfinite(low).all() and np.isfinite(high).all() and not c.domains:
        reason = "a continuous function has a minimum on a closed and bounded box"
        return Minimum(True, None, None, None, reason)
    return UNDECIDED


def _of_linear(r: Ridges) -> Minimum:
    if not r.linear.any():
        return Minimum(True, r.size == 0, r.size, None, "f is constant: every θ is a minimum")
    return Minimum(False, None, None, _unit(-r.linear),
                   "f is linear and not constant: it falls without end")  # fmt: skip


def _by_directions(r: Ridges) -> Minimum:
    still = _null_space(r.moving())
    if still is None:
        return UNDECIDED
    if certified(r, still):
        return _never_one(r, still) if still.shape[1] else _one_or_not(r)
    program = _Program(r)
    value, d = program.least()
    if d is None:
        return UNDECIDED
    if value < -_TOLERANCE:
        return _without_end(d) if _grows(r, d) == -1 else UNDECIDED
    d = program.flat_direction(still)
    if d is None:
        return _never_one(r, still) if still.shape[1] else _one_or_not(r)
    growth = _grows(r, d)
    if growth == 0:
        return _falling(r, _unit(d))
    return _without_end(d) if growth == -1 else UNDECIDED


def _without_end(d: Array) -> Minimum:
    reason = "f falls without end along a direction: it is bounded by nothing"
    return Minimum(False, None, None, _unit(d), reason)


def _grows(r: Ridges, d: Array) -> int | None:
    """The sign of how f grows along d in the end, worked out without the program's tolerances.

    None where d leaves, by more than rounding, a plane that it has to lie in.
    """
    slopes = r.rows @ _unit(d)
    total = [float(r.linear @ _unit(d))]
    sizes = [float(np.abs(r.linear) @ np.abs(_unit(d)))]
    for k, group in enumerate(r.groups):
        a = slopes[group]
        kind, top = r.growth[k], float(a.max())
        room = float((np.abs(r.rows[group]) @ np.abs(_unit(d))).max()) * _ROUNDING
        if (
            (kind == "both" and np.abs(a).max() > room)
            or (kind == "up" and top > room)
            or (kind == "log" and a.min() < -room)
        ):
            return None
        if kind in ("ramp", "abs", "largest"):
            grown = {"ramp": max(top, 0.0), "abs": float(np.abs(a).max())}.get(kind, top)
            total.append(r.weights[k] * grown)
            sizes.append(r.weights[k] * room / _ROUNDING)
    found = math.fsum(total)
    return 0 if abs(found) <= _ROUNDING * sum(sizes) else int(np.sign(found))


def _falling(r: Ridges, d: Array) -> Minimum:
    """f does not grow along d in the end, and is not constant on it."""
    seen = np.array([bool((np.abs(r.bends(k) @ d) > 1e-7).any()) for k in range(len(r.groups))])
    if (seen & r.strict & r.analytic).any():
        return Minimum(False, None, None, d, "f falls for ever along a direction")
    if not (r.analytic & ~r.quadratic).any():
        # Frank & Wolfe 1956: a bounded piecewise quadratic convex function reaches its infimum.
        return Minimum(True, None, None, None, "f is piecewise quadratic and bounded below "
                       "(Frank & Wolfe 1956)")  # fmt: skip
    return UNDECIDED


def _never_one(r: Ridges, still: Array) -> Minimum:
    k = still.shape[1]
    full = np.linalg.matrix_rank(r.bending()) + k == r.size if r.strict.any() else False
    return Minimum(True, False, k if full else None, _plainest(still),
                   f"f grows in every direction but {_many(k)} along which it does not change"
                   )  # fmt: skip


def _one_or_not(r: Ridges) -> Minimum:
    reason = "f grows without bound in every direction"
    if has_full_rank(r.bending()):
        return Minimum(True, True, 0, None, f"{reason} and is strictly convex")
    return Minimum(True, None, None, None, reason)


def has_full_rank(rows: Array) -> bool:
    """Whether the rows see every direction, beyond the rounding of the singular values."""
    if rows.shape[0] < rows.shape[1] or not rows.size:
        return bool(rows.shape[1] == 0)
    size = max(rows.shape)
    values = np.linalg.svd(np.linalg.qr(rows, "r"), compute_uv=False)
    return bool(values[-1] > 100 * size * 2.0**-52 * values[0])


def _null_space(rows: Array) -> Array | None:
    """An orthonormal basis of the directions on which all rows are 0, as columns.

    None where rounding hides whether there is one more: a singular value is neither 0 to rounding
    nor clearly above it.
    """
    if not rows.size:
        return np.eye(rows.shape[1])
    if rows.shape[0] > rows.shape[1]:
        rows = np.asarray(np.linalg.qr(rows, "r"))
    _, values, vectors = np.linalg.svd(rows, full_matrices=True)
    relative = values / max(values[0], 1e-300)
    rank = int((relative > _SEEN).sum())
    return None if (relative[rank:] > _ROUNDING).any() else vectors[rank:].T


def _unit(d: Array) -> Array:
    """Of largest entry 1, small entries that are roundings left out."""
    found = d / np.abs(d).max()
    return np.where(np.abs(found) < 1e-9, 0.0, found)


def _plainest(basis: Array) -> Array:
    """Of a space the vector with most zeros that elimination finds; basis: (n, k), k > 0."""
    rows = basis.T.copy()
    for k in range(len(rows)):
        i, j = (int(x) for x in np.unravel_index(np.argmax(np.abs(rows[k:])), rows[k:].shape))
        rows[[k, k + i]] = rows[[k + i, k]]
        rows[k] /= rows[k, j]
        others = np.arange(len(rows)) != k
        rows[others] -= rows[others][:, j : j + 1] * rows[k]
    rows = np.where(np.abs(rows) < 1e-9, 0.0, rows)
    plainest = rows[np.argmin(np.count_nonzero(rows, axis=1))]
    found = _unit(plainest)
    near = np.abs(found - np.round(found)) < 1e-9
    return np.where(near, np.round(found), found) + 0.0


def _many(k: int) -> str:
    return "a direction" if k == 1 else f"a space of {k} dimensions"


class _Rows:
    """Rows of a linear program, put together at the end."""

    def __init__(self, r: Ridges) -> None:
        self.r = r
        self.index: list[Array] = []
        self.factor: list[float] = []
        self.part: list[int] = []
        self.slope: list[float] = []

    def add(self, group: Array, factor: float, part: int, slope: float) -> None:
        """factor · (each row of the group) d + slope · s of the part."""
        self.index.append(group)
        self.factor += [factor] * len(group)
        self.part += [part] * len(group)
        self.slope += [slope] * len(group)

    def matrix(self) -> Any:
        m, count = len(self.r.groups), len(self.factor)
        if not count:
            return sparse.csr_array((0, self.r.size + m))
        rows = self.r.rows[np.concatenate(self.index)] * np.array(self.factor)[:, None]
        tails = sparse.csr_array((self.slope, (np.arange(count), self.part)), (count, m))
        return sparse.hstack([sparse.csr_array(rows), tails], format="csr")


class _Program:
    """The linear program: variables d in [-1, 1]ⁿ and s, one bound of each part's growth."""

    def __init__(self, r: Ridges) -> None:
        self.r = r
        self._rows()

    def _rows(self) -> None:
        """A_ub x <= 0 and A_eq x = 0 for x = (d, s), sparse."""
        r, upper, equal = self.r, _Rows(self.r), _Rows(self.r)
        for k, group in enumerate(r.groups):
            kind = r.growth[k]
            if kind == "both":
                equal.add(group, 1.0, k, 0.0)
            if kind in ("up", "log"):
                upper.add(group, 1.0 if kind == "up" else -1.0, k, 0.0)
            if kind in ("ramp", "abs", "largest"):
                upper.add(group, 1.0, k, -1.0)
            if kind == "abs":
                upper.add(group, -1.0, k, -1.0)
            if kind == "ramp":
                upper.add(group[:1], 0.0, k, -1.0)
        self.upper, self.equal = upper.matrix(), equal.matrix()
        straight = np.isin(self.r.growth, ("ramp", "abs", "largest"))
        self.cost = np.concatenate([self.r.linear, np.where(straight, self.r.weights, 0.0)])
        self.cost = self.cost / max(float(np.abs(self.cost).max(initial=0)), 1e-300)

    def _solve(self, cost: Array, upper: Any, equal: Any) -> Any:
        n, m = self.r.size, len(self.r.groups)
        big = float(np.abs(self.r.rows).sum(axis=1).max(initial=0)) + 1
        limits = [(-1.0, 1.0)] * n + [(-big, big)] * m
        return linprog(cost, A_ub=upper, b_ub=np.zeros(upper.shape[0]), A_eq=equal,
                       b_eq=np.zeros(equal.shape[0]), bounds=limits, method="highs",
                       options={"time_limit": _SECONDS})  # fmt: skip

    def least(self) -> tuple[float, Array | None]:
        """The least growth over all d in the unit box, and its d."""
        found = self._solve(self.cost, self.upper, self.equal)
        return (float(found.fun), found.x[: self.r.size]) if found.success else (0.0, None)

    def flat_direction(self, still: Array) -> Array | None:
        """A d on which f does not grow in the end though it moves; None if there is none."""
        n, m = self.r.size, len(self.r.groups)
        across = np.concatenate([still.T, np.zeros((still.shape[1], m))], axis=1)
        equal = sparse.vstack([self.equal, sparse.csr_array(across)])
        upper = sparse.vstack([self.upper, sparse.csr_array(self.cost[None])])
        rng, total = np.random.default_rng(0), np.zeros(n)
        for look in range(_LOOKS if m <= _FEW else 1):
            w = rng.normal(size=n)  # sees every d but for a chance of 0
            for sign in (1, -1):
                found = self._solve(np.concatenate([sign * w, np.zeros(m)]), upper, equal)
                if found.success and found.fun < -1e-6:
                    total = total + found.x[:n]  # a cone: sums stay in it, and move inside
            if look == 0 and not total.any():
                return None
        return total
