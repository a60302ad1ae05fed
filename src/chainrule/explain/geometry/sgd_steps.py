"""What one SGD update on one example does to θ: the per-example gradient (p - y) x."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.explain.geometry.linear import Classifier
from chainrule.explain.geometry.tangent import angle
from chainrule.gradients.reverse import grad
from chainrule.tracing.functions import logsumexp


@dataclass(frozen=True, eq=False)
class ExampleStep:
    """One example's gradient of θ and what θ - ε gradient is.

    Attributes:
        row: its number. features: of it that vary, float64[d].
        p: probability of class j. y: 1 if its class is j, else 0.
        factor: what stands before x in the gradient of θ: p - y of a logistic regression;
            (p_j - y_j) - (p_k - y_k) of θ = w_j - w_k of a softmax.
        gradient: factor x, float64[d]; error: its largest difference from autodiff's.
        theta: after the update, float64[d]. turn: the angle between θ before and after, degrees.
        loss, loss_after: of the example, nats, before and after the update.
    """

    row: int
    features: np.ndarray
    p: float
    y: float
    factor: float
    gradient: np.ndarray
    error: float
    theta: np.ndarray
    turn: float
    loss: float
    loss_after: float


def probabilities(z: np.ndarray) -> np.ndarray:
    """Softmax along the last axis, (rows, K) -> (rows, K)."""
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return np.asarray(e / np.sum(e, axis=-1, keepdims=True))


def example_steps(
    found: Classifier, pair: tuple[int, int], rows: np.ndarray, labels: np.ndarray,
    varying: np.ndarray, learning_rate: float | None, most: int,
) -> tuple[float, tuple[ExampleStep, ...]]:  # fmt: skip
    """The learning rate, and the examples whose gradient is longest, of both classes in turn."""
    p = probabilities(rows @ found.weight.T + found.bias)  # type: ignore[union-attr]
    factors = _factors(found, pair, p, labels)
    lengths = np.abs(factors) * np.linalg.norm(rows[:, varying], axis=1)
    order = np.argsort(-lengths, kind="stable")
    of_class = [[int(k) for k in order if labels[k] == c][:most] for c in pair]
    taken = [k for both in _in_turn(*of_class) for k in both][:most]
    rate = learning_rate
    if rate is None:
        theta = np.linalg.norm((found.normal(*pair)[0])[varying])
        rate = _round(0.4 * float(theta), float(np.max(lengths[taken], initial=0.0)))
    return float(rate), tuple(
        _step(found, pair, rows[k], int(labels[k]), k, varying, float(rate)) for k in taken
    )


def _round(wanted: float, longest: float) -> float:
    """The rate of one digit by which an update is about as long as wanted; 1 where none is."""
    return float(f"{wanted / longest:.0e}") if wanted > 0 and longest > 0 else 1.0


def _in_turn(a: list[int], b: list[int]) -> list[list[int]]:
    return [[*a[k : k + 1], *b[k : k + 1]] for k in range(max(len(a), len(b)))]


def _factors(
    found: Classifier, pair: tuple[int, int], p: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    j, k = pair
    own: np.ndarray = p[:, j] - (labels == j)
    return own if found.is_logistic else own - (p[:, k] - (labels == k))


def _step(
    found: Classifier, pair: tuple[int, int], x: np.ndarray, label: int, row: int,
    varying: np.ndarray, learning_rate: float,
) -> ExampleStep:  # fmt: skip
    weight, bias = found.weight, found.bias
    assert weight is not None and bias is not None

    def loss(w: np.ndarray) -> np.ndarray:
        z = w @ x + bias
        value: np.ndarray = logsumexp(z) - z[label]
        return value

    slopes = grad(loss)(weight)
    j, k = pair
    moved = np.zeros_like(weight) + weight
    moved[j] -= learning_rate * slopes[j]
    if not found.is_logistic:
        moved -= learning_rate * slopes * (np.arange(len(weight)) != j)[:, None]
    by_autodiff = slopes[j] if found.is_logistic else slopes[j] - slopes[k]
    p = probabilities((weight @ x + bias)[None])
    factor = float(_factors(found, pair, p, np.array([label]))[0])
    theta, after = (weight[j] - weight[k])[varying], (moved[j] - moved[k])[varying]
    return ExampleStep(
        row, x[varying], float(p[0, j]), float(label == j), factor, factor * x[varying],
        float(np.max(np.abs(factor * x - by_autodiff))), after,
        angle(theta, after) if np.any(theta) and np.any(after) else np.nan,
        float(loss(weight)), float(loss(moved)),
    )  # fmt: skip
