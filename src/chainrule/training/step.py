"""One training step as one graph: forward, loss, gradient, update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.compiler.lower.roles import InputRole, OutputRole, Roles
from chainrule.compiler.native.executable import Executable, gathered_inputs
from chainrule.compiler.pipeline import compile_graph
from chainrule.errors import ShapeError, TrainingError
from chainrule.gradients.reverse import value_and_grad
from chainrule.ir.types import ArrayType
from chainrule.losses import Loss
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import Traced, array_type
from chainrule.tracing.trees import flatten, paths, unflatten
from chainrule.training.examples import Examples

LossOfParams = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Carried:
    """What a step changes: parameters and the optimiser's state, as leaves and structures."""

    params: list[np.ndarray]
    state: list[np.ndarray]
    params_structure: Any
    state_structure: Any

    @property
    def leaves(self) -> list[np.ndarray]:
        """Parameters first."""
        return [*self.params, *self.state]

    def trees(self, leaves: list[Any]) -> tuple[Any, Any]:
        """(parameters, state) with these leaves."""
        count = len(self.params)
        params = unflatten(self.params_structure, leaves[:count])
        return params, unflatten(self.state_structure, leaves[count:])


def carry(model: Any, optimizer: Any) -> Carried:
    """The leaves that a descent changes.

    Raises:
        TrainingError: no parameters, or one that is no floating-point array.
    """
    leaves, structure = flatten(model)
    params = [np.array(leaf) for leaf in leaves]
    if not params:
        raise TrainingError("the model has no parameters: nothing to train")
    for name, leaf in zip(paths(model), params, strict=True):
        if leaf.dtype not in (np.float32, np.float64):
            raise TrainingError(
                f"the parameter {name} is {leaf.dtype}; expected float32 or float64",
                "make it np.float32, or keep it outside of the tree",
            )
    state, state_structure = flatten(optimizer.init(unflatten(structure, params)))
    return Carried(params, [np.array(leaf) for leaf in state], structure, state_structure)


def as_function(loss: Any) -> LossOfParams:
    """A loss as a function of the parameters and the data."""
    if isinstance(loss, Loss):
        return lambda model, x, y: loss(model(x), y)
    if not callable(loss):
        raise TrainingError(f"the loss is {loss!r}; expected losses.cross_entropy or a function")
    return loss  # type: ignore[no-any-return]


def trace_step(carried: Carried, examples: Examples, loss: Any, optimizer: Any) -> Traced:
    """The graph of a step: (carried..., rows..., rate) -> (carried..., loss)."""
    function = as_function(loss)
    count, rows = len(carried.leaves), len(examples.arrays)

    def step(leaves: list[Any]) -> list[Any]:
        params, state = carried.trees(leaves[:count])
        data = examples.tree(leaves[count : count + rows])
        value, grads = value_and_grad(lambda p: function(p, *data))(params)
        new = optimizer.update(grads, state, params, leaves[-1])
        return [*flatten(new)[0], value]

    types = [array_type(leaf) for leaf in carried.leaves]
    rate = ArrayType(np.result_type(*(p.dtype for p in carried.params)), ())
    traced = trace_batch(step, [*types, *examples.types, rate])
    _check_update(types, [node.type for node in traced.graph.outputs[:-1]])
    return traced


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

    def run(
        self, rates: np.ndarray, losses: np.ndarray, order: np.ndarray, examples: Examples,
        batch: int, threads: int,
    ) -> None:  # fmt: skip
        """As many steps as there are rates; the loss of each is written to ``losses``."""
        whole = () if self.gathered else examples.arrays  # every step takes all rows where they lie
        self.executable.run(
            [*whole, rates, *self.constants], [losses], batch=batch, steps=len(rates), order=order,
            rows=[examples.arrays[k] for k in self.gathered], threads=threads,
        )  # fmt: skip


def compile_step(traced: Traced, carried: Carried, examples: Examples, batch: int) -> Step:
    """The native form of a step's graph, its carried arrays set.

    Rows are gathered, but where a step takes them all: those are read where they lie.
    """
    count, rows = len(carried.leaves), len(examples.arrays)
    inputs: list[InputRole] = ["state"] * count
    inputs += ["rows" if batch < examples.rows else "array"] * rows
    inputs += ["scalar"]
    inputs += ["array"] * len(traced.constants)
    outputs = (*(OutputRole("state", k) for k in range(count)), OutputRole("scalar"))
    executable = compile_graph(traced.graph, Roles(tuple(inputs), outputs))
    executable.set_state(carried.leaves)
    gathered = [k - count for k in gathered_inputs(executable.plan)]
    return Step(executable, [np.ascontiguousarray(c) for c in traced.constants], gathered)
