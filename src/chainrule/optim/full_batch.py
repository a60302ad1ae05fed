"""What the methods for a whole problem at once share: their result, and trees as vectors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.compiler.function import compile
from chainrule.errors import TrainingError
from chainrule.gradients.reverse import value_and_grad
from chainrule.tracing.trees import Tree, flatten, paths, unflatten

Array: TypeAlias = Any


@dataclass(frozen=True)
class Minimum:
    """Where a method for a whole problem ended.

    Args:
        params: the tree of parameters, of the structure, shapes and dtypes of the start.
        value: of the function there; of ``levenberg_marquardt`` the sum of squares.
        gradient_norm: the largest element of the gradient's size there.
        iterations: steps that were taken.
        evaluations: of the function, most with its gradient.
        converged: whether the method's own test of convergence was met.
        message: why it ended, in words.
    """

    params: Tree
    value: float
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool
    message: str


class Flat:
    """A tree of floating-point arrays as one vector of float64, and back."""

    def __init__(self, params: Tree) -> None:
        leaves, self.structure = flatten(params)
        self.leaves = [np.asarray(x) for x in leaves]
        for name, leaf in zip(paths(params), self.leaves, strict=True):
            if leaf.dtype.kind != "f":
                raise TrainingError(
                    f"the parameter {name} is {leaf.dtype}; expected floating-point numbers",
                    "np.array(1.0) for np.array(1)",
                )
        if not sum(leaf.size for leaf in self.leaves):
            raise TrainingError("there are no parameters: nothing to minimise over")
        self.start = np.concatenate([np.ravel(x) for x in self.leaves]).astype(np.float64)

    def tree(self, vector: Array) -> Tree:
        """The tree of a vector, in float64; may be traced."""
        parts, begin = [], 0
        for leaf in self.leaves:
            part = vector[begin : begin + leaf.size]
            parts.append(np.reshape(part, leaf.shape))
            begin += leaf.size
        return unflatten(self.structure, parts)

    def result(self, vector: Array) -> Tree:
        """The tree of a vector, each leaf in the dtype that it began with."""
        leaves = flatten(self.tree(vector))[0]
        typed = [x.astype(y.dtype)[()] for x, y in zip(leaves, self.leaves, strict=True)]
        return unflatten(self.structure, typed)


class Counted:
    """A function that counts its calls and gives float64."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], compiled: bool) -> None:
        self.f = compile(f) if compiled else f
        self.args = args
        self.calls = 0

    def __call__(self, *vectors: Array) -> Any:
        self.calls += 1
        with np.errstate(all="ignore"):  # a step too far may overflow; that is seen and halved
            return self.f(*vectors, *self.args)


def objective(
    f: Callable[..., Any], flat: Flat, args: tuple[Any, ...], compiled: bool
) -> Callable[[Array], tuple[float, Array]]:
    """vector -> (value, gradient), counted."""

    def of_vector(vector: Array, *args: Any) -> Any:
        return f(flat.tree(vector), *args)

    both = Counted(value_and_grad(of_vector), args, compiled)

    def value_and_gradient(vector: Array) -> tuple[float, Array]:
        value, gradient = both(vector)
        return float(value), np.asarray(gradient, np.float64)

    value_and_gradient.counted = both  # type: ignore[attr-defined]
    return value_and_gradient


def check_start(name: str, value: float, gradient: Array) -> None:
    """TrainingError where there is nothing to descend from."""
    if not (math.isfinite(value) and np.isfinite(gradient).all()):
        raise TrainingError(
            f"{name}: the function is {value} at the start, or its gradient is not finite",
            "begin elsewhere; cr.trace(f, params).first_nonfinite() names the operation",
        )
