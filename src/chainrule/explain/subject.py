"""What is explained: a function that returns one number, at a point, with a name for each part."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, TraceError, TrainingError
from chainrule.evaluation.losses import as_function
from chainrule.ir.types import ArrayType
from chainrule.losses import LogLikelihood, Loss
from chainrule.nn import statistics
from chainrule.tracing.trace import TracedCall, trace
from chainrule.tracing.trees import flatten, paths, unflatten


@dataclass(frozen=True, eq=False)
class Subject:
    """A function of named arrays that returns one number, and the arrays.

    Attributes:
        function: called with one tree per argument.
        arguments: the trees.
        leaves: every array of the arguments by its name: "w", "p.w", "layers.0.weight", "x".
        wrt: names of the leaves that the gradient is asked for, floating-point all of them.
        model: the tree of parameters, where a model and a loss were given.
        loss: the ``losses.Loss`` or function that judges it, where a model was given.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    leaves: Mapping[str, np.ndarray]
    wrt: tuple[str, ...]
    model: Any = None
    loss: Any = None

    def call(self, leaves: Mapping[str, Any]) -> Any:
        """The function with these leaves in place of its own; others stay."""
        flat = [leaves.get(name, own) for name, own in self.leaves.items()]
        return self.function(*unflatten(flatten(self.arguments)[1], flat))

    @property
    def theta(self) -> np.ndarray:
        """What the gradient is asked for, one array after the other: float64[n]."""
        parts = [np.ravel(self.leaves[name]) for name in self.wrt]
        return np.concatenate(parts).astype(np.float64)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the arrays in ``theta``, in their order."""
        return {name: self.leaves[name].shape for name in self.wrt}

    def of(self, names: Sequence[str] | None = None) -> Callable[..., Any]:
        """The function of the named leaves alone (``wrt``), each an argument of its own."""
        asked = self.wrt if names is None else tuple(names)
        return lambda *values: self.call(dict(zip(asked, values, strict=True)))

    def trace(self) -> TracedCall:
        """The graph: its first inputs are the leaves, in their order; others are constants."""
        return trace(lambda *xs: self.call(dict(zip(self.leaves, xs, strict=True))), *self._values)

    @property
    def _values(self) -> tuple[np.ndarray, ...]:
        return tuple(self.leaves.values())


def split(vector: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """A vector, of numbers or a tracer, as arrays of these shapes by name.

    Example:
        >>> split(np.arange(3.0), {"w": (2,), "b": ()})
        {'w': array([0., 1.]), 'b': array(2.)}
    """
    found, begin = {}, 0
    for name, shape in shapes.items():
        end = begin + math.prod(shape)
        found[name] = vector[begin:end].reshape(shape)
        begin = end
    return found


def subject_of(first: Any, *rest: Any, wrt: str | Sequence[str] | None = None) -> Subject:
    """A function and its arguments, or a model, a loss and data as ``cr.train`` takes them.

    Args:
        first: a function in NumPy; or a model: a tree of parameters.
        *rest: its arguments, as for ``cr.trace``; or a ``losses.Loss`` or a function
            ``loss(params, *data)``, and a tuple of arrays.
        wrt: names of what the gradient is taken of, of a leaf or of a tree of leaves; None for the
            parameters of a model, or for all floating-point arguments of a function.

    Raises:
        TrainingError: no arguments, a name in ``wrt`` that is none, or nothing to differentiate.
        TraceError: the function's result is not one number.

    Example:
        >>> subject = subject_of(lambda w, x: (w * x) ** 2, 2.0, 3.0, wrt="w")
        >>> list(subject.leaves), subject.wrt, float(subject.call({"w": 1.0}))
        (['w', 'x'], ('w',), 9.0)
    """
    is_model = bool(rest) and callable(rest[0])
    subject = _of_model(first, *rest) if is_model else _of_function(first, rest)
    chosen = _chosen(subject, wrt)
    made = Subject(
        subject.function, subject.arguments, subject.leaves, chosen, subject.model, subject.loss
    )
    _check_scalar(made)
    return made


def _of_model(model: Any, loss: Any, data: Any = None, *more: Any) -> Subject:
    if not isinstance(data, tuple) or not data or more:
        raise TrainingError(
            "a model and a loss want their data as one tuple of arrays;"
            f" got {_kinds((data, *more))}",
            "explain.formulas(model, losses.cross_entropy, (x, y))",
        )
    function = as_function(loss)
    own = _parameters(loss) if inspect.isfunction(loss) else ["params", "x", "y", "sample_weight"]
    parameters = _named(own[0] if _is_leaf(model) else "", model)
    named = {**parameters, **_data(own[1:], data)}
    marked = zip(parameters.items(), statistics(model), strict=True)
    wrt = tuple(name for (name, x), is_kept in marked if _is_float(x) and not is_kept)
    return Subject(function, (model, *data), named, wrt, model, loss)


def _data(names: Sequence[str], data: tuple[Any, ...]) -> dict[str, np.ndarray]:
    known = [*names, *(f"data{k}" for k in range(len(names), len(data)))]
    return {
        k: v for name, tree in zip(known, data, strict=False) for k, v in _named(name, tree).items()
    }


def _of_function(function: Any, arguments: tuple[Any, ...]) -> Subject:
    if not callable(function) or not arguments:
        raise TrainingError(
            f"expected a function and its arguments, or a model, a loss and data; got"
            f" {_kinds((function, *arguments))}",
            "explain.formulas(lambda w, x: (w * x) ** 2, 2.0, 3.0)",
        )
    names = _parameters(function)
    known = [*names, *(f"x{k}" for k in range(len(names), len(arguments)))]
    named = {
        k: v
        for name, tree in zip(known, arguments, strict=False)
        for k, v in _named(name, tree).items()
    }
    wrt = tuple(name for name, x in named.items() if _is_float(x))
    return Subject(function, arguments, named, wrt)


def _named(name: str, tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree; a lone array has the tree's own name."""
    if _is_leaf(tree):
        return {name: np.asarray(tree)}
    dotted = [f"{name}.{path}" if name else path for path in paths(tree)]
    return {path: np.asarray(x) for path, x in zip(dotted, flatten(tree)[0], strict=True)}


