"""The loss over all rows as a function of the parameters: value, gradient, Hessian times vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from chainrule.compiler.lower.roles import InputRole, OutputRole, Roles
from chainrule.compiler.native.threads import choose
from chainrule.compiler.pipeline import compile_graph
from chainrule.errors import TrainingError
from chainrule.evaluation.examples import Examples
from chainrule.evaluation.losses import as_totals
from chainrule.gradients.forward import jvp
from chainrule.gradients.reverse import value_and_grad
from chainrule.ir.types import sized
from chainrule.nn import statistics
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import array_type
from chainrule.tracing.trees import flatten, paths, unflatten

#: Rows at a time: enough to share among threads, few enough that a deep model's inner values fit.
BLOCK: Final = 1024

Leaves = Sequence[np.ndarray]
#: (leaves of the parameters, a direction or nothing, leaves of the examples) -> arrays
Terms = Callable[[list[Any], list[Any], list[Any]], list[Any]]


class Objective:
    """The mean loss over all rows, for leaves of a model's tree in place of its own.

    As evaluation sees the model: dropout is off, and what BatchNorm keeps of past batches
    (``nn.statistics``) is held fixed. With weights it is Σ w loss / Σ w over all rows. Each of
    ``value``, ``gradient`` and ``hvp`` is compiled when it is first called; rows are taken in
    blocks, which are added up in float64 in their order: the same bits on any number of threads.

    Args:
        loss: a ``losses.Loss``, or a function ``loss(params, *data)`` that returns a mean.
        model: a tree of arrays.
        examples: the rows, from ``take_examples``.
        threads: how many share the work; None lets the amount of work decide.

    Attributes:
        leaves: copies of the model's leaves.
        names: the leaves' dotted names.
        structure: of the model's tree.
        loss: as ``evaluation.losses.as_totals`` gives it.
        learned: for each leaf whether it is a parameter: floating-point, and no statistic.

    Raises:
        TrainingError: no leaf is a parameter, or the loss is neither a loss nor a function.

    Example:
        >>> from chainrule.evaluation.examples import take_examples
        >>> data = take_examples((np.array([1.0, 3.0]),), np.dtype(float))
        >>> objective = Objective(lambda w, x: np.mean((w * x) ** 2), np.array(2.0), data)
        >>> objective.value([np.array(2.0)]), objective.gradient([np.array(2.0)])
        (20.0, [array(20.)])
        >>> objective.hvp([np.array(2.0)], [np.array(3.0)])
        [array(30.)]
    """

    def __init__(
        self, loss: Any, model: Any, examples: Examples, threads: int | None = None
    ) -> None:
        leaves, self.structure = flatten(model)
        self.leaves = [np.array(leaf) for leaf in leaves]
        self.names = paths(model)
        marks = statistics(model)
        self.learned = [
            x.dtype.kind == "f" and not mark for x, mark in zip(self.leaves, marks, strict=True)
        ]
        if not any(self.learned):
            raise TrainingError("the model has no parameters: nothing to differentiate")
        self.examples = examples
        self.loss = as_totals(loss)
        self.threads = threads
        self._programs: dict[str, BlockMeans] = {}

    def on(self, examples: Examples) -> Objective:
        """The same on other rows of the same types; what has been compiled is shared."""
        made: Objective = object.__new__(type(self))
        made.__dict__.update(self.__dict__, examples=examples)
        return made

    def value(self, leaves: Leaves) -> float:
        """The mean loss."""
        (value,) = self._means("value", self._value, leaves, [])
        return float(value)

    def gradient(self, leaves: Leaves) -> list[np.ndarray]:
        """Its gradient, float64, like the leaves; 0 where a leaf is no parameter."""
        return self.value_and_gradient(leaves)[1]

    def value_and_gradient(self, leaves: Leaves) -> tuple[float, list[np.ndarray]]:
        """Both by one pass over the rows."""
        value, *found = self._means("gradient", self._gradient, leaves, [])
        return float(value), self._whole(found)

    def hvp(self, leaves: Leaves, v: Leaves) -> list[np.ndarray]:
        """The Hessian times v, float64, like the leaves: forward mode over reverse mode.

        What v holds for a leaf that is no parameter is not looked at, and 0 is returned for it.
        """
        given = [np.asarray(d, x.dtype) for d, x, on in self._beside(v) if on]
        return self._whole(self._means("hvp", self._hvp, leaves, given))

    # -- all parameters as one vector ------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many numbers the parameters are."""
        return sum(x.size for x, on in zip(self.leaves, self.learned, strict=True) if on)

    def flat(self, leaves: Leaves) -> np.ndarray:
        """The parameters among these leaves as one vector, float64."""
        parts = [np.ravel(x) for x, on in zip(leaves, self.learned, strict=True) if on]
        return np.concatenate(parts).astype(np.float64)

    def unflat(self, vector: np.ndarray) -> list[np.ndarray]:
        """The inverse of ``flat``: arrays like the leaves, 0 where a leaf is no parameter."""
        sizes = [x.size if on else 0 for x, on in zip(self.leaves, self.learned, strict=True)]
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        return [
            np.reshape(part, x.shape) if on else np.zeros(x.shape)
            for part, x, on in zip(parts, self.leaves, self.learned, strict=True)
        ]

    # -- what is compiled ------------------------------------------------------------------------

    def _totals(self, leaves: list[Any], data: list[Any]) -> tuple[Any, Any]:
        """(Σ w loss, Σ w) of a block; (mean, nothing) where the loss gives no sums."""
        model = unflatten(self.structure, leaves)
        found = self.loss(model, *self.examples.tree(data))
        return (found[0], found[1]) if np.shape(found) == (2,) else (found, None)

    def _value(self, leaves: list[Any], v: list[Any], data: list[Any]) -> list[Any]:
        total, weight = self._totals(leaves, data)
        return [weight, total]

    def _gradient(self, leaves: list[Any], v: list[Any], data: list[Any]) -> list[Any]:
        def total(learned: list[Any]) -> tuple[Any, Any]:
            return self._totals(self._placed(learned, leaves), data)

        (value, weight), grads = value_and_grad(total, has_aux=True)(self._taken(leaves))
        return [weight, value, *grads]

    def _hvp(self, leaves: list[Any], v: list[Any], data: list[Any]) -> list[Any]:
        def gradient(learned: list[Any]) -> tuple[Any, Any]:
            weight, _, *grads = self._gradient(self._placed(learned, leaves), [], data)
            return grads, weight

        _, found, weight = jvp(gradient, (self._taken(leaves),), (v,), has_aux=True)
        return [weight, *found]

    def _means(self, name: str, terms: Terms, leaves: Leaves, v: Leaves) -> list[np.ndarray]:
        if name not in self._programs:
            moved = self._taken(self.leaves) if v else []
            made = BlockMeans(terms, self.leaves, moved, self.examples, self.threads)
            self._programs[name] = made
        state = [np.asarray(x, old.dtype) for x, old, _ in self._beside(leaves)]
        return self._programs[name].means([*state, *v], self.examples)

    # -- parameters among leaves -----------------------------------------------------------------

    def _beside(self, leaves: Leaves) -> Iterator[tuple[Any, np.ndarray, bool]]:
        return zip(leaves, self.leaves, self.learned, strict=True)

    def _taken(self, leaves: list[Any]) -> list[Any]:
        return [x for x, on in zip(leaves, self.learned, strict=True) if on]

    def _placed(self, learned: list[Any], leaves: list[Any]) -> list[Any]:
        given = iter(learned)
        return [next(given) if on else x for x, on in zip(leaves, self.learned, strict=True)]

    def _whole(self, found: list[np.ndarray]) -> list[np.ndarray]:
        zeros = [np.zeros(x.shape) for x in self.leaves]
        return self._placed(found, zeros)


