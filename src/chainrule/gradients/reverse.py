"""Reverse mode as transforms: ``value_and_grad`` and ``grad``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import GradientError
from chainrule.gradients.derived import is_derived
from chainrule.gradients.refusal import no_gradient, outlived
from chainrule.gradients.tape import Tape, TapeTracer, backward, is_moved, walk
from chainrule.ops import PRIMITIVES, NoGradient
from chainrule.tracing.foreign import call
from chainrule.tracing.recording import GraphTracer, constant_node
from chainrule.tracing.trace import trace_types  # noqa: F401 - fills NumPy's protocols
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import flatten, unflatten

Array = Any


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
        places = argument_places(wanted, len(args))
        leaves, structure = flatten([args[k] for k in places])
        check_inputs(leaves)
        tape = Tape()
        inputs = [as_input(tape, leaf) for leaf in leaves]
        with tape:
            result = call_with(
                f, args, kwargs, dict(zip(places, unflatten(structure, inputs), strict=True))
            )
        value, aux = pair(result) if has_aux else (result, None)
        cotangents = _cotangents(tape, value)
        if not any(x in cotangents for x in inputs):
            refuse_cut(tape, [value])
        tape.entries.clear()  # they hold the tape as it holds them: free them now
        gradient = unflatten(structure, [gradient_of(cotangents, x) for x in inputs])
        plain = strip(tape, (value, aux) if has_aux else value)
        return plain, tuple(gradient) if several else gradient[0]

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


def call_with(
    f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], replaced: dict[int, Any]
) -> Any:
    """f of the arguments, some of them replaced."""
    return call(f, *(replaced.get(k, x) for k, x in enumerate(args)), **kwargs)


def pair(result: Any) -> tuple[Any, Any]:
    """What a function with ``has_aux`` returns.

    Raises:
        GradientError: it is not a value and something beside it.
    """
    if not (isinstance(result, tuple) and len(result) == 2):
        raise GradientError(
            f"the function returned {kind(result)}; with has_aux=True it returns (value, aux)"
        )
    return result


def argument_places(wanted: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The arguments to differentiate, counted from the front."""
    places = tuple(k + count if k < 0 else k for k in wanted)
    if not all(0 <= k < count for k in places) or len(set(places)) != len(places):
        raise GradientError(f"argnums={wanted} of {count} arguments: expected different places")
    return places


def check_inputs(leaves: Sequence[Any]) -> None:
    """Only floating-point numbers can be differentiated with respect to."""
    for leaf in leaves:
        dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
        if dtype.kind != "f":
            raise GradientError(
                f"a gradient with respect to {dtype} values: only floating-point numbers have one",
                "pass 2.0 instead of 2, or choose other arguments with argnums=",
            )


def as_input(tape: Tape, x: Any) -> TapeTracer:
    """A value that is differentiated with respect to."""
    return TapeTracer(tape, x if isinstance(x, Tracer) else np.asarray(x))


def _cotangents(tape: Tape, value: Any) -> dict[TapeTracer, Array]:
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    if np.shape(value) != () or dtype.kind != "f":
        raise GradientError(
            f"the function returned {kind(value)}; a gradient needs one floating-point number",
            "reduce it with np.mean or np.sum",
        )
    if not (type(value) is TapeTracer and value.recording is tape):
        return {}  # the value does not depend on what is differentiated
    return backward(tape, {value: _one_like(value.value)})


def _one_like(value: Any) -> Array:
    """The number 1, in the graph if there is one: what follows from it is then in the graph too."""
    inner = value
    while not isinstance(inner, GraphTracer) and hasattr(inner, "value"):
        inner = inner.value
    if isinstance(inner, GraphTracer):
        return GraphTracer(inner.recording, constant_node(1.0, inner.dtype))  # type: ignore[arg-type]
    return value.dtype.type(1)


def refuse_cut(tape: Tape, values: Sequence[Any]) -> None:
    """No gradient reached an input: an error if that is because comparisons stand in its way."""
    needed = {x for x in values if isinstance(x, TapeTracer)}
    for result in walk(tape.entries):
        if result in needed and result.op != "stop_gradient":
            rules = PRIMITIVES[result.op].vjp if result.op in PRIMITIVES else None
            silent = is_derived(result.where) or not is_moved(tape, result)
            if isinstance(rules, NoGradient) and not silent:
                raise no_gradient(result.op, result.where, rules)
            needed.update(x for x in result.operands if isinstance(x, TapeTracer))


def kind(value: Any) -> str:
    """A value in the words of an error."""
    shaped = hasattr(value, "shape")
    return f"an array of shape {value.shape} and dtype {value.dtype}" if shaped else repr(value)


def gradient_of(cotangents: dict[TapeTracer, Array], x: TapeTracer) -> Array:
    """An input's cotangent as an array of its own; zeros where none has come."""
    g = cotangents.get(x)
    if g is None:
        return np.zeros(x.shape, x.dtype)[()]
    return np.array(g)[()] if isinstance(g, np.ndarray) else g


def strip(recording: Any, tree: Any) -> Any:
    """The tree with the values in place of this recording's tracers.

    Raises:
        TraceError: a tracer of a transform that has ended is among the leaves.
    """
    leaves, structure = flatten(tree)
    for leaf in leaves:
        of = getattr(leaf, "recording", None)
        if of is not None and of is not recording and getattr(of, "ended", False):
            raise outlived()
    return unflatten(structure, [recording.value(leaf) for leaf in leaves])
