"""The generative route to a linear classifier: Gaussians of one covariance, one for each class."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import DataError, ShapeError, TrainingError

Array: TypeAlias = Any


def discriminants(x: Array, y: Array, shrinkage: float) -> tuple[Array, Array]:
    """Weights Σ⁻¹ μ_k and biases -½ μ_kᵀ Σ⁻¹ μ_k + log π_k of maximum likelihood, in float64.

    Shapes:
        x: (n, n_in), y: labels 0 ... k - 1 (n,) -> (k, n_in), (k,).

    Raises:
        ShapeError, DataError: x is no table of finite numbers, y are no labels, a class without
            examples.
        TrainingError: shrinkage is not from 0 to 1.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y)
    counts = _counts(x, y)
    if not 0 <= shrinkage <= 1:
        raise TrainingError(f"from_gaussians: shrinkage={shrinkage!r}; expected 0 to 1")
    of_class = np.eye(len(counts))[y]
    means = of_class.T @ x / counts[:, None]
    spread = x - means[y]
    covariance = spread.T @ spread / len(x)
    if shrinkage:
        ball = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        covariance = (1 - shrinkage) * covariance + shrinkage * ball
    # A feature that others tell leaves no inverse: the shortest of all solutions then.
    weight = np.linalg.lstsq(covariance, means.T, rcond=None)[0].T
    return weight, np.log(counts / len(x)) - 0.5 * np.sum(means * weight, axis=1)


def _counts(x: Array, y: Array) -> Array:
    """How many examples each class has."""
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ShapeError(
            f"from_gaussians: x is {x.shape}, y is {y.shape}; expected (n, n_in) and (n,)"
        )
    if not np.isfinite(x).all():
        raise DataError("from_gaussians: x has a value that is not finite")
    if y.dtype.kind not in "iub" or not len(y) or y.min() < 0:
        raise DataError(
            f"from_gaussians: y is {y.dtype}[{len(y)}]; expected integer labels 0, 1, 2, ...",
            "np.unique(y, return_inverse=True) numbers the labels",
        )
    counts = np.bincount(y.astype(np.int64))
    if len(counts) < 2 or not counts.all():
        raise DataError(
            f"from_gaussians: {counts.tolist()} examples of the classes; expected two classes or "
            "more, each with some"
        )
    return counts