class BlockMeans:
    """A compiled function of state and a block of rows, and its weighted means over all blocks.

    Args:
        terms: what is compiled; it returns a weight and then sums over the block's rows, or None
            and then means.
        leaves: arrays like the first part of the state.
        directions: arrays like the second.
        examples: rows like those to come.
        threads: how many share the work; None lets the amount of work decide.
    """

    def __init__(
        self, terms: Terms, leaves: Leaves, directions: Leaves, examples: Examples,
        threads: int | None,
    ) -> None:  # fmt: skip
        count, moved = len(leaves), len(leaves) + len(directions)
        self._is_weighted = False

        def outputs(xs: list[Any]) -> list[Any]:
            weight, *found = terms(xs[:count], xs[count:moved], xs[moved:])
            self._is_weighted = weight is not None
            return [*found, weight] if self._is_weighted else found

        types = [array_type(x) for x in (*leaves, *directions)]
        traced = trace_batch(outputs, [*types, *examples.types])
        self._constants = [np.ascontiguousarray(c) for c in traced.constants]
        inputs: list[InputRole] = ["state"] * moved
        inputs += ["array"] * (len(examples.arrays) + len(self._constants))
        self._types = [node.type for node in traced.graph.outputs]
        roles = Roles(tuple(inputs), (OutputRole("array"),) * len(self._types))
        self._executable = compile_graph(traced.graph, roles)
        block = min(BLOCK, examples.rows)
        # One in eight of what a step of a descent is shared for: a few calls do not learn, as a
        # descent does, that another process has taken the second processor.
        self._threads = choose(threads, self._executable.operations(block) / 8)

    def means(self, state: Leaves, examples: Examples) -> list[np.ndarray]:
        """Σ over blocks / Σ weights; of means over a block, weighted by its rows."""
        self._executable.set_state(state)
        sums = [np.zeros(sized(t.shape)) for t in self._types]
        for first in range(0, examples.rows, BLOCK):
            rows = min(BLOCK, examples.rows - first)
            found = self._block(examples.block(first, first + rows), rows)
            for total, value in zip(sums, found, strict=True):
                total += value if self._is_weighted else rows * value.astype(np.float64)
        if not self._is_weighted:
            return [np.asarray(total / examples.rows) for total in sums]
        weight = sums.pop()
        return [np.asarray(total / weight if weight else total) for total in sums]

    def _block(self, rows: list[np.ndarray], count: int) -> list[np.ndarray]:
        results = [np.empty(sized(t.shape), t.dtype) for t in self._types]
        inputs = [*rows, *self._constants]
        self._executable.run(inputs, results, batch=count, threads=self._threads)
        return results
