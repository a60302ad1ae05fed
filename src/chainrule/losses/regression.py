"""Losses whose target is a quantity."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.losses.record import loss
from chainrule.losses.targets import check_finite, fit_numbers

Array: TypeAlias = Any


def _identity(output: Array) -> Array:
    return output


@loss(unit="target²", link=_identity, fit=fit_numbers, check=check_finite)
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
    return np.mean(distance * distance)
