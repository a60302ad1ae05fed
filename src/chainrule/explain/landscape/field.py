"""A loss as a function of one vector: value, gradient, Hessian times vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.examples import Examples, sample, take_examples
from chainrule.evaluation.objective import Objective
from chainrule.explain.subject import Subject, split, subject_of
from chainrule.gradients.jacobian import hvp
from chainrule.gradients.reverse import grad
from chainrule.tracing.trees import tree_map

#: Parameters up to which the whole Hessian is worked out.
EXACT: Final = 200


@dataclass(frozen=True, eq=False)
class Field:
    """A function of a float64 vector, the chosen arguments one behind the other.

    Attributes:
        start: the vector of the arguments as they were given.
        value, gradient, product: v -> f(v); v -> ∇f(v); (v, d) -> H(v) d.
        names: of the arguments, with their shapes, in the vector's order.
        unit: of the value: "nats", or nothing where it is not known.
        rows, of_rows: rows that were looked at, and that there are; 0 of a plain function.
    """

    start: np.ndarray
    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]
    product: Callable[[np.ndarray, np.ndarray], np.ndarray]
    names: Mapping[str, tuple[int, ...]]
    unit: str = ""
    rows: int = 0
    of_rows: int = 0

    @property
    def size(self) -> int:
        """How many numbers the vector holds."""
        return len(self.start)

    def hessian(self, v: np.ndarray) -> np.ndarray:
        """The whole Hessian at v, float64[size, size], not yet made symmetric."""
        return np.stack([self.product(v, row) for row in np.eye(self.size)], axis=1)

    def parts(self, v: np.ndarray) -> dict[str, np.ndarray]:
        """The vector as arrays by name."""
        return split(v, self.names)


@dataclass(frozen=True, eq=False)
class Given:
    """What is asked about, checked: a function with its arguments, or a model, a loss and rows.

    Attributes:
        subject: of all of it.
        examples: all rows, in float64; None for a function.
    """

    subject: Subject
    examples: Examples | None

    @property
    def size(self) -> int:
        """How many numbers are chosen."""
        return sum(self.subject.leaves[name].size for name in self.subject.wrt)


def given(first: Any, rest: tuple[Any, ...], wrt: Any = None) -> Given:
    """As ``subject_of``, and all rows of the data.

    Raises:
        TrainingError, TraceError: as ``subject_of``. DataError: data that do not fit together.
    """
    is_model = bool(rest) and callable(rest[0])
    if not is_model or len(rest) != 2 or not isinstance(rest[1], tuple) or not rest[1]:
        return Given(subject_of(first, *rest, wrt=wrt), None)
    examples = take_examples(rest[1], np.dtype(np.float64))
    return Given(subject_of(first, *rest, wrt=wrt), examples)


def field_of(asked: Given, rows: int | None = None, seed: int = 0) -> Field:
    """It as a function of one vector, in float64.

    Of a model, a loss and data over at most ``rows`` of the rows, in evaluation: dropout off,
    statistics held; compiled.

    Raises:
        TrainingError: the value or the gradient is not finite where it begins.
    """
    made = _made(asked, rows, seed)
    value, gradient = made.value(made.start), made.gradient(made.start)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise TrainingError(
            f"the loss is {value:.6g} here and its gradient has length"
            f" {np.linalg.norm(gradient):.6g}; expected finite numbers",
            "look for NaN and infinite values in the arguments and the data",
        )
    return made


def _made(asked: Given, rows: int | None, seed: int) -> Field:
    subject, every = asked.subject, asked.examples
    if every is None:
        return _of_function(subject)
    examples = every if rows is None else sample(every, rows, seed)
    wide = tree_map(_double, subject.model)
    return _of_model(subject, wide, examples, every.rows)


def _of_function(subject: Subject) -> Field:
    wide = {name: _double(x) for name, x in subject.leaves.items()}
    shapes = subject.shapes

    def f(v: Any) -> Any:
        return subject.call({**wide, **split(v, shapes)})

    def quietly(g: Callable[..., Any]) -> Callable[..., Any]:
        """What is not finite is looked at where it is used."""

        def quiet(*vectors: np.ndarray) -> Any:
            with np.errstate(all="ignore"):
                return g(*vectors)

        return quiet

    return Field(
        subject.theta, quietly(lambda v: float(f(v))), quietly(lambda v: np.asarray(grad(f)(v))),
        quietly(lambda v, d: np.asarray(hvp(f, v, d))), shapes,
    )  # fmt: skip


def _of_model(subject: Subject, wide: Any, examples: Examples, of_rows: int) -> Field:
    objective = Objective(subject.loss, wide, examples)
    chosen = _chosen(objective, subject)
    origin = objective.flat(objective.leaves)

    def whole(v: np.ndarray) -> np.ndarray:
        full = origin.copy()
        full[chosen] = v
        return full

    def leaves(v: np.ndarray) -> list[np.ndarray]:
        moved = objective.unflat(whole(v))
        pairs = zip(moved, objective.leaves, objective.learned, strict=True)
        return [new if on else old for new, old, on in pairs]

    def product(v: np.ndarray, d: np.ndarray) -> np.ndarray:
        full = np.zeros(objective.size)
        full[chosen] = d
        found: np.ndarray = objective.flat(objective.hvp(leaves(v), objective.unflat(full)))
        return np.asarray(found[chosen])

    return Field(
        origin[chosen], lambda v: objective.value(leaves(v)),
        lambda v: objective.flat(objective.gradient(leaves(v)))[chosen], product,
        {name: subject.leaves[name].shape for name in _learned(objective, subject)},
        getattr(subject.loss, "unit", ""), examples.rows, of_rows,
    )  # fmt: skip


def _double(x: Any) -> np.ndarray:
    array = np.asarray(x)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _learned(objective: Objective, subject: Subject) -> list[str]:
    """The names of the chosen leaves that are parameters, and no statistics."""
    names = list(subject.leaves)[: len(objective.leaves)]
    marked = zip(names, objective.learned, strict=True)
    return [name for name, on in marked if on and name in subject.wrt]


def _chosen(objective: Objective, subject: Subject) -> np.ndarray:
    """Which numbers of all parameters are asked for: bool[size]."""
    wanted = set(_learned(objective, subject))
    if not wanted:
        raise TrainingError(
            f"wrt: {', '.join(subject.wrt)} are no parameters of the model",
            "of the data, write the loss as a function: explain.critical_point(f, x, y)",
        )
    names = list(subject.leaves)[: len(objective.leaves)]
    pairs = zip(names, objective.leaves, objective.learned, strict=True)
    return np.concatenate([np.full(x.size, name in wanted) for name, x, on in pairs if on])
