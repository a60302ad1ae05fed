"""A loss, whatever it was given as, as a function of the parameters and the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.losses import LogLikelihood, Loss

LossOfParams: TypeAlias = Callable[..., Any]


def as_function(loss: Any) -> LossOfParams:
    """A loss as a function of the parameters and the data; a third array weighs the examples.

    Raises:
        TrainingError: it is neither a loss nor a function.
    """
    if isinstance(loss, Loss):
        return lambda model, x, y, w=None: loss(model(x), y, sample_weight=w)
    if not callable(loss):
        raise TrainingError(f"the loss is {loss!r}; expected losses.cross_entropy or a function")
    return loss  # type: ignore[no-any-return]


def as_totals(loss: Any) -> LossOfParams:
    """As ``as_function``, but of a ``Loss`` (Σ w loss, Σ w), which can be added up over blocks."""
    if isinstance(loss, Loss):
        return lambda model, x, y, w=None: np.stack(loss.totals(model(x), y, w))
    if isinstance(loss, LogLikelihood):
        return lambda *args: np.stack(loss.totals(*args))
    return as_function(loss)
