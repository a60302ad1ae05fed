"""A batch row by row: how long each layer's δ is over the rows, and each example's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.explain.numbers.layers import Layer
from chainrule.explain.subject import Subject
from chainrule.gradients.contributions import example_squares
from chainrule.gradients.reverse import grad
from chainrule.ir.graph import specialise
from chainrule.ir.types import BATCH, ArrayType
from chainrule.ops.bodies import replay
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import array_type
from chainrule.tracing.trees import flatten

Array = Any


@dataclass(frozen=True)
class Spread:
    """A length over the rows of a batch: smallest, quartiles, largest."""

    smallest: float
    low: float
    median: float
    high: float
    largest: float


def spread(lengths: Array) -> Spread:
    """Of lengths (rows,)."""
    with np.errstate(all="ignore"):
        return Spread(
            *map(float, np.quantile(np.asarray(lengths, np.float64), [0, 0.25, 0.5, 0.75, 1]))
        )


def row_lengths(x: Any, rows: int) -> Array | None:
    """|xᵢ| of each row; None where the first axis is not the rows."""
    if isinstance(x, tuple | dict) or np.ndim(x) == 0 or np.shape(x)[0] != rows:
        return None
    with np.errstate(all="ignore"):
        return np.linalg.norm(np.reshape(x, (rows, -1)).astype(np.float64), axis=1)


def delta_spread(layer: Layer, rows: int) -> Spread | None:
    """|∂Lᵢ/∂valueᵢ| over the rows, Lᵢ being a row's own loss: the batch's is their mean."""
    lengths = None if rows < 2 else row_lengths(layer.delta, rows)
    return None if lengths is None else spread(lengths * rows)


def data_names(subject: Subject) -> tuple[str, ...]:
    """The leaves that are data: those behind the model's."""
    if subject.model is None:
        return ()
    names = list(subject.leaves)
    return tuple(names[len(flatten(subject.model)[0]) :])


def rows_of(subject: Subject) -> int | None:
    """How many rows the data have; None for a function, whose arguments may be anything."""
    shapes = [np.shape(subject.leaves[name]) for name in data_names(subject)]
    counts = {shape[0] for shape in shapes if shape}
    return counts.pop() if len(counts) == 1 and all(shapes) else None


def example_norms(subject: Subject, rows: int) -> tuple[Array, None] | tuple[None, str]:
    """(|∇Lᵢ| of each row by the parameters, None), or (None, why there are none).

    No gradient of one example is ever formed where a dense layer's δ and input tell its length.

    Source:
        Goodfellow 2015, Efficient Per-Example Gradient Computations.
    """
    data = set(data_names(subject))

    def squares(tracers: Sequence[Any]) -> list[Any]:
        leaves = dict(zip(subject.leaves, tracers, strict=True))
        batch = next(x.shape[0] for name, x in leaves.items() if name in data)

        def of(wanted: dict[str, Any]) -> Any:
            return subject.call({**leaves, **wanted})

        gradients = grad(of)({name: leaves[name] for name in subject.wrt if name not in data})
        return [np.sum(np.stack(example_squares(gradients, batch)), axis=0) * float(batch) ** 2]

    types = [_type(x, name in data) for name, x in subject.leaves.items()]
    try:
        with np.errstate(all="ignore"):
            traced = trace_batch(squares, types)
            values = [*subject.leaves.values(), *traced.constants]
            (found,) = replay(specialise(traced.graph, rows), values)
    except ChainruleError as error:
        return None, error.message
    return np.sqrt(np.asarray(found, np.float64)), None


def _type(x: Array, is_data: bool) -> ArrayType:
    own = array_type(x)
    return own.with_shape((BATCH, *own.shape[1:])) if is_data else own
