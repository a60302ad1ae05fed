"""``jacobian``, ``hessian`` and ``hvp``: the transforms applied to one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from chainrule.errors import GradientError
from chainrule.gradients.batch import BatchRecording, BatchTracer, moved
from chainrule.gradients.forward import jvp
from chainrule.gradients.leaves import as_array, flatten_all
from chainrule.gradients.reverse import (
    argument_places,
    call_with,
    check_inputs,
    grad,
    kind,
    pair,
)
from chainrule.gradients.vjp import vjp
from chainrule.tracing.lines import user_line
from chainrule.tracing.trees import unflatten

Array = Any
Mode = Literal["auto", "forward", "reverse"]


def jacobian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    mode: Mode = "auto",
    has_aux: bool = False,
) -> Callable[..., Any]:
    """The derivative of every element of the result with respect to every element of an argument.

    Args:
        f: from trees of arrays to a tree of arrays.
        argnums: which arguments to differentiate, a number or several.
        mode: ``"forward"``, one tangent per element of the arguments; ``"reverse"``, one cotangent
            per element of the result; ``"auto"``, whichever are fewer.
        has_aux: f returns ``(value, aux)``, and the function ``(jacobian, aux)``.

    Returns:
        For a result of shape (m...) and an argument of shape (n...) an array (m..., n...). For
        trees, a tree like the result, in which each leaf is a tree like the argument (a tuple of
        trees for several arguments).

    Raises:
        GradientError: an argument or a result is no floating-point number; an operation on the way
            has no derivative; there is no such mode.

    Source:
        Griewank & Walther 2008, Evaluating Derivatives, 3.2: the cost of either mode.

    Example:
        >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        raise GradientError(f"mode={mode!r}: expected 'auto', 'forward' or 'reverse'")
    several = not isinstance(argnums, int)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def derivative(*args: Any, **kwargs: Any) -> Any:
        places = argument_places(wanted, len(args))
        leaves, structure = flatten_all(tuple(args[k] for k in places))
        check_inputs([x for x in leaves if x is not None])
        leaves = [None if x is None else as_array(x) for x in leaves]

        def of_leaves(*xs: Any) -> Any:
            replaced = dict(zip(places, unflatten(structure, xs), strict=True))
            result = call_with(f, args, kwargs, replaced)
            return pair(result) if has_aux else (result, None)

        rows, aux = _blocks(of_leaves, leaves, mode)
        outputs, result_structure = rows
        trees = [unflatten(structure, row) for row in outputs]
        found = unflatten(result_structure, trees if several else [t[0] for t in trees])
        return (found, aux) if has_aux else found

    return derivative


def hessian(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The second derivatives of a function to a number: forward mode over reverse mode.

    Args:
        f: from trees of arrays to a floating-point number.
        argnums: which arguments to differentiate, a number or several.
        has_aux: f returns ``(value, aux)``, and the function ``(hessian, aux)``.

    Returns:
        For an argument of shape (n...) an array (n..., n...); for trees a tree of trees.

    Raises:
        GradientError: as ``grad`` does.

    Source:
        Pearlmutter 1994, Fast exact multiplication by the Hessian.

    Example:
        >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
        array([[10.,  6.],
               [ 6.,  0.]])
    """
    return jacobian(grad(f, argnums, has_aux), argnums, "forward", has_aux)


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The Hessian of f at x times v, without the Hessian: the tangent of the gradient along v.

    Args:
        f: from a tree of arrays to a floating-point number.
        x: where.
        v: a tree like x.

    Returns:
        A tree like x.

    Raises:
        GradientError: as ``grad`` and ``jvp`` do.

    Source:
        Pearlmutter 1994, Fast exact multiplication by the Hessian.

    Example:
        >>> hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0]), np.array([1.0, 0.0]))
        array([10.,  6.])
    """
    return jvp(grad(f), (x,), (v,))[1]


Rows = tuple[list[list[Any]], Any]


def _blocks(f: Callable[..., Any], leaves: list[Any], mode: Mode) -> tuple[Rows, Any]:
    """((for each leaf of the result a block per leaf of the arguments, its structure), aux)."""
    if mode == "forward":
        return _forward(f, leaves)
    value, backward, aux = vjp(f, *leaves, has_aux=True)
    results, structure = flatten_all(value)
    _check_results(results)
    results = [as_array(y) for y in results]
    if mode == "auto" and _count(results) > _count(leaves):
        return _forward(f, leaves)
    examples = BatchRecording(_count(results))
    cotangents = [BatchTracer(examples, basis) for basis in _bases(results)]
    found = backward(unflatten(structure, cotangents))
    columns = [x if x is None else examples.repeated(x) for x in found]
    return (_reverse_blocks(columns, results), structure), aux


def _forward(f: Callable[..., Any], leaves: list[Any]) -> tuple[Rows, Any]:
    examples = BatchRecording(_count(leaves))
    tangents = [None if x is None else BatchTracer(examples, x) for x in _bases(leaves)]
    value, tangent, aux = jvp(f, leaves, tangents, has_aux=True)
    results, structure = flatten_all(value)
    _check_results(results)
    columns = [examples.repeated(t) for t in flatten_all(tangent)[0]]
    return ([_forward_row(x, leaves) for x in columns], structure), aux


def _check_results(results: list[Any]) -> None:
    for y in results:
        if y is None or as_array(y).dtype.kind != "f":
            raise GradientError(
                f"jacobian at {user_line()}: the function returned {kind(y)}; expected "
                "floating-point numbers",
                "return it beside the value, with has_aux=True",
            )


def _count(leaves: list[Any]) -> int:
    return sum(math.prod(x.shape) for x in leaves if x is not None)


def _bases(leaves: list[Any]) -> list[Any]:
    """For each leaf the directions of all elements of all leaves: (count, *shape)."""
    count, begin, found = _count(leaves), 0, []
    for x in leaves:
        size = 0 if x is None else math.prod(x.shape)
        basis = None if x is None else np.eye(count, size, -begin, x.dtype)
        found.append(basis if basis is None else basis.reshape(count, *x.shape))
        begin += size
    return found


def _parts(x: Any, leaves: list[Any]) -> list[Any]:
    """The examples of x, which are elements of all leaves, by leaf."""
    begin, found = 0, []
    for leaf in leaves:
        size = 0 if leaf is None else math.prod(leaf.shape)
        found.append(None if leaf is None else x[begin : begin + size])
        begin += size
    return found


def _forward_row(tangent: Any, leaves: list[Any]) -> list[Any]:
    """(count, m...) as (m..., n...) for each argument's leaf of shape (n...)."""
    rank = len(tangent.shape) - 1
    return [
        None if x is None else np.reshape(moved(part, 0, rank), (*tangent.shape[1:], *x.shape))[()]
        for part, x in zip(_parts(tangent, leaves), leaves, strict=True)
    ]


def _reverse_blocks(columns: list[Any], results: list[Any]) -> list[list[Any]]:
    """(count, n...) of each argument's leaf as (m..., n...) for each result of shape (m...)."""
    by_argument = [None if x is None else _parts(x, results) for x in columns]
    return [
        [
            None if parts is None else np.reshape(parts[k], (*y.shape, *parts[k].shape[1:]))[()]
            for parts in by_argument
        ]
        for k, y in enumerate(results)
    ]
