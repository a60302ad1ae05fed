"""Losses whose target is a class: negative log-likelihoods, from logits, in nats."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.losses.record import loss
from chainrule.losses.regression import identity
from chainrule.losses.targets import (
    check_answers,
    check_classes,
    check_probabilities,
    fit_classes,
    fit_margins,
    fit_numbers,
)
from chainrule.losses.weights import class_table, class_weights, positive, share
from chainrule.ops.scipy_special import special
from chainrule.tracing.functions import softmax, stop_gradient

Array: TypeAlias = Any


def _sigmoid(z: Array, **_: Any) -> Array:
    return special.expit(z)


def _softmax(z: Array, **_: Any) -> Array:
    return softmax(z)


@loss(
    unit="nats", link=_sigmoid, fit=fit_numbers, check=check_probabilities,
    label_smoothing=share, class_weight=class_table,
)  # fmt: skip
def binary_cross_entropy(
    z: Array, y: Array, label_smoothing: float = 0.0, class_weight: Any = None
) -> Any:
    """The mean of -y log p - (1 - y) log(1 - p) with p = sigmoid(z), for a yes or no.

    It is softplus(z) - y z, whose derivative is p - y. Written like that, both cancel for a
    large z with y = 1: in float32 nothing is left from z = 17 on. So the label h nearest to y
    turns the sign first: softplus(z) - h z = softplus(±z), exactly, and only (h - y) z is left
    to add, which is 0 for labels. A confident no and a confident yes are then equally exact.

    Args:
        z: logits (batch,), (batch, 1), or (batch, n_out) for several independent answers.
        y: the same, labels 0 and 1 or probabilities; (batch, 1) and (batch,) fit each other.
        label_smoothing: s in [0, 1); y becomes (1 - s) y + s / 2.
        class_weight: weights of no and yes, or a dict by label. The loss is then the weighted
            mean: an example weighs as much as its class (a probability y: y of a yes, 1 - y of a
            no).

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
    smooth = (1 - label_smoothing) * y + 0.5 * label_smoothing if label_smoothing else y
    if class_weight is None:
        h = (smooth > 0.5).astype(z.dtype)
        return np.logaddexp(0, (1 - 2 * h) * z) + (h - smooth) * z
    no, yes = class_weights(class_weight, 2).tolist()
    losses = yes * smooth * np.logaddexp(0, -z) + no * (1 - smooth) * np.logaddexp(0, z)
    return losses, yes * y + no * (1 - y)


@loss(
    unit="nats", link=_softmax, fit=fit_classes, check=check_classes,
    label_smoothing=share, class_weight=class_table,
)  # fmt: skip
def cross_entropy(
    z: Array, y: Array, label_smoothing: float = 0.0, class_weight: Any = None
) -> Any:
    """The mean of -Σ y log p over the batch with p = softmax(z), for one class of several.

    Its derivative by the logits is (p - y) / batch. With a label y it is log Σ eᶻ - z[y], both
    taken relative to the largest logit, so that nothing overflows.

    Args:
        z: logits (batch, k), k > 1; or (batch, ..., k), such as one for each place in time.
        y: integer labels 0 ... k - 1 of shape (batch,) or (batch, 1); or probabilities (batch, k),
            one-hot among them. With the axes between where the logits have them.
        label_smoothing: s in [0, 1); the target is (1 - s) y + s / k.
        class_weight: k weights in order, or a dict by label. The loss is then
            Σ weight[j] y[j] (-log p[j]) / Σ weight[j] y[j] over all examples and classes, the
            weighted mean, in which y above the line is smoothed. As PyTorch's for labels.

    Raises:
        ShapeError: y fits the logits in none of these ways. DTypeError: labels that are floats.
        DataError: a label outside 0 ... k - 1, or probabilities that do not sum to 1.

    Source:
        Bridle 1990, Probabilistic Interpretation of Feedforward Classification Network Outputs;
        Bishop 2006, Pattern Recognition and Machine Learning, equations 4.108 and 4.109. Label
        smoothing: Szegedy et al. 2016, Rethinking the Inception Architecture, section 7.

    Example:
        >>> z = np.array([[0.0, 0.0, 0.0, 0.0], [1000.0, 0.0, 0.0, 0.0]])
        >>> cross_entropy(z, np.array([2, 0]))  # (log 4 + 0) / 2
        np.float64(0.693147180559...)
    """
    below, log_total = _log_softmax(z)
    if not label_smoothing and class_weight is None:
        if y.shape == z.shape:
            return np.sum(y * (log_total - below), axis=-1)
        return log_total - np.take_along_axis(below, y, axis=-1)
    k = z.shape[-1]
    given = (np.ones(k) if class_weight is None else class_weights(class_weight, k)).astype(z.dtype)
    by_class = given * (log_total - below)
    uniform = label_smoothing / k * np.sum(by_class, axis=-1, keepdims=True)
    if y.shape == z.shape:
        chosen = np.sum(y * by_class, axis=-1, keepdims=True)
        weights = np.sum(y * given, axis=-1, keepdims=True)
    else:
        chosen = np.take_along_axis(by_class, y, axis=-1)
        is_label = np.equal(y, np.arange(k))
        weights = np.sum(np.where(is_label, given, 0), axis=-1, keepdims=True)
    smooth = (1 - label_smoothing) * chosen + uniform
    return smooth if class_weight is None else (smooth, weights)


