"""A subject as a function of one vector θ: its value, gradient and curvature, in float64."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from chainrule.compiler.function import compile
from chainrule.errors import ChainruleError, GradientError, TrainingError
from chainrule.explain.subject import Subject, split, subject_of
from chainrule.gradients.forward import jvp
from chainrule.gradients.reverse import value_and_grad

Vector: TypeAlias = np.ndarray

_ENTRY = re.compile(r"(?P<leaf>.+?)\[(?P<index>[-0-9, ]+)\]")


@dataclass(frozen=True, eq=False)
class Field:
    """f(θ), where θ is all that the gradient is asked for, one float64 entry after the other.

    Floating-point arrays of every kind are taken as float64, so that what is measured is the
    mathematics and not float32. Programs are compiled when first used; a function that cannot be
    compiled (Python control flow on values) is followed step by step.

    Attributes:
        subject: the function and its arrays.
        theta: where it stands: float64[n].
    """

    subject: Subject
    _programs: dict[str, Callable[..., Any]] = field(default_factory=dict)

    @cached_property
    def theta(self) -> Vector:
        return self.subject.theta

    @property
    def size(self) -> int:
        return len(self.theta)

    def value(self, theta: Vector) -> float:
        """f(θ); NaN where f cannot be worked out."""
        with np.errstate(all="ignore"):
            return float(self._run("value", self._function, self._split(theta)))

    def value_and_gradient(self, theta: Vector) -> tuple[float, Vector]:
        """f(θ) and ∇f(θ), float64[n], by reverse mode."""
        with np.errstate(all="ignore"):
            value, gradients = self._run("gradient", self._both, self._split(theta))
        return float(value), _joined(gradients)

    def gradient(self, theta: Vector) -> Vector:
        """∇f(θ), float64[n]."""
        return self.value_and_gradient(theta)[1]

    @cached_property
    def seconds(self) -> float:
        """That one value with its gradient takes, compiled."""
        self.value_and_gradient(self.theta)
        begin = perf_counter()
        self.value_and_gradient(self.theta)
        return max(perf_counter() - begin, 1e-7)

    def slope(self, theta: Vector, direction: Vector) -> float:
        """The derivative of t ↦ f(θ + t direction) at 0, by forward mode: no gradient in it."""

        def program(xs: list[Any], us: list[Any]) -> Any:
            return jvp(self._function, (xs,), (us,))[1]

        with np.errstate(all="ignore"):
            return float(self._run("slope", program, self._split(theta), self._split(direction)))

    def hvp(self, theta: Vector, direction: Vector) -> Vector:
        """The Hessian times a direction: forward mode over reverse mode.

        Raises:
            GradientError: an operation has no second derivative.
        """

        def program(xs: list[Any], us: list[Any]) -> Any:
            return jvp(lambda *vs: self._both(list(vs))[1], tuple(xs), tuple(us))[1]

        with np.errstate(all="ignore"):
            found = self._run("hvp", program, self._split(theta), self._split(direction))
        return _joined(found)

    def name(self, k: int) -> str:
        """The name of an entry of θ: "b", "w[2]", "layers.0.weight[1, 0]"."""
        for leaf in self.subject.wrt:
            x = self.subject.leaves[leaf]
            if k < x.size:
                index = ", ".join(str(int(i)) for i in np.unravel_index(k, x.shape))
                return f"{leaf}[{index}]" if x.shape else leaf
            k -= x.size
        raise IndexError(k)

    def index(self, name: str) -> int:
        """The place in θ of the entry of this name.

        Raises:
            TrainingError: there is no such entry.
        """
        found = _ENTRY.fullmatch(name)
        leaf, index = (found["leaf"], found["index"]) if found else (name, "")
        first = 0
        for known in self.subject.wrt:
            x = self.subject.leaves[known]
            if known == leaf:
                return first + _place(name, index, x.shape)
            first += x.size
        raise TrainingError(
            f"no entry of the parameters is named {name!r}; the first is {self.name(0)!r}"
            f" and the last {self.name(self.size - 1)!r}"
        )

    def vector(self, tree: Any) -> Vector:
        """A direction or a place as a vector: one of n numbers, or arrays like the parameters."""
        from_tree = np.asarray(tree, np.float64) if not isinstance(tree, dict) else None
        if from_tree is None:
            from_tree = _joined([np.asarray(tree[name]) for name in self.subject.wrt])
        if from_tree.size != self.size:
            raise TrainingError(
                f"a direction has {from_tree.size} numbers; expected {self.size}, one for each"
                " entry of the parameters"
            )
        return from_tree.ravel()

    # -- programs --------------------------------------------------------------------------------

    def _function(self, leaves: list[Any]) -> Any:
        return self.subject.call(
            {**self._others, **dict(zip(self.subject.wrt, leaves, strict=True))}
        )

    def _both(self, leaves: list[Any]) -> Any:
        return value_and_grad(self._function)(leaves)

    @cached_property
    def _others(self) -> dict[str, np.ndarray]:
        leaves = self.subject.leaves.items()
        return {k: x.astype(np.float64) for k, x in leaves if x.dtype == np.float32}

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return self.subject.shapes

    def _split(self, theta: Vector) -> list[np.ndarray]:
        return list(split(theta, self._shapes).values())

    def _run(self, name: str, program: Callable[..., Any], *arguments: list[Any]) -> Any:
        if name in self._programs:
            return self._programs[name](*arguments)
        made = compile(program)
        try:
            found = made(*arguments)
        except ChainruleError:
            made, found = program, program(*arguments)
        self._programs[name] = made
        return found


def _place(name: str, index: str, shape: tuple[int, ...]) -> int:
    try:
        place = tuple(int(i) for i in index.split(",")) if index else ()
        if len(place) != len(shape):
            raise ValueError
        return int(np.ravel_multi_index(place, shape)) if shape else 0
    except ValueError:
        raise TrainingError(
            f"{name!r} names no single entry of an array of shape {shape}",
            f"one index for each axis: {name.split('[')[0]}[{', '.join('0' * len(shape))}]",
        ) from None


def _joined(parts: Sequence[Any]) -> Vector:
    return np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in parts])


def field_of(first: Any, rest: tuple[Any, ...], wrt: str | Sequence[str] | None) -> Field:
    """The field of a function and its arguments, or of a model, a loss and data."""
    with np.errstate(all="ignore"):  # whoever asks is told what is not finite, and where
        return Field(subject_of(first, *rest, wrt=wrt))


def regular_point(f: Field, what: str) -> tuple[float, Vector]:
    """f and ∇f where the subject stands, both finite.

    Raises:
        TrainingError: f is not finite there. GradientError: ∇f is not.
    """
    value, gradient = f.value_and_gradient(f.theta)
    if not np.isfinite(value):
        raise TrainingError(
            f"{what}: f is {value} at this point; expected a finite number",
            "start from a point at which the function is defined",
        )
    if not np.isfinite(gradient).all():
        k = int(np.argmin(np.isfinite(gradient)))
        raise GradientError(
            f"{what}: ∂f/∂{f.name(k)} is {gradient[k]} at this point: f is not"
            " differentiable there",
            "move the point a little",
        )
    return value, gradient


def curvature_length(f: Field, theta: Vector, gradient: Vector, direction: Vector) -> float:
    """|∇f| / |∇²f u|: how far along u the gradient stays about what it is; at most 1 + |θ|."""
    most = 1.0 + float(np.linalg.norm(theta))
    h = 1e-5 * most
    change = np.linalg.norm(f.gradient(theta + h * direction) - gradient) / h
    found = float(np.linalg.norm(gradient) / change) if change > 0 else most
    return min(found, most) if np.isfinite(found) else most
