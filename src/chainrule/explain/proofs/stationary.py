"""A minimum shown to exist by a point where the gradient is almost 0: no linear program needed.

For f = Σ w log Σ exp(A θ + b) + gᵀθ, of which the logistic loss is a case, let p be the softmax of
each part's rows at θ*, and ρ = ∇f(θ*). Far out along d, f grows like

    Σ w (max a·d - Σ p a·d) + ρ·d  ≥  μ Σ (max a·d - min a·d) + ρ·d,   μ = min w p,

which is positive for every d that moves f, once |ρ| < μ σ, with σ the least singular value above
0 of the rows' differences: then a minimum exists (Rockafellar 1970, theorem 27.1).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.explain.proofs.program import Array
from chainrule.explain.proofs.ridges import Ridges

_STEPS: Final = 60
_LARGEST: Final = 600


def certified(r: Ridges, still: Array) -> bool:
    """Whether f has a minimum by this argument; no answer is no answer.

    Args:
        r: f.
        still: (n, k), an orthonormal basis of the directions on which f does not change.
    """
    if r.size > _LARGEST or not r.groups or not _is_log_sum_exp(r):
        return False
    part = _Parts(r)
    theta = _descended(part, np.zeros(r.size))
    p, slope, _ = part.derivatives(theta)
    across = slope - still @ (still.T @ slope)
    rounding = 1e-13 * (np.abs(part.rows).sum(axis=0).max(initial=0) + np.abs(r.linear).max())
    mu = float((part.weight * p).min())
    sigma = _least_above_zero(part.differences(), still.shape[1])
    return bool(2 * (np.linalg.norm(across) + rounding) < mu * sigma)


def _is_log_sum_exp(r: Ridges) -> bool:
    softplus = {"ramp", "largest"}
    return set(r.growth) <= softplus and bool((r.analytic & r.strict).all())


class _Parts:
    """All parts as log-sum-exps: a softplus has a second row of zeros."""

    def __init__(self, r: Ridges) -> None:
        rows, shifts, starts, weights = [], [], [0], []
        for k, group in enumerate(r.groups):
            rows.append(r.rows[group])
            shifts.append(r.shifts[group])
            if r.growth[k] == "ramp":
                rows.append(np.zeros((1, r.size)))
                shifts.append(np.zeros(1))
            starts.append(starts[-1] + sum(len(x) for x in rows[-2:]) if r.growth[k] == "ramp"
                          else starts[-1] + len(group))  # fmt: skip
            weights += [r.weights[k]] * (starts[-1] - starts[-2])
        self.rows, self.shifts = np.concatenate(rows), np.concatenate(shifts)
        self.starts, self.weight = np.array(starts), np.array(weights)
        self.linear = r.linear

    def value(self, theta: Array) -> float:
        z = self.rows @ theta + self.shifts
        total = np.logaddexp.reduceat(z, self.starts[:-1])
        return float(self.weight[self.starts[:-1]] @ total + self.linear @ theta)

    def derivatives(self, theta: Array) -> tuple[Array, Array, Array]:
        """(p, gradient, Hessian)."""
        z = self.rows @ theta + self.shifts
        first, sizes = self.starts[:-1], np.diff(self.starts)
        p = np.exp(z - np.repeat(np.logaddexp.reduceat(z, first), sizes))
        weighted = self.weight * p
        mean = np.add.reduceat(p[:, None] * self.rows, first)
        hessian = (self.rows * weighted[:, None]).T @ self.rows
        hessian -= (mean * self.weight[first][:, None]).T @ mean
        return p, weighted @ self.rows + self.linear, hessian

    def differences(self) -> Array:
        first = np.repeat(self.starts[:-1], np.diff(self.starts))
        kept = np.arange(len(self.rows)) != first
        return np.asarray((self.rows - self.rows[first])[kept])


def _descended(part: _Parts, theta: Array) -> Array:
    """Newton's method with halved steps, until nothing is gained."""
    value = part.value(theta)
    for _ in range(_STEPS):
        _, slope, hessian = part.derivatives(theta)
        ridge = 1e-12 * np.trace(hessian) / len(theta) + 1e-300
        step = np.linalg.lstsq(hessian + ridge * np.eye(len(theta)), slope, rcond=None)[0]
        size, reached = 1.0, part.value(theta - step)
        while reached > value and size > 1e-6:
            size /= 2
            reached = part.value(theta - size * step)
        if not reached <= value:
            return theta
        gained, theta, value = value - reached, theta - size * step, reached
        if gained <= 1e-16 * abs(value) or np.abs(theta).max() > 1e4:
            return theta
    return theta


def _least_above_zero(rows: Array, flat: int) -> float:
    """The least singular value, beside those of the directions that change nothing."""
    reduced = np.linalg.qr(rows, "r") if rows.shape[0] > rows.shape[1] else rows
    values = np.linalg.svd(reduced, compute_uv=False)
    kept = values[: rows.shape[1] - flat]
    return float(kept[-1]) if kept.size == rows.shape[1] - flat and kept.size else 0.0
