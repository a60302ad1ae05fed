"""Dropout: numbers left out at random while training."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.nn.mode import mode
from chainrule.tracing.shaping import as_array
from chainrule.tracing.trees import static, tree

Array: TypeAlias = Any


@tree
class Dropout:
    """Each number is set to 0 with probability ``rate``, the others grow by 1 / (1 - rate).

    Only inside of ``nn.training``, as ``cr.train`` calls it; elsewhere x is passed on. The mask is
    a function of the run's seed, the step, which of the model's draws it is, and the number's
    index in the batch: a run that is resumed sees the masks that it would have seen.

    Args:
        rate: in [0, 1).

    Shapes:
        x: (...) -> (...).

    Raises:
        TrainingError: a rate outside of its range.

    Source:
        Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov 2014, Dropout: A Simple Way to
        Prevent Neural Networks from Overfitting. The masks: ``tracing.counter``.

    Example:
        >>> Dropout(0.2)(np.ones(3))
        array([1., 1., 1.])
    """

    rate: float = static(default=0.5)

    def __post_init__(self) -> None:
        check_rate(f"Dropout({self.rate!r})", self.rate)

    def __call__(self, x: Array) -> Array:
        return dropout(x, self.rate)

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"


def dropout(x: Array, rate: float) -> Array:
    """``Dropout(rate)(x)``, for plain functions.

    Raises:
        TrainingError: a rate outside of [0, 1).
    """
    check_rate(f"dropout: rate={rate!r}", rate)
    step, x = mode(), as_array(x)
    if step is None or not rate:
        return x
    lowest = round(rate * 2**32) - 2**31  # a share `rate` of all words of 32 bits lies below
    kept = step.bits(x) >= np.int32(min(lowest, 2**31 - 1))
    return np.where(kept, x * (1 / (1 - rate)), 0)


def check_rate(what: str, rate: Any) -> None:
    """A rate of dropout is in [0, 1).

    Raises:
        TrainingError: it is not.
    """
    is_number = isinstance(rate, int | float | np.floating) and not isinstance(rate, bool)
    if not (is_number and 0 <= rate < 1):
        raise TrainingError(f"{what}: expected a rate from 0 to below 1")
