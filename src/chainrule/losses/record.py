"""The record of a loss: its formula, its unit, what it makes of an output, what it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import Tracer

Array: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Loss:
    """A mean over a batch, called as ``loss(model_output, y)``.

    Attributes:
        name: as it stands in ``losses``.
        unit: of the loss: ``"nats"``, or ``"target²"`` for the square of the target's own unit.
        link: from the model's output to its prediction: the identity, or from logits to
            probabilities the sigmoid or the softmax.
        fit: (output, y) -> y in the shape and dtype that the formula takes; raises ShapeError or
            DTypeError.
        check: (y, n_out) -> None; raises DataError where values of y mean nothing to this loss
            for a model of n_out outputs. Code under ``compile`` and ``train`` sees no values, so
            ``check`` is for whoever holds the arrays, before.
        formula: (output, y) -> the mean, shape ``()``, in the output's dtype.

    Raises:
        ShapeError, DTypeError, DataError: by ``fit`` and ``check``; the message names the loss.
    """

    name: str
    unit: str
    link: Callable[[Array], Array]
    fit: Callable[[Array, Array], Array]
    check: Callable[[np.ndarray, int], None]
    formula: Callable[[Array, Array], Array]

    def __call__(self, output: Array, y: Array) -> Array:
        output, y = _floating(_array(output)), _array(y)
        try:
            y = self.fit(output, y)
            if not isinstance(y, Tracer):
                self.check(y, output.shape[-1] if output.ndim else 1)
        except ChainruleError as error:
            where = f"{self.name} at {user_line()}"
            raise type(error)(f"{where}: {error.message}", error.hint) from None
        return self.formula(output, y)

    def __repr__(self) -> str:
        return f"Loss({self.name}, in {self.unit})"


def loss(
    *,
    unit: str,
    link: Callable[[Array], Array],
    fit: Callable[[Array, Array], Array],
    check: Callable[[np.ndarray, int], None],
) -> Callable[[Callable[[Array, Array], Array]], Loss]:
    """Make a ``Loss`` of a formula, with the formula's name and documentation."""

    def make(formula: Callable[[Array, Array], Array]) -> Loss:
        made = Loss(formula.__name__, unit, link, fit, check, formula)
        for name in ("__doc__", "__module__", "__name__"):
            object.__setattr__(made, name, getattr(formula, name))
        object.__setattr__(made, "__wrapped__", formula)  # where `inspect` and doctest look
        return made

    return make


def _array(x: Any) -> Array:
    return x if isinstance(x, Tracer) else np.asarray(x)


def _floating(output: Array) -> Array:
    """Whole numbers, as a person may type them, would cut the targets to whole numbers too."""
    return output if output.dtype.kind == "f" else output.astype(np.float64)
