# ruff: noqa: PLW0108 - each function reads as its formula
"""Functions whose curvature is known, by textbook or by hand: what ``convexity`` is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

import chainrule as cr
from chainrule import losses, nn

_RNG = np.random.default_rng(7)
X = np.round(_RNG.normal(size=(12, 2)), 1)
Y = np.round(X @ [1.0, -2.0] + _RNG.normal(size=12), 1)
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0])
CLASSES = np.array([0, 1, 2] * 4)
COUNTS = np.array([0, 1, 3, 2, 0, 5, 1, 2, 0, 1, 4, 2])
POSITIVE = np.abs(Y) + 0.1
TWICE = np.column_stack([X, X[:, 0]])  # its third column is its first: rank 2
V2, V3 = np.array([0.5, 1.5]), np.array([0.5, 1.0, 2.0])
PSD = np.array([[2.0, 1.0], [1.0, 0.5]])  # rank 1
ABOVE_ZERO = (0.05, 8.0)


@dataclass(frozen=True)
class Case:
    """A function, its arguments, and whether it is convex (over the box)."""

    name: str
    convex: bool
    arguments: tuple[Any, ...]
    box: Any = None


def _case(name: str, convex: bool, f: Callable[..., Any], *args: Any, box: Any = None) -> Case:
    return Case(name, convex, (f, *args), box)


def _net(name: str, convex: bool, sizes: list[int], loss: Any, y: Any, **options: Any) -> Case:
    model = nn.MLP(sizes, rng=0, **options)
    return Case(name, convex, (model, loss, (X.astype(np.float32), y)))


def naive_bce(w):
    p = 1 / (1 + np.exp(-X @ w))
    return -np.mean(LABELS * np.log(p) + (1 - LABELS) * np.log(1 - p))


def stable_bce(w):
    z = X @ w
    return np.mean(np.maximum(z, 0) - z * LABELS + np.log1p(np.exp(-np.abs(z))))


def softmax_loss(w):
    z = X @ w.T
    z = z - np.max(z, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(z), axis=1)) - z[np.arange(12), CLASSES])


def probabilities_loss(w):
    return -np.mean(np.log(cr.softmax(X @ w.T)[np.arange(12), CLASSES]))


def huber_by_where(w):
    r = X @ w - Y
    return np.mean(np.where(np.abs(r) <= 0.3, 0.5 * r * r, 0.3 * (np.abs(r) - 0.15)))


def gaussian_nll(mu, log_sigma):
    return np.mean(log_sigma + 0.5 * (Y - mu) ** 2 * np.exp(-2 * log_sigma))


def relu_net(a, b):
    return np.mean((np.maximum(X @ a.T, 0) @ b - Y) ** 2)


def linear_net(a, b):
    return (a * b - 1.0) ** 2


def dead_pixel(w):
    return np.mean((TWICE @ w - Y) ** 2)


W3 = np.zeros((3, 2))

CASES: list[Case] = [
    # of one number
    _case("x²", True, lambda x: x**2, 0.3),
    _case("x⁴", True, lambda x: x**4, 0.3),
    _case("x⁴ - 10⁻⁹ x²", False, lambda x: x**4 - 1e-9 * x**2, 0.3),
    _case("x |x|", False, lambda x: x * np.abs(x), 0.3),
    _case("log(1 + x²)", False, lambda x: np.log(1 + x * x), 0.3),
    _case("log(1 + x²) near 0", True, lambda x: np.log(1 + x * x), 0.3, box=(-0.9, 0.9)),
    _case("exp(-x²)", False, lambda x: np.exp(-x * x), 0.3),
    _case("√(1 + x²)", True, lambda x: np.sqrt(1 + x * x), 0.3),
    _case("x³", False, lambda x: x**3, 0.3),
    _case("x³ for x ≥ 0", True, lambda x: x**3, 0.3, box=(0.0, np.inf)),
    _case("x log x", True, lambda x: x * np.log(x), 0.3),
    _case("log x", False, lambda x: np.log(x), 0.3),
    _case("-log x", True, lambda x: -np.log(x), 0.3),
    _case("1/x", False, lambda x: 1 / x, 0.3),
    _case("1/x for x > 0", True, lambda x: 1 / x, 0.3, box=(0.01, np.inf)),
    _case("|x|^1.5", True, lambda x: np.abs(x) ** 1.5, 0.3),
    _case("√|x|", False, lambda x: np.sqrt(np.abs(x)), 0.3),
    _case("sin x", False, lambda x: np.sin(x), 0.3),
    _case("sin x + x²", True, lambda x: np.sin(x) + x * x, 0.3),
    _case("sin x + 0.49 x²", False, lambda x: np.sin(x) + 0.49 * x * x, 0.3),
    _case("cos(3x) + 4x² + eˣ", False, lambda x: np.cos(3 * x) + 4 * x * x + np.exp(x), 0.3),
    _case("tanh x", False, lambda x: np.tanh(x), 0.3),
    _case("tanh x for x ≤ 0", True, lambda x: np.tanh(x), -0.3, box=(-np.inf, 0.0)),
    _case("-log sigmoid", True, lambda x: -np.log(special.expit(x)), 0.3),
    _case("softplus", True, lambda x: np.logaddexp(0, x), 0.3),
    _case("swish", False, lambda x: x * special.expit(x), 0.3),
    _case("eˣ", True, lambda x: np.exp(x), 0.3),
    _case("e^(x²)", True, lambda x: np.exp(x * x), 0.3),
    _case("log(eˣ + e⁻ˣ)", True, lambda x: np.log(np.exp(x) + np.exp(-x)), 0.3),
    _case("cosh x - x", True, lambda x: np.cosh(x) - x, 0.3),
    _case("x² eˣ", False, lambda x: x * x * np.exp(x), 0.3),
    _case("x eˣ for 0 ≤ x ≤ 3", True, lambda x: x * np.exp(x), 0.3, box=(0.0, 3.0)),
    _case("max(x, 0) - 0.1 max(-x, 0)", True,
          lambda x: np.where(x > 0, x, 0.1 * x), 0.3),
    _case("a step down at 0", False, lambda x: np.where(x > 0, x, 0.1 * x + 0.1), 0.3),
    _case("min(x, 0)", False, lambda x: np.minimum(x, 0), 0.3),
    _case("distance to [-1, 1]", True, lambda x: np.abs(x - np.clip(x, -1, 1)), 0.3),
    _case("x - x", True, lambda x: x - x, 0.3),
    _case("float32 x²", True, lambda x: np.sum(x * x), np.array([0.3], np.float32)),
    # of several
    _case("a sum of eigenvalue -10⁻¹²", False,
          lambda x: x @ np.array([[1.0, 1.0], [1.0, 1.0 - 1e-12]]) @ x, V2),
    _case("a form of rank 1", True, lambda x: x @ PSD @ x, V2),
    _case("x² - x y + y²", True, lambda x: x[0] ** 2 - x[0] * x[1] + x[1] ** 2, V2),
    _case("x y", False, lambda x: x[0] * x[1], V2),
    _case("x² + y² + 2.0001 x y", False,
          lambda x: x[0] ** 2 + x[1] ** 2 + 2.0001 * x[0] * x[1], V2),
    _case("log-sum-exp", True, lambda x: cr.logsumexp(x), V3),
    _case("log-sum-exp of squares", True, lambda x: cr.logsumexp(x * x), V3),
    _case("log-sum-exp of -squares", False, lambda x: cr.logsumexp(-x * x), V3),
    _case("max of affine", True, lambda x: np.max(X @ x - Y), V2),
    _case("min of affine", False, lambda x: np.min(X @ x - Y), V2),
    _case("range", True, lambda x: np.max(x) - np.min(x), V3),
    _case("product of two convex", False, lambda x: x[0] ** 2 * x[1] ** 2, V2),
    _case("x²/y for y > 0", True, lambda x: x[0] ** 2 / x[1], V2,
          box={"x": (np.array([-np.inf, 0.01]), np.inf)}),
    _case("x²/y", False, lambda x: x[0] ** 2 / x[1], V2),
    _case("x/y for x, y > 0", False, lambda x: x[0] / x[1], V2, box=ABOVE_ZERO),
    _case("-√(x y) for x, y > 0", True, lambda x: -np.sqrt(x[0] * x[1]), V2, box=(0.5, 2.0)),
    _case("-√(x y)", False, lambda x: -np.sqrt(x[0] * x[1]), V2),
    _case("x log(x/y)", True, lambda x: x[0] * np.log(x[0] / x[1]), V2, box=ABOVE_ZERO),
    _case("entropy", False, lambda x: -np.sum(x * np.log(x)), V3),
    _case("negative entropy", True, lambda x: np.sum(x * np.log(x)), V3),
    _case("norm", True, lambda x: np.linalg.norm(X @ x - Y), V2),
    _case("norm of order 3", True, lambda x: np.linalg.norm(x, 3), V3),
    _case("largest of |x|", True, lambda x: np.linalg.norm(x, np.inf), V3),
    _case("norm of order ½", False, lambda x: np.linalg.norm(x, 0.5), V3, box=(0.1, 4.0)),
    _case("-norm", False, lambda x: -np.linalg.norm(x), V3),
    _case("distance to a ball", True,
          lambda x: np.maximum(np.linalg.norm(x) - 1, 0), V3),
    _case("barrier of a polygon", True,
          lambda x: -np.sum(np.log(1 - x)) - np.sum(np.log(1 + x)), np.zeros(2)),
    _case("variance", True, lambda x: np.var(x), V3),
    _case("standard deviation", True, lambda x: np.std(x), V3),
    _case("L1 + L2", True, lambda w: np.mean((X @ w - Y) ** 2) + 0.1 * np.sum(np.abs(w))
          + 0.01 * w @ w, V2),
    _case("least squares of rank 2 in 3", True, dead_pixel, V3),
    _case("Rosenbrock", False,
          lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, V2),
    _case("Himmelblau", False,
          lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2, V2),
    # likelihoods and losses
    _case("logistic, from probabilities", True, naive_bce, V2),
    _case("logistic, by max and log1p", True, stable_bce, V2),
    _case("softmax, shifted", True, softmax_loss, W3),
    _case("softmax, from probabilities", True, probabilities_loss, W3),
    _case("Huber by where", True, huber_by_where, V2),
    _case("Tukey-like clipped square", False,
          lambda w: np.mean(np.minimum((X @ w - Y) ** 2, 1.0)), V2),
    _case("Gaussian in its mean", True, lambda m: gaussian_nll(m, 0.3), 0.5),
    _case("Gaussian in its log σ", True, lambda s: gaussian_nll(0.3, s), 0.5),
    _case("Gaussian in both", False, gaussian_nll, 0.5, 0.1),
    _case("Poisson in the log rate", True,
          lambda w: np.mean(np.exp(X @ w) - COUNTS * (X @ w)), V2),
    _case("Cauchy's likelihood", False, lambda w: np.mean(np.log1p((X @ w - Y) ** 2)), V2),
    _case("logistic + square of a logit", True,
          lambda w: stable_bce(w) + 0.1 * np.sum(w * w), V2),
    _case("focal loss", False,
          lambda w: np.mean((1 - special.expit(X @ w)) ** 2 * np.logaddexp(0, -(X @ w))), V2),
    _case("squared error of a sigmoid", False,
          lambda w: np.mean((special.expit(X @ w) - LABELS) ** 2), V2),
    # models
    _net("linear regression", True, [2, 1], losses.squared_error, Y),
    _net("logistic regression", True, [2, 1], losses.binary_cross_entropy, LABELS),
    _net("softmax regression", True, [2, 3], losses.cross_entropy, CLASSES),
    _net("smoothed softmax regression", True, [2, 3],
         losses.cross_entropy(label_smoothing=0.1), CLASSES),
    _net("weighted logistic regression", True, [2, 1],
         losses.binary_cross_entropy(class_weight=[1.0, 3.0]), LABELS),
    _net("support vector machine", True, [2, 1], losses.hinge, LABELS),
    _net("support vector machine of 3 classes", True, [2, 3], losses.hinge, CLASSES),
    _net("median regression", True, [2, 1], losses.absolute_error, Y),
    _net("quantile regression", True, [2, 1], losses.quantile(level=0.9), Y),
    _net("Huber regression", True, [2, 1], losses.huber(delta=0.7), Y),
    _net("Poisson regression", True, [2, 1], losses.poisson, COUNTS),
    _net("gamma regression", True, [2, 1], losses.gamma(shape=2.0), POSITIVE),
    _net("negative binomial regression", True, [2, 1],
         losses.negative_binomial(dispersion=0.5), COUNTS),
    _net("MLP 2-2-1", False, [2, 2, 1], losses.squared_error, Y),
    _net("MLP 2-3-3, cross-entropy", False, [2, 3, 3], losses.cross_entropy, CLASSES),
    _net("MLP 2-2-1, tanh", False, [2, 2, 1], losses.squared_error, Y, activation="tanh"),
    _case("relu network by hand", False, relu_net, np.ones((2, 2)), np.ones(2)),
    _case("linear network of two weights", False, linear_net, 0.5, 0.5),
    _case("matrix factorisation", False,
          lambda u, v: np.sum((np.outer(u, v) - PSD) ** 2), V2, V2),
    _case("log sum of relu", True, lambda w: np.log(np.sum(np.exp(np.maximum(X @ w, 0)))), V2),
]  # fmt: skip
