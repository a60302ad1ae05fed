"""A classifier as what it is in its features: affine scores, or something bent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import DataError, TrainingError
from chainrule.tracing.trees import flatten, named_leaves

#: How far scores may be from an affine map's, relative to the largest, and count as affine.
_AFFINE: Final = 1e-4
_LARGEST = 4096


@dataclass(frozen=True, eq=False)
class Classifier:
    """Scores of K classes for rows of features: a difference of two is their log-odds.

    Attributes:
        scores: (rows, d) -> (rows, K), float64; a logistic model's are (0, z).
        weight: (K, d) and bias: (K,), where the scores are weight x + bias; else None.
        classes: K.
        is_logistic: whether there is one θ, and not a row for each class.
    """

    scores: Callable[[np.ndarray], np.ndarray]
    weight: np.ndarray | None
    bias: np.ndarray | None
    classes: int
    is_logistic: bool

    def normal(self, j: int, k: int) -> tuple[np.ndarray, float]:
        """(θ, θ₀) of the log-odds θᵀx + θ₀ of class j against class k."""
        assert self.weight is not None and self.bias is not None
        return self.weight[j] - self.weight[k], float(self.bias[j] - self.bias[k])


def classifier_of(model: Any, x: np.ndarray, bias: float | None) -> Classifier:
    """The classifier that a model or a θ is, for features like those of x.

    Raises:
        TrainingError: it is neither; its outputs are no scores.
    """
    if callable(model):
        return _of_model(model, x)
    return _of_vector(*_vector_of(model, x.shape[1], bias))


def _of_vector(theta: np.ndarray, bias: float) -> Classifier:
    weight = np.stack([np.zeros_like(theta), theta])
    offset = np.array([0.0, bias])
    return Classifier(lambda rows: rows @ weight.T + offset, weight, offset, 2, True)


def _vector_of(theta: Any, d: int, bias: float | None) -> tuple[np.ndarray, float]:
    """(θ, θ₀): of d numbers, of d + 1 with θ₀ in front, or of a tree with one array of each."""
    leaves = [np.asarray(leaf, np.float64) for leaf in _leaves(theta)]
    long = [leaf.ravel() for leaf in leaves if leaf.size == d and (leaf.ndim or len(leaves) == 1)]
    if len(leaves) == 2 and bias is None:
        short = [leaf for leaf in leaves if leaf.size == 1]
        if long and short:
            return long[0], float(short[-1].ravel()[0])
    if len(leaves) == 1 and long:
        return long[0], 0.0 if bias is None else float(bias)
    if len(leaves) == 1 and leaves[0].size == d + 1 and bias is None:
        flat = leaves[0].ravel()
        return flat[1:], float(flat[0])
    shapes = ", ".join(str(leaf.shape) for leaf in leaves)
    raise TrainingError(
        f"decision_boundary: θ has arrays of shape {shapes}; expected {d} numbers for {d} features,"
        f" or {d + 1} with the bias θ₀ in front",
        "give a bias as bias=..., or the model itself",
    )


def _leaves(theta: Any) -> list[Any]:
    """Of a tree, its leaves; a list of numbers is one array."""
    if isinstance(theta, Mapping):
        return list(named_leaves(dict(theta)).values())
    if isinstance(theta, list) and all(isinstance(t, int | float) for t in theta):
        return [np.array(theta, np.float64)]
    return list(flatten(theta)[0])


def _of_model(model: Any, x: np.ndarray) -> Classifier:
    def scores(rows: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = np.asarray(model(rows), np.float64)
        return _two_sided(found, len(rows))

    shape = np.shape(model(x[:1]))
    weight, bias = _affine(scores, x)
    is_logistic = shape in ((1,), (1, 1))
    return Classifier(scores, weight, bias, scores(x[:1]).shape[1], is_logistic)


def _two_sided(z: np.ndarray, rows: int) -> np.ndarray:
    if z.shape in ((rows,), (rows, 1)):
        z = z.reshape(rows, 1)
        return np.concatenate([np.zeros_like(z), z], axis=1)
    if z.ndim == 2 and len(z) == rows and z.shape[1] > 1:
        return z
    raise TrainingError(
        f"decision_boundary: the model returned shape {z.shape} for {rows} rows; expected one"
        " number a row (the log-odds of class 1) or one score for each class"
    )


def _affine(
    scores: Callable[[np.ndarray], np.ndarray], x: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(weight, bias) where the scores of rows like these are an affine map; else (None, None)."""
    d = x.shape[1]
    if d > _LARGEST:
        return None, None
    middle, size = x.mean(axis=0), float(np.max(np.abs(x - x.mean(axis=0)))) or 1.0
    corners = middle + size * np.concatenate([np.zeros((1, d)), np.eye(d)])
    found = scores(corners)
    weight = ((found[1:] - found[0]) / size).T
    bias = found[0] - weight @ middle
    rng = np.random.default_rng(0)
    probes = np.concatenate([x[:200], middle + size * rng.standard_normal((50, d))])
    wrong = np.max(np.abs(scores(probes) - probes @ weight.T - bias))
    scale = max(float(np.max(np.abs(scores(probes)))), float(np.max(np.abs(bias))), 1e-300)
    return (weight, bias) if wrong <= _AFFINE * scale else (None, None)


def rows_of_features(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """x (rows, d) in float64, y as class numbers 0 to K - 1, and the classes' names.

    Raises:
        DataError: no rows, not numbers, NaN, or lengths that differ.
    """
    rows = np.asarray(x)
    if rows.dtype.kind not in "fiub" or rows.ndim not in (1, 2) or not rows.size:
        raise DataError(
            f"decision_boundary: x is {rows.dtype}{list(rows.shape)}; expected (rows, features)"
        )
    rows = rows.astype(np.float64).reshape(len(rows), -1)
    labels = np.asarray(y).ravel()
    if len(labels) != len(rows):
        raise DataError(
            f"decision_boundary: x has {len(rows)} rows and y {len(labels)}; expected"
            " one class a row"
        )
    if not np.isfinite(rows).all():
        bad = int(np.sum(~np.isfinite(rows).all(axis=1)))
        raise DataError(
            f"decision_boundary: {bad} of {len(rows)} rows of x are not finite", "leave them out"
        )
    return rows, *_numbered(labels)


def _numbered(labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Whole numbers from 0 are classes as they are; other labels are numbered in their order."""
    if labels.dtype.kind in "fiub" and np.isfinite(labels.astype(float)).all():
        whole = labels.astype(np.int64)
        if (whole == labels).all() and whole.min() >= 0:
            return whole, tuple(str(k) for k in range(max(int(whole.max()) + 1, 2)))
    names, numbers = np.unique(labels, return_inverse=True)
    return numbers, tuple(str(name) for name in names)
