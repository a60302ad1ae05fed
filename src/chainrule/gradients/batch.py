"""``vmap``: a function of one example, done for many at once.

A tracer stands for one example and holds them all, along a new first axis. Each operation is done
once, by its rule for one more axis; what is the same for all examples is done without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from chainrule.errors import ShapeError, TraceError
from chainrule.gradients.leaves import as_array, flatten_all, names_of
from chainrule.gradients.refusal import outlived
from chainrule.gradients.reverse import strip
from chainrule.ir.graph import Attribute
from chainrule.ops import PRIMITIVES, Recording, bind
from chainrule.ops.bodies import TOKEN
from chainrule.ops.record import POINTWISE
from chainrule.tracing.foreign import call
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import NAMESPACE, unflatten

Array = Any


class BatchRecording(Recording):
    """Does each operation for ``size`` examples."""

    __slots__ = ("ended", "size")

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.ended = False

    def owns(self, x: Any) -> bool:
        """Whether x is a tracer of this recording: differs between examples."""
        return type(x) is BatchTracer and x.recording is self

    def value(self, x: Any) -> Any:
        """All examples' values of a tracer of this recording; anything else as it is."""
        return x.value if self.owns(x) else x

    def repeated(self, x: Any) -> Any:
        """All examples' values, also of what is the same for all."""
        if self.owns(x):
            return x.value
        return np.broadcast_to(as_array(x), (self.size, *np.shape(x)))

    def bind(self, op: str, operands: tuple[Any, ...], attributes: dict[str, Attribute]) -> Any:
        if self.ended:
            raise outlived()
        rule = PRIMITIVES[op].batched
        if rule == POINTWISE:
            return BatchTracer(self, bind(op, *map(self.repeated, operands), **attributes))
        mapped = tuple(map(self.owns, operands))
        values = [self.value(x) for x in operands]
        return BatchTracer(self, rule(self.size, mapped, *values, **attributes))


