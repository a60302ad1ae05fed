"""Losses whose target is a quantity, by its distance from the output."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.losses.record import loss
from chainrule.losses.targets import check_finite, fit_numbers
from chainrule.losses.weights import level as between_0_and_1
from chainrule.losses.weights import positive

Array: TypeAlias = Any


def identity(output: Array, **_: Any) -> Array:
    """The output is the prediction."""
    return output


@loss(unit="target²", link=identity, fit=fit_numbers, check=check_finite)
def squared_error(output: Array, y: Array) -> Array:
    """The mean over batch and outputs of (output - y)², in the square of the target's unit.

    Shapes:
        output: (batch, n_out) or (batch,). y: the same; (batch, 1) and (batch,) fit each other.

    Raises:
        ShapeError: not one target per output. DTypeError: y holds no numbers.
        DataError: a target that is not finite.

    Source:
        Legendre 1805, Gauss 1809. Twice the negative log-likelihood, but for a constant, of a
        Gaussian with variance 1: Bishop 2006, Pattern Recognition and Machine Learning, 3.1.1.

    Example:
        >>> squared_error(np.array([1.0, 2.0]), np.array([[1.0], [5.0]]))
        np.float64(4.5)
    """
    distance = output - y
    return distance * distance


@loss(unit="target", link=identity, fit=fit_numbers, check=check_finite)
def absolute_error(output: Array, y: Array) -> Array:
    """The mean over batch and outputs of |output - y|, in the target's unit.

    Its minimum is the median. The derivative where output = y is taken as 0.

    Shapes:
        As ``squared_error``, with the same errors.

    Source:
        Boscovich 1757, Laplace 1793; minus a log-likelihood of Laplace's distribution.

    Example:
        >>> absolute_error(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
        np.float64(1.5)
    """
    return np.abs(output - y)


@loss(unit="target²", link=identity, fit=fit_numbers, check=check_finite, delta=positive)
def huber(output: Array, y: Array, delta: float = 1.0) -> Array:
    """Half of the squared distance r = output - y up to ``delta``, and a line of its slope beyond.

    ½ r² where |r| <= delta, else delta (|r| - ½ delta). No r overflows that can be written down.

    Args:
        output: (batch, n_out) or (batch,).
        y: the same; errors as in ``squared_error``.
        delta: > 0, in the target's unit; from there on a distance counts as an outlier's.

    Source:
        Huber 1964, Robust Estimation of a Location Parameter. Definition: ``torch.nn.HuberLoss``.

    Example:
        >>> huber(np.array([0.5, 4.0]), np.zeros(2))  # (0.125 + 3.5) / 2
        np.float64(1.8125)
        >>> huber(np.array([0.5, 4.0]), np.zeros(2), delta=2.0)  # (0.125 + 6) / 2
        np.float64(3.0625)
    """
    distance = np.abs(output - y)
    near = np.minimum(distance, delta)
    return near * (distance - 0.5 * near)


@loss(unit="target", link=identity, fit=fit_numbers, check=check_finite, level=between_0_and_1)
def quantile(output: Array, y: Array, level: float = 0.5) -> Array:
    """The pinball loss: level · r where r = y - output is positive, else (level - 1) · r.

    Its minimum is the quantile of that level: a share ``level`` of the targets lies below. The
    derivative where output = y is taken in the middle.

    Args:
        output: (batch, n_out) or (batch,).
        y: the same; errors as in ``squared_error``.
        level: between 0 and 1; 0.5 is half of the absolute error.

    Source:
        Koenker & Bassett 1978, Regression Quantiles.

    Example:
        >>> quantile(np.array([1.0, 1.0]), np.array([2.0, 0.0]), level=0.9)  # (0.9 + 0.1) / 2
        np.float64(0.5)
    """
    distance = y - output
    return np.maximum(level * distance, (level - 1) * distance)
