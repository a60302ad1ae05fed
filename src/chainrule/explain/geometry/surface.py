"""A loss as a function of one vector, compiled, for many evaluations over a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.examples import dtype_of, sample, take_examples
from chainrule.evaluation.objective import Objective
from chainrule.explain.geometry.field import Field, Vector, field_of
from chainrule.training.run import Run


@dataclass(frozen=True, eq=False)
class Surface:
    """A loss over the parameters.

    Attributes:
        field: of the function; of a model, of names and vectors alone.
        objective: the mean loss over rows; None of a function.
        rows: that the loss is the mean over; 0 of a function. model: the tree; None of a function.
    """

    field: Field
    objective: Objective | None
    rows: int
    model: Any

    @property
    def theta(self) -> Vector:
        return self.field.theta

    def value(self, theta: Vector) -> float:
        """The loss at θ."""
        if self.objective is None:
            return self.field.value(theta)
        with np.errstate(all="ignore"):
            return self.objective.value(self._leaves(theta))

    def vector(self, leaves: Sequence[np.ndarray]) -> Vector:
        """θ among the leaves of a tree like the model's, or like the function's arguments."""
        if self.model is None:
            return np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(np.float64)
        wanted = set(self.field.subject.wrt)
        names = list(self.field.subject.leaves)[: len(leaves)]
        parts = [np.ravel(x) for name, x in zip(names, leaves, strict=True) if name in wanted]
        return np.concatenate(parts).astype(np.float64)

    @property
    def tree(self) -> Any:
        """What paths are trees like: the model, or the list of the function's parameters."""
        if self.model is not None:
            return self.model
        leaves = self.field.subject.leaves
        return [leaves[name] for name in self.field.subject.wrt]

    def _leaves(self, theta: Vector) -> list[np.ndarray]:
        assert self.objective is not None
        own = self.objective.leaves
        parts = iter(np.split(theta, np.cumsum(self._sizes)[:-1]))
        wanted = set(self.field.subject.wrt)
        names = list(self.field.subject.leaves)[: len(own)]
        return [
            next(parts).reshape(x.shape).astype(x.dtype) if name in wanted else x
            for name, x in zip(names, own, strict=True)
        ]

    @property
    def _sizes(self) -> list[int]:
        leaves = self.field.subject.leaves
        return [leaves[name].size for name in self.field.subject.wrt]


def surface_of(
    first: Any, rest: tuple[Any, ...], wrt: str | Sequence[str] | None, rows: int, seed: int,
    threads: int | None,
) -> Surface:  # fmt: skip
    """The loss of a run, of a model, a loss and data, or a function.

    Raises:
        TrainingError: a run that was read and not trained here: its loss and data are not known.
    """
    if isinstance(first, Run):
        problem = first._problem
        if problem is None:
            raise TrainingError(
                "slice_of: this run does not know its loss and data",
                "explain.slice_of(run.model, loss, (x, y))",
            )
        first, rest = first.model, (problem.loss, problem.data)
    field = field_of(first, rest, wrt)
    if field.subject.model is None:
        return Surface(field, None, 0, None)
    model, loss, data = first, rest[0], rest[1]
    examples = sample(take_examples(tuple(data), dtype_of(model)), rows, seed)
    return Surface(field, Objective(loss, model, examples, threads), examples.rows, model)