@loss(unit="nats", link=_softmax, fit=fit_classes, check=check_classes)
def kl_divergence(z: Array, y: Array) -> Array:
    """The mean of KL(y ‖ p) = Σ y (log y - log p) over the batch with p = softmax(z).

    The cross-entropy less the target's own entropy: never below 0, and 0 where p = y. Its
    derivative is the cross-entropy's. A target of probability 0 adds nothing.

    Shapes:
        z: logits (batch, k). y: probabilities (batch, k), or labels; errors as ``cross_entropy``.

    Source:
        Kullback & Leibler 1951, On Information and Sufficiency.

    Example:
        >>> kl_divergence(np.log([[0.25, 0.75]]), [[0.5, 0.5]])  # ½ log 2 + ½ log ⅔
        np.float64(0.14384103622589...)
    """
    below, log_total = _log_softmax(z)
    if y.shape != z.shape:  # a label has no entropy
        return log_total - np.take_along_axis(below, y, axis=-1)
    return np.sum(special.xlogy(y, y) + y * (log_total - below), axis=-1)


@loss(unit="margins", link=identity, fit=fit_margins, check=check_answers, margin=positive)
def hinge(z: Array, y: Array, margin: float = 1.0) -> Array:
    """How far the right answer is from winning by ``margin``; the support vector machine's loss.

    Binary, for scores of the same shape as y: max(0, margin - s z) with s = 1 for a yes (y = 1)
    and -1 for a no (y = 0 or -1). Several columns are several independent answers.
    With k scores and one label per example: max(0, margin + (largest other score) - (score of the
    label)). The derivative at a tie is taken in the middle.

    Args:
        z: scores (batch,), (batch, 1), (batch, n_out); or (batch, k) with labels.
        y: 0 or -1 and 1, of the shape of z; or integer labels 0 ... k - 1 (batch,).
        margin: > 0.

    Raises:
        ShapeError, DTypeError: y fits in neither way. DataError: no such answer or label.

    Source:
        Cortes & Vapnik 1995, Support-Vector Networks; Crammer & Singer 2001, On the Algorithmic
        Implementation of Multiclass Kernel-based Vector Machines. scikit-learn's ``hinge_loss``.

    Example:
        >>> hinge(np.array([2.0, 0.5]), np.array([1, 0]))  # (0 + 1.5) / 2
        np.float64(0.75)
        >>> hinge(np.array([[1.0, 3.0, 2.5]]), np.array([1]))
        np.float64(0.5)
    """
    if y.shape == z.shape:
        return np.maximum(margin - np.where(y > 0, z, -z), 0)
    is_right = np.equal(y, np.arange(z.shape[-1]))
    others = np.max(np.where(is_right, -np.inf, z), axis=-1, keepdims=True)
    return np.maximum(margin + others - np.take_along_axis(z, y, axis=-1), 0)


def _log_softmax(z: Array) -> tuple[Array, Array]:
    """z below its largest, and the log of the sum of its exponentials; log p is the difference."""
    below = z - stop_gradient(np.max(z, axis=-1, keepdims=True))
    return below, np.log(np.sum(np.exp(below), axis=-1, keepdims=True))
