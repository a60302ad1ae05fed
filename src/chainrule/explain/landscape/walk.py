"""To the nearest critical point: Levenberg-Marquardt on the gradient's squared length."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np
from scipy.sparse.linalg import LinearOperator, lsmr

from chainrule.explain.landscape.field import Field
from chainrule.explain.landscape.spectrum import spectrum

_STEPS: Final = 200
_PRODUCTS, _FEWEST = 80, 4
#: Damping in units of |λ|_max²: where it begins, and where no step helps any more.
_FIRST: Final = 1e-6
_MOST: Final = 1e6
_LEAST: Final = 1e-14
_SMALL: Final = 1e-12


@dataclass(frozen=True, eq=False)
class Walk:
    """Steps that shorten the gradient, whichever way the loss goes.

    Attributes:
        path: the points, float64[steps + 1, size].
        gradient_norms: |g| at each.
    """

    path: np.ndarray
    gradient_norms: np.ndarray

    @property
    def steps(self) -> int:
        """How many there were."""
        return len(self.path) - 1

    @property
    def distance(self) -> float:
        """From the first point to the last."""
        return float(np.linalg.norm(self.path[-1] - self.path[0]))

    @property
    def end(self) -> np.ndarray:
        """The last point."""
        return np.asarray(self.path[-1])


def walk(field: Field, seconds: float, seed: int = 0) -> Walk:
    """Minimise ½ |∇f|², of which every critical point of f is a minimum, saddle points too.

    A step solves min |g + H δ|² + μ |δ|²; μ is a tenth after a step that helps, ten times more
    after one that does not.

    Args:
        field: the function; from ``field.start``.
        seconds: after which it ends where it is.
        seed: for a large Hessian's spectrum, which sets the first damping.

    Source:
        Levenberg 1944; Marquardt 1963; for critical points of a network: Frye et al. 2021,
        Critical Point-Finding Methods Reveal Gradient-Flat Regions of Deep Network Losses.
    """
    end = perf_counter() + seconds
    v, g = field.start, field.gradient(field.start)
    path, norms = [v], [float(np.linalg.norm(g))]
    damping, first = _FIRST, norms[0]
    for _ in range(_STEPS):
        if norms[-1] <= _SMALL * first or damping > _MOST or perf_counter() > end:
            break
        solve, moved = _solver(field, v, g, seconds / 8, seed), None
        while moved is None and damping <= _MOST and perf_counter() < end:
            tried = v + solve(damping)
            there = field.gradient(tried)
            if np.isfinite(there).all() and np.linalg.norm(there) < norms[-1]:
                moved = tried, there
            else:
                damping *= 10
        if moved is None:
            break
        (v, g), damping = moved, max(damping / 10, _LEAST)
        path.append(v)
        norms.append(float(np.linalg.norm(g)))
    return Walk(np.stack(path), np.asarray(norms))


def _solver(
    field: Field, v: np.ndarray, g: np.ndarray, seconds: float, seed: int
) -> Callable[[float], np.ndarray]:
    """damping -> the step, in the Hessian's own axes or by products alone."""
    found = spectrum(field, v, seconds, seed)
    unit = found.steepest or 1.0
    if found.values is not None and found.vectors is not None:
        values, vectors = found.values, found.vectors
        along = vectors.T @ g
        return lambda mu: -vectors @ (values * along / (values**2 + mu * unit**2))

    def product(d: np.ndarray) -> np.ndarray:
        return field.product(v, np.ravel(d))

    begin = perf_counter()
    product(g)
    each = 2 * (perf_counter() - begin)  # a product with H and one with its transpose
    count = int(np.clip(seconds / max(each, 1e-9), _FEWEST, _PRODUCTS))
    hessian = LinearOperator((field.size, field.size), product, product, dtype=np.float64)
    return lambda mu: lsmr(hessian, -g, damp=math.sqrt(mu) * unit, maxiter=count)[0]
