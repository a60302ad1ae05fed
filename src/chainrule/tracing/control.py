"""Loops and branches for compiled code: ``scan``, ``cond``, ``while_loop``.

On plain arrays, and under transforms of plain arrays, they are what Python has: ``for``, ``if`` and
``while``. Where a graph is being built they become one node each, whatever the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError, TraceError
from chainrule.ir.types import ArrayType
from chainrule.ops import bind
from chainrule.ops.bodies import items
from chainrule.ops.scan import Scan, run
from chainrule.tracing.bodies import Body, graph_behind, trace_body
from chainrule.tracing.carry import Carry, array_type_of, fits, hint, leaves_of
from chainrule.tracing.lines import user_line
from chainrule.tracing.recording import constant_node
from chainrule.tracing.tracer import Tracer, ValueTracer
from chainrule.tracing.trees import flatten, paths, unflatten

Tree = Any
Array = Any


# -- scan ----------------------------------------------------------------------------------------


def scan(
    f: Callable[[Tree, Tree], tuple[Tree, Tree]],
    init: Tree,
    xs: Tree = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Tree, Tree]:
    """A loop of a known number of steps: ``carry, y = f(carry, x)`` for each x in xs.

    Under ``compile`` it is one native loop, whose compile time does not depend on its length, and
    its gradient is one loop in the other direction, which keeps the carry of each step.

    Args:
        f: from (carry, x) to (carry, y), trees of arrays. The carry keeps its structure, shapes
            and dtypes; y may be None.
        init: the first carry.
        xs: a tree of arrays (length, ...); each step gets a slice of each. None if it needs none.
        length: how many steps; needed only where xs has no arrays.
        reverse: begin with the last x; y still stands at the place of its x.

    Returns:
        (the last carry, the y of all steps stacked along a new first axis).

    Raises:
        ShapeError: arrays of xs differ in length, or the carry changes its structure or shapes.
        DTypeError: the carry changes a dtype.
        TraceError: f does not return a pair.

    Example:
        >>> scan(lambda total, x: (total + x, total), 0.0, np.arange(4.0))
        (np.float64(6.0), array([0., 0., 1., 3.]))
    """
    carry = Carry("cr.scan", init)
    over, over_structure = leaves_of(xs)
    steps = _length(over, paths(xs) if over else [], length)

    def step(values: list[Array], x: list[Array]) -> tuple[list[Array], list[Array], Any]:
        pair: Any = f(carry.tree(values), unflatten(over_structure, x))
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TraceError(
                f"the body of cr.scan at {user_line()} returned {_kind(pair)}",
                "return (carry, y), with None for y if there is nothing to put out",
            )
        return carry.after(pair[0]), *leaves_of(pair[1])

    last, put, put_structure = carry.run(lambda first: _scan(step, first, over, steps, reverse))
    return carry.tree(last), unflatten(put_structure, put)


def _scan(
    step: Any, first: list[Array], over: list[Array], steps: int, reverse: bool
) -> tuple[list[Array], list[Array], Any]:
    """The last carry, what was put out and its structure."""
    if steps and not any(map(_on_graph, [*first, *over])):
        done = _python_scan(step, first, over, steps, reverse)
        if done is not None:
            return done
    return _graph_scan(step, first, over, steps, reverse)


def _length(over: list[Array], names: list[str], length: int | None) -> int:
    """The number of steps that all agree on."""
    for name, x in zip(names, over, strict=True):
        if not np.ndim(x):
            raise ShapeError(
                f"cr.scan at {user_line()} runs over {name}, a number: {array_type_of(x)}",
                "what each step needs as it is may simply be read by the body",
            )
    found: dict[str, int] = {name: x.shape[0] for name, x in zip(names, over, strict=True)}
    if length is not None:
        found["length="] = int(length)
    if not found:
        raise ShapeError(
            f"cr.scan at {user_line()} has neither xs nor length=", "say length=, or give xs"
        )
    if len(set(found.values())) > 1 or min(found.values()) < 0:
        said = ", ".join(f"{name} {n}" for name, n in found.items())
        raise ShapeError(f"cr.scan at {user_line()}: the numbers of steps differ: {said}")
    return next(iter(found.values()))


def _python_scan(
    step: Any, carry: list[Array], over: list[Array], steps: int, reverse: bool
) -> tuple[list[Array], list[Array], Any] | None:
    """A ``for``; None if the first step shows that the body reads values of a graph."""
    put: list[list[Array]] = []
    structure = None
    for k in reversed(range(steps)) if reverse else range(steps):
        carry, y, structure = step(carry, [x[k] for x in over])
        if not put and any(map(_on_graph, [*carry, *y])):
            return None
        put.append(y)
    columns = zip(*(reversed(put) if reverse else put), strict=True)
    return carry, [np.stack(column) for column in columns], structure


def _graph_scan(
    step: Any, first: list[Array], over: list[Array], steps: int, reverse: bool
) -> tuple[list[Array], list[Array], Any]:
    """One node, its body traced once."""
    structures = []

    def body(values: list[Array]) -> list[Array]:
        after, y, structure = step(values[: len(first)], values[len(first) :])
        structures.append(structure)
        return [*after, *y]

    slices = [ArrayType(t.dtype, t.shape[1:]) for t in map(array_type_of, over)]
    traced = trace_body(body, [*map(array_type_of, first), *slices], [*first, *over])
    around = traced.values
    loop = Scan(traced.graph(), len(around), len(first), steps, reverse)
    found = items(run(loop, [*around, *first, *over]), loop.types[: len(traced.outputs)])
    return found[: len(first)], found[len(first) :], structures[-1]


# -- cond ----------------------------------------------------------------------------------------


def cond(
    predicate: Array,
    if_true: Callable[..., Tree],
    if_false: Callable[..., Tree],
    *operands: Tree,
) -> Tree:
    """``if_true(*operands) if predicate else if_false(*operands)``, also under ``compile``.

    Only the branch that is taken runs, but under ``vmap`` with a predicate of its own for each
    example: then both run for all, and the results are chosen by ``np.where``.

    Args:
        predicate: a truth value, shape ``()``.
        if_true: from the operands to a tree of arrays.
        if_false: the same, with the same structure, shapes and dtypes.
        operands: trees of arrays.

    Raises:
        ShapeError: the predicate is no single value, or the branches differ in structure or shape.
        DTypeError: the branches differ in dtype.

    Example:
        >>> cond(np.float64(2.0) > 1.0, np.sin, np.cos, 0.0)
        np.float64(0.0)
    """
    predicate = _truth("cr.cond", predicate)
    if _is_known(predicate):
        return if_true(*operands) if bool(predicate) else if_false(*operands)
    leaves, structure = leaves_of(operands)
    types = [array_type_of(x) for x in leaves]
    found: list[tuple[Any, Tree]] = []

    def branch(f: Callable[..., Tree]) -> Callable[[list[Array]], list[Array]]:
        def traced(values: list[Array]) -> list[Array]:
            result = f(*unflatten(structure, values))
            flat, kind = leaves_of(result)
            found.append((kind, result))
            return flat

        return traced

    yes, no = (trace_body(branch(f), types, leaves, is_branch=True) for f in (if_true, if_false))
    yes, no = _same_branches(found, yes, no)
    around = {**yes.captured, **no.captured}
    values = [value for _, value in around.values()]
    token = bind(
        "cond", predicate, *values, *leaves, if_true=yes.graph(around), if_false=no.graph(around)
    )
    return unflatten(found[0][0], items(token, yes.types))


def _same_branches(found: list[tuple[Any, Tree]], yes: Body, no: Body) -> tuple[Body, Body]:
    """The branches, plain numbers of the one made of the dtype that the other has there."""
    (a, if_true), (b, if_false) = found
    if a != b:
        raise ShapeError(
            f"cr.cond at {user_line()}: the branches return different structures: {a} if true, "
            f"{b} if false"
        )
    yes = _with_numbers(yes, flatten(if_true)[0], no.types)
    no = _with_numbers(no, flatten(if_false)[0], yes.types)
    names = paths(if_true) if a.num_leaves else []
    for name, x, y in zip(names, yes.types, no.types, strict=True):
        if x != y:
            error = ShapeError if x.shape != y.shape else DTypeError
            raise error(
                f"cr.cond at {user_line()}: {name} is {x} if true and {y} if false",
                hint(y, x),
            )
    return yes, no


def _with_numbers(body: Body, leaves: list[Any], types: list[ArrayType]) -> Body:
    outputs = [
        constant_node(type_.dtype.type(x).item(), type_.dtype) if fits(x, type_) else node
        for node, x, type_ in zip(body.outputs, leaves, types, strict=True)
    ]
    return replace(body, outputs=tuple(outputs))


# -- while_loop ----------------------------------------------------------------------------------


def while_loop(
    condition: Callable[[Tree], Array], body: Callable[[Tree], Tree], init: Tree
) -> Tree:
    """``while condition(carry): carry = body(carry)``, also under ``compile``; the last carry.

    Forward mode goes through it. Reverse mode does not, under ``compile``: the number of steps is
    not known in advance; ``scan`` with a fixed number of steps has a gradient. Under ``vmap`` it
    runs while the condition of any example holds, and the examples that are done stand still.

    Args:
        condition: from the carry to a truth value, shape ``()``.
        body: from the carry to the next one, of the same structure, shapes and dtypes.
        init: the first carry, a tree of arrays.

    Raises:
        ShapeError: the carry changes its structure or shapes.
        DTypeError: the carry changes a dtype.

    Example:
        >>> while_loop(lambda x: x < 100.0, lambda x: 2.0 * x, 1.0)
        np.float64(128.0)
    """
    carry = Carry("cr.while_loop", init)

    def goes_on(values: list[Array]) -> Array:
        return _truth("cr.while_loop", condition(carry.tree(values)))

    def step(values: list[Array]) -> list[Array]:
        return carry.after(body(carry.tree(values)))

    return carry.tree(carry.run(lambda first: _while(goes_on, step, first)))


def _while(goes_on: Any, step: Any, first: list[Array]) -> list[Array]:
    values = first
    while not any(map(_on_graph, values)):
        still = goes_on(values)
        if not _is_known(still):
            return _graph_while(goes_on, step, values)
        if not bool(still):
            return values
        values = step(values)
    return _graph_while(goes_on, step, first)


def _graph_while(goes_on: Any, step: Any, first: list[Array]) -> list[Array]:
    types = [array_type_of(x) for x in first]
    test = trace_body(lambda values: [goes_on(values)], types, first)
    body = trace_body(step, types, first)
    around = {**test.captured, **body.captured}
    values = [value for _, value in around.values()]
    token = bind(
        "while_loop", *values, *first,
        condition=test.graph(around), body=body.graph(around), consts=len(values),
    )  # fmt: skip
    return items(token, body.types)


# -- what they share -----------------------------------------------------------------------------


def _on_graph(x: Any) -> bool:
    return graph_behind(x) is not None


def _is_known(x: Any) -> bool:
    """Whether a condition can be asked for its truth."""
    while isinstance(x, ValueTracer):
        x = x.value
    return not isinstance(x, Tracer)


def _truth(what: str, x: Any) -> Any:
    """A condition as one truth value."""
    if np.shape(x) != ():
        raise ShapeError(
            f"the condition of {what} at {user_line()} is {array_type_of(x)}; expected one value",
            "np.all(x) or np.any(x); for a choice element by element np.where(x, a, b)",
        )
    if isinstance(x, Tracer) and x.dtype != np.dtype(np.bool_):
        return x != 0
    return x


def _kind(x: Any) -> str:
    return f"a tuple of {len(x)}" if isinstance(x, tuple) else f"a {type(x).__name__}"
