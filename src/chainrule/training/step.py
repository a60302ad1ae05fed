"""One training step as one graph: forward, loss, gradient, update."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from chainrule.compiler.lower.roles import InputRole, OutputRole, Roles
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.pipeline import compile_graph
from chainrule.errors import ShapeError, TrainingError
from chainrule.evaluation.examples import Examples
from chainrule.evaluation.losses import as_function
from chainrule.gradients.reverse import value_and_grad
from chainrule.ir.graph import Graph, specialise
from chainrule.ir.types import ArrayType
from chainrule.nn import statistics, training
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import Traced, array_type
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import flatten, named_leaves, paths, unflatten
from chainrule.training.measures import measure


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What a step does beside the update: numbers of it to record; whether it skips NaN."""

    measures: tuple[str, ...] = ()
    skips: bool = False


PLAIN: Final = StepPlan()
_KEY: Final = ArrayType(np.dtype(np.int64), ())


@dataclass(frozen=True, eq=False)
class Carried:
    """What a step changes: parameters and the optimiser's state, as leaves and structures.

    ``statistics`` marks those of the parameters that layers renew and the optimiser never sees:
    in the trees that it gets, None stands in their places.
    """

    params: list[np.ndarray]
    state: list[np.ndarray]
    params_structure: Any
    state_structure: Any
    statistics: tuple[bool, ...]

    @property
    def dtype(self) -> np.dtype:
        """Of the learning rate: the parameters' together."""
        return np.dtype(np.result_type(*(p.dtype for p in self.params)))

    @property
    def leaves(self) -> list[np.ndarray]:
        """Parameters first."""
        return [*self.params, *self.state]

    def trees(self, leaves: list[Any]) -> tuple[Any, Any]:
        """(parameters, state) with these leaves."""
        count = len(self.params)
        params = unflatten(self.params_structure, leaves[:count])
        return params, unflatten(self.state_structure, leaves[count:])

    def names(self) -> dict[str, str]:
        """The parameters' types by name."""
        named = named_leaves(self.trees(self.leaves)[0])
        return {name: f"{x.dtype}{list(x.shape)}" for name, x in named.items()}

    def learned(self, params: Any) -> Any:
        """The parameters without the statistics."""
        return _learned(params, self.statistics)

    def whole(self, learned: Any, params: Any) -> Any:
        """The parameters with the learned ones in their places, the statistics as they are."""
        given = iter(flatten(learned)[0])
        marked = zip(flatten(params)[0], self.statistics, strict=True)
        leaves = [leaf if is_statistic else next(given) for leaf, is_statistic in marked]
        return unflatten(self.params_structure, leaves)


def carry(model: Any, optimizer: Any) -> Carried:
    """The leaves that a descent changes.

    Raises:
        TrainingError: no parameters, or one that is no floating-point array.
    """
    leaves, structure = flatten(model)
    params = [np.array(leaf) for leaf in leaves]
    marks = tuple(statistics(model))
    if all(marks):
        raise TrainingError("the model has no parameters: nothing to train")
    for name, leaf in zip(paths(model), params, strict=True):
        if leaf.dtype not in (np.float32, np.float64):
            raise TrainingError(
                f"the parameter {name} is {leaf.dtype}; expected float32 or float64",
                "make it np.float32, or keep it outside of the tree",
            )
    learned = _learned(unflatten(structure, params), marks)
    state, state_structure = flatten(optimizer.init(learned))
    return Carried(params, [np.array(leaf) for leaf in state], structure, state_structure, marks)


def _learned(params: Any, marks: tuple[bool, ...]) -> Any:
    leaves, structure = flatten(params)
    kept = [None if mark else leaf for leaf, mark in zip(leaves, marks, strict=True)]
    return unflatten(structure, kept)


def trace_step(
    carried: Carried, examples: Examples, loss: Any, optimizer: Any, plan: StepPlan = PLAIN
) -> Traced:
    """The graph of a step: (carried..., rows..., rates...[, key]) -> (carried..., loss, ...).

    The key, an int64 from which random bits follow, is there if layers ask for such bits. Behind
    the loss stand the numbers that ``plan`` asks for.
    """
    function = as_function(loss)
    count, rows, rated = len(carried.leaves), len(examples.arrays), rates_of(optimizer)

    def step(leaves: list[Any]) -> list[Any]:
        params, state = carried.trees(leaves[:count])
        data, rates, key = leaves[count:][:rows], leaves[count + rows : -1], leaves[-1]

        def forward(learned: Any) -> tuple[Any, Any]:
            model = carried.whole(learned, params)
            with training(key) as mode:
                value = function(model, *examples.tree(data))
            return value, mode.updated(model)

        learned = carried.learned(params)
        (value, after), grads = value_and_grad(forward, has_aux=True)(learned)
        _check_depends(grads)
        new, state = optimizer.update(grads, state, learned, rates if rated > 1 else rates[0])
        measured = measure(plan.measures, len(data[0]), grads, learned, new)
        changed = flatten((carried.whole(new, after), state))[0]
        if plan.skips:
            changed, skipped = _unless_nonfinite(leaves[:count], changed, value, grads)
            measured.append(skipped)
        return [*changed, value, *measured]

    types = [array_type(leaf) for leaf in carried.leaves]
    rate = ArrayType(np.result_type(*(p.dtype for p in carried.params)), ())
    traced = trace_batch(step, [*types, *examples.types, *[rate] * rated, _KEY])
    _check_update(types, [node.type for node in traced.graph.outputs[:count]])
    return without_unused(traced, count + rows + rated)


