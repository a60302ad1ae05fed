"""The Hessian's extreme eigenvalues, and the learning rate that the largest allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Literal

import numpy as np
from scipy.linalg import eigh_tridiagonal

from chainrule.errors import TrainingError
from chainrule.evaluation.objective import Leaves, Objective

#: What the kept vectors may take, bytes: the Krylov space of a large model is cut short by it.
_MEMORY: Final = 1 << 28
_MOST: Final = 200

Product = Callable[[np.ndarray], np.ndarray]
Ends = Literal["both", "largest"]


@dataclass(frozen=True, eq=False)
class Curvature:
    """The extreme eigenvalues of a symmetric matrix, as far as they were found.

    Attributes:
        largest, smallest: eigenvalues of the Hessian, in units of loss / parameter².
        largest_error, smallest_error: an eigenvalue lies within this of them (the length of the
            residual H v - λ v, and what the products are rounded by).
        largest_direction, smallest_direction: their eigenvectors, of length 1: float64[size].
        products: Hessian-vector products that it took.
        converged: whether the errors came below what was asked for.
        rounding: what the products' rounding adds to either error.
    """

    largest: float
    smallest: float
    largest_error: float
    smallest_error: float
    largest_direction: np.ndarray
    smallest_direction: np.ndarray
    products: int
    converged: bool
    rounding: float

    @property
    def condition(self) -> float:
        """λ_max / λ_min; infinite where λ_min is not above 0 by more than its error."""
        is_positive = self.smallest > self.smallest_error
        return self.largest / self.smallest if is_positive else math.inf

    @property
    def is_indefinite(self) -> bool:
        """Whether a negative eigenvalue was found, beyond the error."""
        return self.smallest < -self.smallest_error

    def __repr__(self) -> str:
        return (
            f"Curvature(λ_max {self.largest:.4g} ± {self.largest_error:.1g}, λ_min"
            f" {self.smallest:.4g} ± {self.smallest_error:.1g}, {self.products} products)"
        )


def curvature(
    objective: Objective, leaves: Leaves, *, ends: Ends = "both", tolerance: float = 1e-3,
    seconds: float = math.inf, seed: int = 0,
) -> Curvature:  # fmt: skip
    """The extreme eigenvalues of the loss's Hessian, from Hessian-vector products alone.

    Args:
        objective: the loss over the rows.
        leaves: where, as ``objective.leaves``.
        ends: see ``lanczos``, as are the others.
        tolerance: of the eigenvalues.
        seconds: to end after.
        seed: of the first vector.

    Raises:
        TrainingError: a product is not finite. GradientError: the loss has no second derivative.

    Example:
        >>> from chainrule.evaluation.examples import take_examples
        >>> rows = take_examples((np.array([[1.0, 2.0], [1.0, -2.0]]),), np.dtype(float))
        >>> objective = Objective(lambda w, x: np.mean((x @ w) ** 2), np.zeros(2), rows)
        >>> found = curvature(objective, [np.zeros(2)])
        >>> round(found.largest, 9), round(found.smallest, 9)  # of 2 mean(x xᵀ)
        (8.0, 2.0)
    """

    def product(v: np.ndarray) -> np.ndarray:
        return objective.flat(objective.hvp(leaves, objective.unflat(v)))

    kinds = [x.dtype for x, on in zip(objective.leaves, objective.learned, strict=True) if on]
    eps = float(max(np.finfo(kind).eps for kind in kinds))
    return lanczos(
        product, objective.size, ends=ends, tolerance=tolerance, seconds=seconds, seed=seed, eps=eps
    )


def lanczos(
    product: Product, n: int, *, ends: Ends = "both", tolerance: float = 1e-3,
    seconds: float = math.inf, seed: int = 0, eps: float = float(np.finfo(np.float64).eps),
) -> Curvature:  # fmt: skip
    """Extreme eigenvalues of a symmetric matrix that is known by its products with vectors.

    Power iteration that forgets nothing: after m products, the best that can be had from all of
    v, H v, ..., H^(m-1) v for a random v, instead of from the last alone. Every new vector is
    made orthogonal to all before it, twice, so no eigenvalue is found twice. Both ends come from
    the same products.

    Args:
        product: v -> H v, float64[n] -> float64[n].
        n: the size.
        ends: "both", or "largest" alone, which takes fewer products.
        tolerance: relative, to λ_max for the largest and to |λ_min| for the smallest one.
        seconds: no further product is begun after that long; at least 2 are made.
        seed: of the first vector.
        eps: relative rounding of the products.

    Raises:
        TrainingError: a product is not finite.

    Source:
        Lanczos 1950; Golub & Van Loan 2013, Matrix Computations, 10.1 and 10.3; the error bound:
        Parlett 1998, The Symmetric Eigenvalue Problem, 4.5 and 13.2.

    Example:
        >>> found = lanczos(lambda v: np.arange(1.0, 6.0) * v, 5)
        >>> round(found.largest, 9), round(found.smallest, 9), found.products
        (5.0, 1.0, 5)
    """
    end = perf_counter() + seconds
    space = _Space(n, max(1, min(n, _MOST, _MEMORY // (8 * n))), eps)
    vector = np.random.default_rng(seed).standard_normal(n)
    while True:
        space.add(vector, product)
        late = perf_counter() > end and space.count >= 2
        if space.is_whole or late or space.is_full or space.count % 4 == 2:
            ritz = space.ritz()
            if space.is_whole or late or space.is_full or ritz.meets(tolerance, ends):
                return ritz.curvature(space.basis[: space.count], tolerance, ends)
        vector = space.rest


class _Space:
    """Orthogonal vectors v, H v, H² v, ... and the tridiagonal matrix that H is among them."""

    def __init__(self, n: int, most: int, eps: float) -> None:
        self.basis, self.eps, self.count = np.zeros((most, n)), eps, 0
        self.diagonal, self.beside = np.zeros(most), np.zeros(most)
        self.rest = np.zeros(n)

    def add(self, vector: np.ndarray, product: Product) -> None:
        """One product more: with ``vector``, which is orthogonal to those before."""
        k = self.count
        self.basis[k] = vector / np.linalg.norm(vector)
        image = _finite(product(self.basis[k]))
        self.diagonal[k] = self.basis[k] @ image
        among = self.basis[: k + 1]
        for _ in range(2):
            image = image - among.T @ (among @ image)
        self.rest, self.beside[k], self.count = image, np.linalg.norm(image), k + 1

    @property
    def is_full(self) -> bool:
        return self.count == len(self.basis)

    @property
    def is_whole(self) -> bool:
        """Whether H leads nowhere else: what was found is exact."""
        n, k = self.basis.shape[1], self.count
        size = np.max(np.abs(self.diagonal[:k])) + np.max(self.beside[:k])
        return bool(k == n or self.beside[k - 1] <= 4 * self.eps * size)

    def ritz(self) -> _Ritz:
        k = self.count
        last = 0.0 if self.is_whole else float(self.beside[k - 1])
        return _ritz(self.diagonal[:k], last, self.beside[: k - 1], self.eps)


@dataclass(frozen=True, eq=False)
class _Ritz:
    """What the projection onto the vectors so far says of the matrix."""

    values: np.ndarray  # (smallest, largest)
    vectors: np.ndarray  # (products, 2)
    errors: np.ndarray
    rounding: float

    def meets(self, tolerance: float, ends: Ends) -> bool:
        scale = np.max(np.abs(self.values))
        floor = max(self.rounding / max(tolerance, 1e-300), 1e-5 * scale)
        if self.errors[1] > tolerance * scale + self.rounding:
            return False
        wanted = tolerance * max(abs(self.values[0]), floor) + self.rounding
        return ends == "largest" or bool(self.errors[0] <= wanted)

    def curvature(self, basis: np.ndarray, tolerance: float, ends: Ends) -> Curvature:
        low, high = (basis.T @ self.vectors[:, k] for k in (0, 1))
        return Curvature(
            largest=float(self.values[1]), smallest=float(self.values[0]),
            largest_error=float(self.errors[1]), smallest_error=float(self.errors[0]),
            largest_direction=high / np.linalg.norm(high),
            smallest_direction=low / np.linalg.norm(low),
            products=len(basis), converged=self.meets(tolerance, ends), rounding=self.rounding,
        )  # fmt: skip


def _ritz(diagonal: np.ndarray, last: float, beside: np.ndarray, eps: float) -> _Ritz:
    values, vectors = eigh_tridiagonal(diagonal, beside)
    ends = [0, len(values) - 1]
    rounding = 4 * eps * float(np.max(np.abs(values)))
    errors = np.abs(last * vectors[-1, ends]) + rounding
    return _Ritz(values[ends], vectors[:, ends], errors, rounding)


def _finite(image: np.ndarray) -> np.ndarray:
    if not np.isfinite(image).all():
        raise TrainingError(
            "the Hessian times a vector is not finite: the loss has no curvature there",
            "look at weights from before the loss became so large",
        )
    return image


def stability_bound(
    largest: float, momentum: float = 0.0, *, nesterov: bool = False, dampening: float = 0.0
) -> float:
    """The learning rate above which gradient descent moves away from any minimum so curved.

    2 / λ_max without momentum β; 2 (1 + β) / λ_max with it (over 1 - dampening); with Nesterov's
    2 (1 + β) / ((1 + 2 β) λ_max). Of the quadratic with that curvature; stated for the gradient
    over all rows, batches need less.

    Args:
        largest: λ_max; infinite is returned where it is not above 0.
        momentum: as of ``optim.SGD``, and so the others.
        nesterov: Nesterov's form of it.
        dampening: of the momentum.

    Source:
        Polyak 1964, Some Methods of Speeding Up the Convergence of Iteration Methods; Goh 2017,
        Why Momentum Really Works; Nesterov's: Cohen, Kaur, Li, Kolter & Talwalkar 2021, Gradient
        Descent on Neural Networks Typically Occurs at the Edge of Stability, appendix B.

    Example:
        >>> stability_bound(4.0), stability_bound(4.0, momentum=0.5)
        (0.5, 0.75)
    """
    if not largest > 0:
        return math.inf
    if nesterov:
        return 2 * (1 + momentum) / ((1 + 2 * momentum) * largest)
    return 2 * (1 + momentum) / ((1 - dampening) * largest)