class BatchTracer(Tracer):
    """One example's value: its type is one example's, its value is all of theirs."""

    __slots__ = ("value",)

    def __init__(self, recording: BatchRecording, value: Any) -> None:
        self.recording = recording
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return () if type(self.value) is tuple else self.value.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Of several results, which are a tuple, that of what stands for them."""
        return TOKEN.dtype if type(self.value) is tuple else self.value.dtype

    def __bool__(self) -> bool:
        raise TraceError(
            f"a condition on a value mapped by vmap at {user_line()} differs between examples",
            "use np.where(condition, a, b), or cr.cond(condition, f, g, x)",
        )


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """f of one example as a function of many, each operation done once for all of them.

    Args:
        f: from trees of arrays to a tree of arrays.
        in_axes: along which axis of each argument the examples lie: a number, None for an
            argument that is the same for all, or a tuple with an entry per argument, each of
            which may be a tree for the first levels of the argument.
        out_axes: where the examples shall lie in the results: a number or a tree; None for a
            result that is the same for all.

    Returns:
        A function of arguments with one more axis. Arguments given by name lie along axis 0.

    Raises:
        ShapeError: an argument has no such axis, or the arguments differ in their number of
            examples; ``in_axes`` is no tree for the arguments.
        TraceError: f asks for the truth of a condition that differs between examples; a result
            with ``out_axes=None`` does.

    Example:
        >>> vmap(np.dot, in_axes=(0, None))(np.eye(3), np.array([1.0, 2.0, 3.0]))
        array([1., 2., 3.])
    """

    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten_all((args, kwargs))
        axes = _prefix(_argument_axes(in_axes, args), args, "in_axes")
        axes += [0] * (len(leaves) - len(axes))
        names = _names(args, kwargs)
        axes = [_axis(x, axis, name) for x, axis, name in zip(leaves, axes, names, strict=True)]
        recording = BatchRecording(_common_size(leaves, axes, names))
        inputs = [
            x if axis is None else BatchTracer(recording, moved(as_array(x), axis, 0))
            for x, axis in zip(leaves, axes, strict=True)
        ]
        args, kwargs = unflatten(structure, inputs)
        result = call(f, *args, **kwargs)
        recording.ended = True
        return _results(recording, result, out_axes)

    return mapped


def _argument_axes(in_axes: Any, args: tuple[Any, ...]) -> Any:
    """A tuple with an entry per argument."""
    if not isinstance(in_axes, tuple | list):
        return (in_axes,) * len(args)
    if len(in_axes) != len(args):
        raise ShapeError(
            f"vmap at {user_line()}: in_axes={in_axes!r} has {len(in_axes)} entries for "
            f"{len(args)} arguments"
        )
    return tuple(in_axes)


def _prefix(axes: Any, tree: Any, what: str) -> list[Any]:
    """An axis per leaf of a tree, from a tree of its first levels."""
    try:
        found = optree.broadcast_prefix(axes, tree, none_is_leaf=True, namespace=NAMESPACE)
    except ValueError as error:
        raise ShapeError(f"vmap at {user_line()}: {what}={axes!r} is no tree for {error}") from None
    for axis in found:
        if axis is not None and type(axis) is not int:
            raise ShapeError(f"vmap at {user_line()}: {what} holds {axis!r}; expected int or None")
    return found


def _names(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """What errors call each leaf."""
    given = [*(f"argument {k}" for k in range(len(args))), *sorted(kwargs)]
    return names_of((*args, *(kwargs[name] for name in sorted(kwargs))), given)


def _axis(x: Any, axis: int | None, name: str) -> int | None:
    """The axis counted from the front; None of what is no array."""
    if axis is None or x is None:
        return None
    rank = len(np.shape(x))
    if not -rank <= axis < rank:
        raise ShapeError(
            f"vmap at {user_line()}: {name} of shape {np.shape(x)} has no axis {axis}",
            "in_axes=None for an argument that is the same for all examples",
        )
    return axis % rank


def _common_size(leaves: list[Any], axes: list[int | None], names: list[str]) -> int:
    sizes = {
        name: np.shape(x)[axis]
        for x, axis, name in zip(leaves, axes, names, strict=True)
        if axis is not None
    }
    if not sizes:
        raise ShapeError(
            f"vmap at {user_line()}: no argument has examples",
            "in_axes says along which axis of which argument they lie",
        )
    (first, size), *rest = sizes.items()
    for name, other in rest:
        if other != size:
            raise ShapeError(
                f"vmap at {user_line()}: {first} has {size} examples and {name} has {other}",
                "in_axes=None for an argument that is the same for all examples",
            )
    return int(size)


def moved(x: Any, source: int, destination: int) -> Any:
    """x with one axis in another place."""
    order = [k for k in range(len(x.shape)) if k != source]
    order.insert(destination, source)
    return x if source == destination else np.transpose(x, order)


def _results(recording: BatchRecording, result: Any, out_axes: Any) -> Any:
    leaves, structure = flatten_all(result)
    names = names_of((result,), ["result"])
    axes = _prefix(out_axes, result, "out_axes")
    found = [_result(recording, *row) for row in zip(leaves, axes, names, strict=True)]
    return strip(recording, unflatten(structure, found))


def _result(recording: BatchRecording, x: Any, axis: int | None, name: str) -> Any:
    if x is None or (axis is None and not recording.owns(x)):
        return x
    if axis is None:
        raise TraceError(
            f"vmap at {user_line()}: {name} differs between examples, but out_axes is None there"
        )
    rank = x.ndim + 1 if recording.owns(x) else np.ndim(x) + 1
    if not -rank <= axis < rank:
        raise ShapeError(f"vmap at {user_line()}: {name} would have no axis {axis}, it has {rank}")
    return moved(recording.repeated(x), 0, axis % rank)
