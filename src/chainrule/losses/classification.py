"""Losses whose target is a class: negative log-likelihoods, from logits, in nats."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.losses.record import loss
from chainrule.losses.targets import (
    check_classes,
    check_probabilities,
    fit_classes,
    fit_numbers,
)
from chainrule.ops.scipy_special import special
from chainrule.tracing.functions import softmax, stop_gradient

Array: TypeAlias = Any


def _sigmoid(z: Array) -> Array:
    return special.expit(z)


@loss(unit="nats", link=_sigmoid, fit=fit_numbers, check=check_probabilities)
def binary_cross_entropy(z: Array, y: Array) -> Array:
    """The mean of -y log p - (1 - y) log(1 - p) with p = sigmoid(z), for a yes or no.

    It is softplus(z) - y z, whose derivative is p - y. Written like that, both cancel for a
    large z with y = 1: in float32 nothing is left from z = 17 on. So the label h nearest to y
    turns the sign first: softplus(z) - h z = softplus(±z), exactly, and only (h - y) z is left
    to add, which is 0 for labels. A confident no and a confident yes are then equally exact.

    Shapes:
        z: logits (batch,), (batch, 1), or (batch, n_out) for several independent answers.
        y: the same, labels 0 and 1 or probabilities; (batch, 1) and (batch,) fit each other.

    Raises:
        ShapeError: not one target per logit. DTypeError: y holds no numbers.
        DataError: a target below 0 or above 1.

    Source:
        Bishop 2006, Pattern Recognition and Machine Learning, equations 4.90 and 4.91.

    Example:
        >>> binary_cross_entropy(np.array([0.0, 0.0]), np.array([0, 1]))  # log 2
        np.float64(0.693147180559...)
        >>> binary_cross_entropy(np.array([1000.0]), np.array([1.0]))
        np.float64(0.0)
    """
    h = (y > 0.5).astype(z.dtype)
    return np.mean(np.logaddexp(0, (1 - 2 * h) * z) + (h - y) * z)


@loss(unit="nats", link=softmax, fit=fit_classes, check=check_classes)
def cross_entropy(z: Array, y: Array) -> Array:
    """The mean of -Σ y log p over the batch with p = softmax(z), for one class of several.

    Its derivative by the logits is (p - y) / batch. With a label y it is log Σ eᶻ - z[y], both
    taken relative to the largest logit, so that nothing overflows.

    Shapes:
        z: logits (batch, k), k > 1.
        y: integer labels 0 ... k - 1 of shape (batch,) or (batch, 1); or probabilities (batch, k),
            one-hot among them.

    Raises:
        ShapeError: y fits the logits in none of these ways. DTypeError: labels that are floats.
        DataError: a label outside 0 ... k - 1, or probabilities that do not sum to 1.

    Source:
        Bridle 1990, Probabilistic Interpretation of Feedforward Classification Network Outputs;
        Bishop 2006, Pattern Recognition and Machine Learning, equations 4.108 and 4.109.

    Example:
        >>> z = np.array([[0.0, 0.0, 0.0, 0.0], [1000.0, 0.0, 0.0, 0.0]])
        >>> cross_entropy(z, np.array([2, 0]))  # (log 4 + 0) / 2
        np.float64(0.693147180559...)
    """
    below = z - stop_gradient(np.max(z, axis=-1, keepdims=True))
    log_total = np.log(np.sum(np.exp(below), axis=-1, keepdims=True))
    if y.shape == z.shape:
        return np.mean(np.sum(y * (log_total - below), axis=-1))
    return np.mean(log_total - np.take_along_axis(below, y, axis=-1))