def _check_depends(grads: Any) -> None:
    """A loss without a parameter in it has nothing to descend."""
    if not any(isinstance(g, Tracer) for g in flatten(grads)[0]):
        raise TrainingError(
            "the loss does not depend on the parameters: its gradient is 0",
            "use the first argument of loss(params, *data), the model, in the loss",
        )


def _unless_nonfinite(
    before: list[Any], after: list[Any], value: Any, grads: Any
) -> tuple[list[Any], Any]:
    """The carried arrays after the step, or before it where something is not finite; 1 if so.

    0 · g is 0 for what is finite, however large, and NaN for the rest.
    """
    spoiled = sum(np.sum(0.0 * g) for g in flatten(grads)[0])
    is_finite = np.isfinite(value) & (spoiled == 0)
    kept = [np.where(is_finite, new, old) for old, new in zip(before, after, strict=True)]
    return kept, np.where(is_finite, 0.0, 1.0).astype(value.dtype)


def rates_of(optimizer: Any) -> int:
    """How many learning rates a step takes."""
    return int(getattr(optimizer, "rates", 1))


def evaluated(carried: Carried, optimizer: Any, leaves: list[Any]) -> Any:
    """The parameters to evaluate and to keep: the optimiser's average, where it keeps one."""
    params, state = carried.trees(leaves)
    evaluation = getattr(optimizer, "evaluation", None)
    if evaluation is None:
        return params
    return carried.whole(evaluation(carried.learned(params), state), params)


def without_unused(traced: Traced, place: int) -> Traced:
    """The graph without the input at this place, if nothing reads it."""
    inputs, unread = traced.graph.inputs, traced.graph.inputs[place]
    if any(unread in node.inputs for node in traced.graph.nodes):
        return traced
    graph = Graph((*inputs[:place], *inputs[place + 1 :]), traced.graph.outputs)
    return replace(traced, graph=graph)


def _check_update(before: list[ArrayType], after: list[ArrayType]) -> None:
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if old != new:
            raise ShapeError(
                f"the update turns leaf {k} from {old} into {new}",
                "a float64 array in the loss makes a float32 model float64: use .astype(x.dtype)",
            )


@dataclass(frozen=True, eq=False)
class Step:
    """A compiled step and the captured arrays that it reads."""

    executable: Executable
    constants: list[np.ndarray]
    gathered: list[int]
    draws: bool
    recorded: list[np.dtype]

    def twin(self) -> Step:
        """The same program with carried arrays of its own, to be run beside this one."""
        return replace(self, executable=self.executable.twin())

    def run(
        self, rates: np.ndarray, keys: np.ndarray, order: np.ndarray, examples: Examples,
        batch: int, threads: int,
    ) -> list[np.ndarray]:  # fmt: skip
        """As many steps as there are rates; the loss of each, and what else a step measures.

        ``rates`` is (steps,), or (steps, rates) for an optimiser that takes several.
        """
        whole = () if self.gathered else examples.arrays  # every step takes all rows where they lie
        columns = [rates] if rates.ndim == 1 else [*np.ascontiguousarray(rates.T)]
        each = [*columns, keys] if self.draws else columns
        outputs = [np.zeros(len(rates), dtype) for dtype in self.recorded]
        self.executable.run(
            [*whole, *each, *self.constants], outputs, batch=batch, steps=len(rates), order=order,
            rows=[examples.arrays[k] for k in self.gathered], threads=threads,
        )  # fmt: skip
        return outputs


def compile_step(
    traced: Traced, carried: Carried, examples: Examples, gathers: bool, rated: int = 1,
    batch: int | None = None,
) -> Step:  # fmt: skip
    """The native form of a step's graph, its carried arrays set.

    Rows are gathered, unless each step takes them all: those are read where they lie, and their
    number is known to the compiler. ``batch`` is that of every step, where it is known.
    """
    count, rows = len(carried.leaves), len(examples.arrays)
    inputs: list[InputRole] = ["state"] * count
    inputs += ["rows" if gathers else "array"] * rows
    draws = len(traced.graph.inputs) - len(traced.constants) > count + rows + rated
    inputs += ["scalar"] * (rated + draws)
    inputs += ["array"] * len(traced.constants)
    graph = traced.graph if gathers else specialise(traced.graph, examples.rows)
    records = graph.outputs[count:]
    states = [OutputRole("state", k) for k in range(count)]
    outputs = (*states, *[OutputRole("scalar")] * len(records))
    executable = compile_graph(graph, Roles(tuple(inputs), outputs, batch))
    executable.set_state(carried.leaves)
    gathered = [k - count for k in executable.gathered]
    constants = [np.ascontiguousarray(c) for c in traced.constants]
    recorded = [node.type.dtype for node in records]
    return Step(executable, constants, gathered, draws, recorded)
