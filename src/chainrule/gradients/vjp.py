"""``vjp``: a function's value and its backward pass, to be called with any cotangent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.gradients.leaves import as_array, beside, flatten_all, names_of
from chainrule.gradients.reverse import as_input, gradient_of, pair, refuse_cut, strip
from chainrule.gradients.tape import Cotangents, Tape, backward, sum_of
from chainrule.tracing.foreign import call
from chainrule.tracing.trees import unflatten

Array = Any


def vjp(f: Callable[..., Any], *args: Any, has_aux: bool = False) -> Any:
    """``(f(*args), backward)``: the value and the function g -> Jᵀ g, by one forward pass.

    Args:
        f: from trees of arrays to a tree of arrays.
        args: its arguments.
        has_aux: f returns ``(value, aux)``; the result is then ``(value, backward, aux)``.

    Returns:
        ``backward`` takes a cotangent, a tree like the value with None beside integers, and
        returns a tuple with a cotangent per argument: a tree like it, None beside integers. It
        may be called any number of times.

    Raises:
        GradientError: the value depends on the arguments only through what has no derivative, or
            a cotangent is no tree like the value (when ``backward`` is called).

    Source:
        Griewank & Walther 2008, Evaluating Derivatives, chapter 3.

    Example:
        >>> value, backward = vjp(lambda x, y: x * y, 3.0, 4.0)
        >>> value, backward(1.0)
        (np.float64(12.0), (np.float64(4.0), np.float64(3.0)))
    """
    leaves, structure = flatten_all(args)
    tape = Tape()
    inputs = [as_input(tape, x) if _is_float(x) else None for x in leaves]
    given = [x if t is None else t for x, t in zip(leaves, inputs, strict=True)]
    with tape:
        result = call(f, *unflatten(structure, given))
    value, aux = pair(result) if has_aux else (result, None)
    plain = strip(tape, value)

    def pull(g: Any) -> tuple[Any, ...]:
        cotangents = _cotangents(tape, value, plain, g)
        found = [None if x is None else gradient_of(cotangents, x) for x in inputs]
        return unflatten(structure, found)  # type: ignore[no-any-return]

    return (plain, pull, strip(tape, aux)) if has_aux else (plain, pull)


def _is_float(x: Any) -> bool:
    return x is not None and as_array(x).dtype.kind == "f"


def _cotangents(tape: Tape, value: Any, plain: Any, g: Any) -> Cotangents:
    """The inputs' cotangents."""
    leaves, structure = flatten_all(value)
    names = names_of((value,), ["the value"])
    owed = beside(flatten_all(plain)[0], structure, g, "the cotangent", names)
    start: Cotangents = {}
    for x, c in zip(leaves, owed, strict=True):
        if tape.owns(x) and c is not None:
            start[x] = sum_of(start.get(x), c if hasattr(c, "dtype") else np.asarray(c))
    found = backward(tape, start)
    if not any(x.op == "input" for x in found):
        refuse_cut(tape, [x for x in leaves if tape.owns(x) and x.dtype.kind == "f"])
    return found
