"""``custom_gradient``: a function that brings its own backward pass.

Each transform around a call takes what it needs from the user's function. Reverse mode writes down
its results with the backward function; forward mode transposes the backward function, which is
linear; ``vmap`` makes of both a function of all examples; a graph just holds what they compute.
For each transform the function runs on the values behind that transform's tracers, so that what
the backward function remembers can be differentiated in turn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import GradientError
from chainrule.gradients.batch import BatchRecording, BatchTracer
from chainrule.gradients.forward import ForwardRecording, ForwardTracer
from chainrule.gradients.leaves import arguments, as_array, beside, flatten_all, names_of
from chainrule.gradients.reverse import kind
from chainrule.gradients.tape import Custom, Tape
from chainrule.gradients.vjp import vjp
from chainrule.ops import Recorded, Recording
from chainrule.tracing.bodies import BodyRecording, with_backward
from chainrule.tracing.lines import user_line
from chainrule.tracing.recording import GraphTracer
from chainrule.tracing.trees import unflatten

#: (cotangents of the results) -> cotangents of the arguments, None where there is none.
Pull = Callable[[Sequence[Any]], list[Any]]
#: (leaves of the arguments) -> leaves of the results, and how to go back.
Rule = Callable[[list[Any]], tuple[list[Any], Pull]]


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose gradient is what f says it is.

    Args:
        f: from trees of arrays to ``(value, backward)``. ``backward`` takes g, a cotangent of the
            value (a tree like it), and returns the cotangent of the argument, or a tuple of them
            for several arguments: trees like them, None for integers and booleans. It must be
            linear in g for forward mode, and be written in NumPy. Arguments given by name are
            constants.

    Returns:
        A function of the same arguments that returns the value alone.

    Raises:
        GradientError: f does not return a pair, ``backward`` returns something else than a
            cotangent per argument, or f uses a differentiated value that is no argument.
        ShapeError: a cotangent has another shape than its argument.

    Source:
        The interface is TensorFlow's ``tf.custom_gradient``.

    Example:
        >>> from chainrule.gradients.reverse import grad
        >>> @custom_gradient
        ... def log1pexp(x):
        ...     e = np.exp(x)
        ...     return np.log(1 + e), lambda g: g * (1 - 1 / (1 + e))
        >>> grad(log1pexp)(0.0)
        np.float64(0.5)
    """
    name = getattr(f, "__name__", type(f).__name__)

    @functools.wraps(f)
    def applied(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten_all(args)
        structures: list[Any] = []

        def rule(xs: list[Any]) -> tuple[list[Any], Pull]:
            value, backward = _run(f, name, unflatten(structure, xs), kwargs)
            ys, found = flatten_all(value)
            ys = [y if y is None else as_array(y) for y in ys]
            structures.append(found)
            return ys, _pull(name, xs, structure, ys, found, backward, len(args))

        ys = _apply(rule, leaves, name)
        return unflatten(structures[0], [y[()] if isinstance(y, np.ndarray) else y for y in ys])

    return applied


def _run(f: Callable[..., Any], name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    result = f(*args, **kwargs)
    if not (isinstance(result, tuple) and len(result) == 2 and callable(result[1])):
        raise GradientError(
            f"{name} at {user_line()}, a custom gradient, returned {kind(result)}; expected "
            "(value, backward)"
        )
    return result


def _pull(
    name: str, xs: list[Any], structure: Any, ys: list[Any], found: Any, backward: Any, count: int
) -> Pull:
    """The user's backward function on leaves, its result checked."""
    what = f"the cotangent that the backward function of {name} returned"

    def pull(gs: Sequence[Any]) -> list[Any]:
        owed = backward(unflatten(found, [_filled(g, y) for g, y in zip(gs, ys, strict=True)]))
        args = unflatten(structure, xs)
        if count == 1 and not (isinstance(owed, tuple) and len(owed) == 1):
            owed = (owed,)
        if not isinstance(owed, tuple) or len(owed) != count:
            raise GradientError(
                f"the backward function of {name} at {user_line()} returned {kind(owed)}; "
                f"expected a tuple with a cotangent for each of the {count} arguments"
            )
        owed = tuple(
            _nothing(x) if t is None and not _has_floats(x) else t
            for x, t in zip(args, owed, strict=True)
        )
        return beside(xs, structure, owed, what, names_of(args, arguments(count)))

    return pull


def _filled(g: Any, y: Any) -> Any:
    """Zeros for a result that no cotangent has come to."""
    return np.zeros(y.shape, y.dtype) if g is None and _is_float(y) else g


def _is_float(y: Any) -> bool:
    return y is not None and y.dtype.kind == "f"


def _has_floats(x: Any) -> bool:
    return any(leaf is not None and _is_float(as_array(leaf)) for leaf in flatten_all(x)[0])


def _nothing(x: Any) -> Any:
    leaves, structure = flatten_all(x)
    return unflatten(structure, [None] * len(leaves))


def _apply(rule: Rule, xs: list[Any], name: str) -> list[Any]:
    """The results under the innermost transform of the arguments, then under those behind it."""
    top = _innermost(xs)
    if not isinstance(top, Tape | ForwardRecording | BatchRecording):
        ys, pull = rule(xs)
        _check_closure(ys, name)
        return with_backward(xs, ys, pull) if isinstance(top, BodyRecording) else ys
    behind = [top.value(x) for x in xs]
    if isinstance(top, BatchRecording):
        mapped = [top.owns(x) for x in xs]
        return [
            _of_examples(top, y) for y in _apply(_batched(rule, top.size, mapped), behind, name)
        ]
    _, pull = first = rule(behind)
    ys = first[0] if _innermost(behind) is None else _apply(rule, behind, name)
    if isinstance(top, Tape):
        _check_closure(ys if _innermost(behind) is None else [], name)
        return top.add(Custom(name, pull, lambda xs: rule(xs)[0]), ys, xs)
    return _pushed(top, xs, ys, pull)


def _innermost(xs: list[Any]) -> Recording | None:
    found = [x.recording for x in xs if isinstance(x, Recorded)]
    return max(found, key=lambda recording: recording.level, default=None)


def _check_closure(ys: list[Any], name: str) -> None:
    """The arguments have no transform around them here, so the results have one only by others."""
    if any(isinstance(y, Recorded) and not isinstance(y, GraphTracer) for y in ys):
        raise GradientError(
            f"{name} at {user_line()}, a custom gradient, uses a differentiated or mapped value "
            "that is not one of its arguments",
            "pass it as an argument, or say cr.stop_gradient(x) where no gradient is meant",
        )


def _of_examples(examples: BatchRecording, y: Any) -> Any:
    return y if y is None else BatchTracer(examples, y)


def _batched(rule: Rule, size: int, mapped: list[bool]) -> Rule:
    """The rule of all examples at once; what is the same for all is owed the sum of theirs."""

    def batched(values: list[Any]) -> tuple[list[Any], Pull]:
        examples = BatchRecording(size)
        pairs = list(zip(values, mapped, strict=True))
        ys, pull = rule([BatchTracer(examples, v) if is_mapped else v for v, is_mapped in pairs])

        def pull_all(gs: Sequence[Any]) -> list[Any]:
            owed = pull([_of_examples(examples, g) for g in gs])
            every = [t if t is None else examples.repeated(t) for t in owed]
            return [
                t if t is None or is_mapped else np.sum(t, axis=0)
                for t, is_mapped in zip(every, mapped, strict=True)
            ]

        return [y if y is None else examples.repeated(y) for y in ys], pull_all

    return batched


def _pushed(top: ForwardRecording, xs: list[Any], ys: list[Any], pull: Pull) -> list[Any]:
    """The results with their tangents: the transpose of the backward function, which is linear."""
    lost = next((x.lost for x in xs if top.owns(x) and x.lost is not None), None)
    tangents = [x.tangent if top.owns(x) else None for x in xs]
    if all(t is None for t in tangents):
        made: list[Any] = [None] * len(ys)
    else:
        zeros = [np.zeros(y.shape, y.dtype) if _is_float(y) else None for y in ys]
        owed, push = vjp(pull, zeros)
        shaped = [x if x is None else as_array(x) for x in owed]
        (made,) = push([_filled(t, x) for t, x in zip(tangents, shaped, strict=True)])
    return [
        y if t is None and lost is None else ForwardTracer(top, y, t, lost)
        for y, t in zip(ys, made, strict=True)
    ]