def _is_leaf(tree: Any) -> bool:
    leaves = flatten(tree)[0]
    return len(leaves) == 1 and leaves[0] is tree


def _parameters(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a builtin tells nothing of its arguments
        return []
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.kind not in variadic]


def _chosen(subject: Subject, wrt: str | Sequence[str] | None) -> tuple[str, ...]:
    if wrt is None:
        found = subject.wrt
    else:
        asked = [wrt] if isinstance(wrt, str) else list(wrt)
        found = tuple(dict.fromkeys(leaf for name in asked for leaf in _matching(subject, name)))
    if not found:
        raise TrainingError(
            "nothing to differentiate: no argument is floating-point", "use 2.0, not 2"
        )
    return found


def _matching(subject: Subject, name: str) -> list[str]:
    found = [leaf for leaf in subject.leaves if leaf == name or leaf.startswith(f"{name}.")]
    found = [leaf for leaf in found if _is_float(subject.leaves[leaf])]
    if not found:
        known = ", ".join(leaf for leaf, x in subject.leaves.items() if _is_float(x))
        raise TrainingError(f"wrt: no floating-point argument is named {name!r}; there are {known}")
    return found


def _check_scalar(subject: Subject) -> None:
    if isinstance(subject.loss, Loss | LogLikelihood) or _is_traced_as_scalar(subject):
        return  # of a model nothing is worked out over all rows only to see what it is
    with np.errstate(all="ignore"):  # what is not finite is explained, not warned of
        result = subject.call({})
    if np.shape(result) != () or not np.issubdtype(np.asarray(result).dtype, np.floating):
        raise TraceError(
            f"the function returned {_kinds((result,))}; expected one floating-point number",
            "a gradient is of one number: take np.sum or np.mean of the result",
        )


def _is_traced_as_scalar(subject: Subject) -> bool:
    if subject.model is None:
        return False
    try:
        outputs = subject.trace().outputs
    except ChainruleError:  # it looks at values, or is wrong: then it says so when it is called
        return False
    (first, *others) = outputs or (None,)
    return first is not None and not others and _is_float_scalar(first.type)


def _is_float_scalar(type_: ArrayType) -> bool:
    return type_.shape == () and type_.dtype.kind == "f"


def _is_float(x: np.ndarray) -> bool:
    return x.dtype.kind == "f"


def _kinds(values: Sequence[Any]) -> str:
    return ", ".join(_kind(value) for value in values) or "nothing"


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {shape}" if shape is not None else type(value).__name__
