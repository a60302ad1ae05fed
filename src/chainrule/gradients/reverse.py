"""Reverse mode: each result passes its cotangent back to its operands, last result first.

The rules are plain NumPy. On plain arrays they compute; on the tracers of a graph they build the
graph of the gradient; under another ``grad`` they are written down in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import GradientError
from chainrule.ops import PRIMITIVES, NoGradient
from chainrule.tracing.trace import trace_types  # noqa: F401 - fills NumPy's protocols
from chainrule.tracing.tracer import Recording, Tracer, constant_node
from chainrule.tracing.trees import flatten, unflatten

Array = Any


def backward(recording: Recording, output: Tracer, g: Array) -> dict[Tracer, Array]:
    """The cotangent of every value on the tape that the output depends on."""
    cotangents: dict[Tracer, Array] = {output: g}
    for result in reversed(recording.tape):
        if result in cotangents:
            _pass_back(recording, result, cotangents)
    return cotangents


def _pass_back(recording: Recording, result: Tracer, cotangents: dict[Tracer, Array]) -> None:
    """Add to each operand's cotangent what this result owes it."""
    rules, values = PRIMITIVES[result.op].vjp, None
    for k, operand in enumerate(result.operands):
        if not (isinstance(operand, Tracer) and operand.recording is recording):
            continue
        if operand.dtype.kind != "f":
            continue
        assert not isinstance(rules, NoGradient), result.op  # these return booleans, cut off above
        rule = rules[k]
        if rule is None:
            continue
        values = values or [_value(recording, x) for x in result.operands]
        owed = rule(cotangents[result], result.value, *values, **result.attributes)
        cotangents[operand] = cotangents[operand] + owed if operand in cotangents else owed


def _value(recording: Recording, x: Any) -> Any:
    return x.value if isinstance(x, Tracer) and x.recording is recording else x


def _as_input(recording: Recording, x: Any) -> Tracer:
    return Tracer(recording, None, x if isinstance(x, Tracer) else np.asarray(x))


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns ``(f(*args), gradient)`` by one forward and one backward pass.

    Args:
        f: from trees of arrays to a number (shape ``()``).
        argnums: which arguments to differentiate, a number or several.
        has_aux: f returns ``(value, aux)``; the result is then ``((value, aux), gradient)``.

    Returns:
        The gradient is a tree like the argument (a tuple of trees for several), each leaf of the
        shape and dtype of the leaf it belongs to.

    Raises:
        GradientError: f does not return one floating-point number, or passes through an
            operation without a derivative.

    Source:
        Reverse accumulation: Griewank & Walther 2008, Evaluating Derivatives, chapter 3.

    Example:
        >>> value_and_grad(lambda w: (w * 3.0 + 1.0 - 2.0) ** 2)(2.0)
        (np.float64(25.0), np.float64(30.0))
    """
    several = not isinstance(argnums, int)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        places = _places(wanted, len(args))
        chosen = tuple(args[k] for k in places)
        leaves, structure = flatten(chosen)
        _check_inputs(leaves)
        recording = Recording(eager=True)
        inputs = [_as_input(recording, leaf) for leaf in leaves]
        replaced = dict(zip(places, unflatten(structure, inputs), strict=True))
        result = f(*(replaced.get(k, x) for k, x in enumerate(args)), **kwargs)
        value, aux = result if has_aux else (result, None)
        cotangents = _cotangents(recording, value)
        if not any(x in cotangents for x in inputs):
            _refuse_cut(recording, value)
        gradients = [_gradient(cotangents, x) for x in inputs]
        gradient = unflatten(structure, gradients)
        plain = _strip(recording, (value, aux) if has_aux else value)
        return plain, gradient if several else gradient[0]

    return differentiated


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The gradient of f, see ``value_and_grad``; with ``has_aux``, ``(gradient, aux)``.

    Example:
        >>> grad(lambda x: (2 * x**2 + 1) ** 2)(1.0)
        np.float64(24.0)
    """
    both = value_and_grad(f, argnums, has_aux)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def _places(wanted: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The arguments to differentiate, counted from the front."""
    places = tuple(k + count if k < 0 else k for k in wanted)
    if not all(0 <= k < count for k in places) or len(set(places)) != len(places):
        raise GradientError(f"argnums={wanted} of {count} arguments: expected different places")
    return places


def _check_inputs(leaves: list[Any]) -> None:
    for leaf in leaves:
        dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
        if dtype.kind != "f":
            raise GradientError(
                f"a gradient with respect to {dtype} values: only floating-point numbers have one",
                "pass 2.0 instead of 2, or choose other arguments with argnums=",
            )


def _cotangents(recording: Recording, value: Any) -> dict[Tracer, Array]:
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    if np.shape(value) != () or dtype.kind != "f":
        raise GradientError(
            f"the function returned {_kind(value)}; a gradient needs one floating-point number",
            "reduce it with np.mean or np.sum",
        )
    if not (isinstance(value, Tracer) and value.recording is recording):
        return {}  # the value does not depend on what is differentiated
    return backward(recording, value, _one_like(value.value))


def _one_like(value: Any) -> Array:
    """The number 1, in the graph if there is one: what follows from it is then in the graph too."""
    if not isinstance(value, Tracer):
        return value.dtype.type(1)
    if value.node is None:
        return _one_like(value.value)
    return Tracer(value.recording, constant_node(1.0, value.dtype))


def _refuse_cut(recording: Recording, value: Any) -> None:
    """No gradient reached an input: an error if that is because comparisons stand in its way."""
    needed = {value} if isinstance(value, Tracer) else set()
    for result in reversed(recording.tape):
        if result in needed:
            rules = PRIMITIVES[result.op].vjp
            if isinstance(rules, NoGradient):
                raise GradientError(f"no gradient flows through {result.op}: {rules.why}")
            needed.update(x for x in result.operands if isinstance(x, Tracer))


def _kind(value: Any) -> str:
    shaped = hasattr(value, "shape")
    return f"an array of shape {value.shape} and dtype {value.dtype}" if shaped else repr(value)


def _gradient(cotangents: dict[Tracer, Array], x: Tracer) -> Array:
    if x not in cotangents:
        zeros = np.zeros(x.shape, x.dtype)
        return zeros[()] if not x.shape else zeros
    g = cotangents[x]
    return g if isinstance(g, Tracer) or not isinstance(g, np.ndarray) else np.array(g)[()]


def _strip(recording: Recording, tree: Any) -> Any:
    """The tree with the values in place of this recording's tracers."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [_value(recording, leaf) for leaf in leaves])
