"""What a loop carries from step to step, held to the structure and the types it began with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.types import ArrayType
from chainrule.tracing.lines import user_line
from chainrule.tracing.trace import array_type
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import flatten, paths, unflatten

Tree = Any
Array = Any


def leaves_of(tree: Tree) -> tuple[list[Array], Any]:
    """The leaves of a tree as arrays and tracers, and its structure."""
    leaves, structure = flatten(tree)
    return [x if isinstance(x, Tracer) else _array(x) for x in leaves], structure


def _array(x: Any) -> Any:
    return np.asarray(x, array_type(x).dtype)[()]


def array_type_of(x: Array) -> ArrayType:
    """The type of an array or tracer."""
    return ArrayType(x.dtype, x.shape) if isinstance(x, Tracer) else array_type(x)


class _Adopt(Exception):  # noqa: N818 - no error: a plain number takes on another dtype
    """The first value of a leaf was a plain number, and the body makes it of a dtype."""

    def __init__(self, leaf: int, dtype: np.dtype) -> None:
        super().__init__(leaf, dtype)
        self.leaf = leaf
        self.dtype = dtype


class Carry:
    """What a loop carries: its structure and the types of its leaves."""

    def __init__(self, what: str, init: Tree) -> None:
        self.what = what
        self.init = init
        self.first, self.structure = leaves_of(init)
        #: Leaves that are plain numbers: their dtype is what the body makes of them.
        self.plain = {k for k, x in enumerate(flatten(init)[0]) if type(x) in (int, float)}

    def tree(self, values: list[Array]) -> Tree:
        """Leaves as the tree that the user knows."""
        return unflatten(self.structure, values)

    def run(self, loop: Callable[[list[Array]], Any]) -> Any:
        """The loop, with plain numbers made of the dtypes that it turns them into."""
        while True:
            try:
                return loop(list(self.first))
            except _Adopt as found:
                self.first[found.leaf] = found.dtype.type(self.first[found.leaf])
                self.plain.discard(found.leaf)

    def after(self, tree: Tree) -> list[Array]:
        """The leaves of the next carry, which must be of the types of the first.

        Raises:
            ShapeError: another structure or shape.
            DTypeError: another dtype.
        """
        raw, found = flatten(tree)
        if found != self.structure:
            raise ShapeError(
                f"{self.what} at {user_line()}: the carry changes its structure: "
                f"{self.structure} before a step, {found} after it",
                "the body returns the carry as it got it: the same keys, lengths and classes",
            )
        return [self._leaf(k, x) for k, x in enumerate(raw)]

    def _leaf(self, k: int, x: Any) -> Array:
        before = array_type_of(self.first[k])
        if fits(x, before):
            return before.dtype.type(x)
        x = x if isinstance(x, Tracer) else _array(x)
        after = array_type_of(x)
        if after == before:
            return x
        if k in self.plain and after.shape == () and fits(self.first[k].item(), after):
            raise _Adopt(k, after.dtype)
        error = ShapeError if before.shape != after.shape else DTypeError
        raise error(
            f"{self.what} at {user_line()}: {paths(self.init)[k]} of the carry is {before} before "
            f"a step and {after} after it",
            hint(after, before),
        )


def fits(x: Any, type_: ArrayType) -> bool:
    """Whether x is a plain number that is one of the type without a loss."""
    kinds = {bool: "b", int: "if", float: "f"}.get(type(x), "")
    return type_.shape == () and type_.dtype.kind in kinds


def hint(got: ArrayType, wanted: ArrayType) -> str:
    """One thing to try where a value is of another type than it should be."""
    if got.shape == wanted.shape:
        return f"begin with a value of {got.dtype}, or convert with .astype(np.{wanted.dtype})"
    return "make both the same shape, with np.broadcast_to, np.reshape or a sum over an axis"
