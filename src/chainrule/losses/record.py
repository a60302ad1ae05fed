"""The record of a loss: its formula, its unit, what it makes of an output, what it accepts."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ChainruleError, DTypeError, ShapeError, TrainingError
from chainrule.losses.weights import fit_weights, totals
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import Tracer

Array: TypeAlias = Any
#: (what to call it, value) -> the value as a plain number or table; raises TrainingError.
Range: TypeAlias = Callable[[str, Any], Any]


@dataclass(frozen=True, eq=False)
class Loss:
    """A mean over a batch, called as ``loss(model_output, y)``, with options of its own.

    ``loss(output, y)`` is the mean over the examples, and over an example's outputs where each
    has a loss of its own. ``loss(output, y, sample_weight=w)`` is the weighted mean
    Σ wᵢ lossᵢ / Σ wᵢ, as scikit-learn's metrics have it; a batch whose weights are all 0 has loss
    0. ``loss(option=value)`` is the loss with that option.

    Attributes:
        name: as it stands in ``losses``.
        unit: of the loss: ``"nats"``, or in the target's own unit (``"target²"``: its square).
        inverse_link: (output, **options) -> prediction, see ``link``.
        fit: (output, y, **options) -> y in the shape and dtype that the formula takes; raises
            ShapeError or DTypeError.
        check: (y, n_out) -> None; raises DataError where values of y mean nothing to this loss
            for a model of n_out outputs. Code under ``compile`` and ``train`` sees no values, so
            ``check`` is for whoever holds the arrays, before.
        formula: (output, y, **options) -> the losses (batch, ...), not yet averaged, in the
            output's dtype; or (losses times weights, weights) where classes are weighted.
        options: the options' values.
        ranges: what each option may be.

    Raises:
        ShapeError, DTypeError, DataError: by ``fit`` and ``check``; the message names the loss.
        TrainingError: an option that is unknown or outside of its range.

    Example:
        >>> from chainrule import losses
        >>> losses.huber(delta=2.0)
        Loss(huber(delta=2.0), in target²)
        >>> losses.squared_error([1.0, 5.0], [1.0, 3.0], sample_weight=[3, 1])  # (3·0 + 1·4) / 4
        np.float64(1.0)
    """

    name: str
    unit: str
    inverse_link: Callable[..., Array]
    fit: Callable[..., Array]
    check: Callable[[np.ndarray, int], None]
    formula: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def __call__(
        self, output: Array = None, y: Array = None, sample_weight: Array = None, **options: Any
    ) -> Any:
        if options:
            return self._with(options)(output, y, sample_weight)
        if output is None and y is None:
            return self
        if output is None or y is None:
            raise TrainingError(
                f"{self.name}: got an output and no y; expected both", f"{self.name}(output, y)"
            )
        elements, weights, w = self._elements(output, y, sample_weight)
        if weights is None and w is None:
            return np.mean(elements)
        total, count = totals(elements, weights, w)
        return total / np.where(count > 0, count, np.ones_like(count))

    def totals(self, output: Array, y: Array, sample_weight: Array = None) -> tuple[Array, Array]:
        """(Σ w loss, Σ w): of several batches, the sums' quotient is the mean over all of them."""
        return totals(*self._elements(output, y, sample_weight))

    def refuse(self, output: np.ndarray, y: np.ndarray) -> None:
        """Raise DataError where values of y mean nothing for such an output; shapes are not judged.

        Args:
            output: the model's, of any values.
            y: the targets.
        """
        with suppress(ShapeError, DTypeError):  # which the step says when it is traced, with a line
            fitted = self.fit(output, y, **self.options)
            self.check(fitted, output.shape[-1] if output.ndim > 1 else 1)

    def link(self, output: Array) -> Array:
        """The model's prediction from its output.

        The output itself, or from logits the probabilities, or from a logarithm the mean.
        """
        return self.inverse_link(output, **self.options)

    def _elements(self, output: Array, y: Array, sample_weight: Array) -> tuple[Any, Any, Any]:
        """The losses not yet averaged, their classes' weights, the examples' weights."""
        output, y = _floating(_array(output)), _array(y)
        try:
            y = self.fit(output, y, **self.options)
            if not isinstance(y, Tracer):
                self.check(y, output.shape[-1] if output.ndim > 1 else 1)
            w = None if sample_weight is None else fit_weights(output, _array(sample_weight))
            found = self.formula(output, y, **self.options)
        except ChainruleError as error:
            where = f"{self.name} at {user_line()}"
            raise type(error)(f"{where}: {error.message}", error.hint) from None
        elements, weights = found if isinstance(found, tuple) else (found, None)
        return elements, weights, w

    def __reduce__(self) -> Any:
        """Pickled by its name and options: the name stands for the loss, not for its formula."""
        place = self.formula.__module__, self.formula.__name__
        if getattr(_named(*place), "formula", None) is not self.formula:
            raise TypeError(f"{self!r} was made at run time: it has no name to be pickled by")
        return _restored, (*place, dict(self.options))

    def _with(self, options: Mapping[str, Any]) -> Loss:
        for name in options:
            if name not in self.ranges:
                known = ", ".join(self.ranges) or "none"
                raise TrainingError(f"{self.name} has no option {name}=; expected {known}")
        given = {k: self.ranges[k](f"{self.name}: {k}", v) for k, v in options.items()}
        return replace(self, options={**self.options, **given})

    def __repr__(self) -> str:
        defaults = _defaults(self.formula)
        given = [f"{k}={v!r}" for k, v in self.options.items() if v != defaults.get(k)]
        called = f"({', '.join(given)})" if given else ""
        return f"Loss({self.name}{called}, in {self.unit})"


def loss(
    *,
    unit: str,
    link: Callable[..., Array],
    fit: Callable[..., Array],
    check: Callable[[np.ndarray, int], None],
    **ranges: Range,
) -> Callable[[Callable[..., Any]], Loss]:
    """Make a ``Loss`` of a formula, with the formula's name, documentation and default options."""

    def make(formula: Callable[..., Any]) -> Loss:
        options = _defaults(formula)
        made = Loss(formula.__name__, unit, link, fit, check, formula, options, ranges)
        for name in ("__doc__", "__module__", "__name__"):
            object.__setattr__(made, name, getattr(formula, name))
        object.__setattr__(made, "__wrapped__", formula)  # where `inspect` and doctest look
        return made

    return make


def _named(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name, None)


def _restored(module: str, name: str, options: Mapping[str, Any]) -> Loss:
    """The loss that stands under a name, with options."""
    found: Loss = _named(module, name)
    return replace(found, options=dict(options))


def _defaults(formula: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(formula).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _array(x: Any) -> Array:
    return x if isinstance(x, Tracer) else np.asarray(x)


def _floating(output: Array) -> Array:
    """Whole numbers, as a person may type them, would cut the targets to whole numbers too."""
    return output if output.dtype.kind == "f" else output.astype(np.float64)
