"""Trees beside trees: tangents beside arguments, cotangents beside results, and their errors.

None is a leaf here: it stands where an integer has no tangent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optree

from chainrule.errors import GradientError, ShapeError
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import Tracer, cast
from chainrule.tracing.trees import NAMESPACE, flatten

Tree = Any


def flatten_all(tree: Tree) -> tuple[list[Any], Any]:
    """(leaves, structure) of a tree in which None is a leaf."""
    flatten(tree)  # which meets a user's dataclasses
    return optree.tree_flatten(tree, none_is_leaf=True, namespace=NAMESPACE)


def names_of(tree: Tree, roots: Sequence[str]) -> list[str]:
    """A name per leaf of a tuple of trees: ``argument 0.weight``, ``tangent``."""
    paths, _, _ = optree.tree_flatten_with_path(tree, none_is_leaf=True, namespace=NAMESPACE)
    parts = [[str(getattr(key, "entry", key)) for key in path] for path in paths]
    return [".".join([roots[int(first)], *rest]) for first, *rest in parts]


def arguments(count: int) -> list[str]:
    """``argument 0``, ``argument 1``, ..."""
    return [f"argument {k}" for k in range(count)]


def as_array(x: Any) -> Any:
    """A leaf as an array or a tracer."""
    return x if isinstance(x, Tracer) else np.asarray(x)


def beside(
    values: list[Any], structure: Any, others: Tree, what: str, names: list[str]
) -> list[Any]:
    """The leaves of ``others``, each of the dtype of the float beside it; None beside the rest.

    Raises:
        GradientError: the trees are not of one structure, a float has nothing beside it, or
            something that is no float has.
        ShapeError: a leaf has another shape than the one beside it.
    """
    leaves, found = flatten_all(others)
    if found != structure:
        raise GradientError(
            f"{what} at {user_line()}: expected a tree like {structure}, got {found}"
        )
    return [_fitting(x, t, what, name) for x, t, name in zip(values, leaves, names, strict=True)]


def _fitting(x: Any, t: Any, what: str, name: str) -> Any:
    if x is None or as_array(x).dtype.kind != "f":
        if t is not None and not isinstance(t, Tracer) and np.any(np.asarray(t) != 0):
            raise GradientError(
                f"{what} of {name} at {user_line()}: only floating-point numbers have one",
                "put None there",
            )
        return None
    if t is None:
        raise GradientError(
            f"{what} of {name} at {user_line()} is None; expected an array of shape {np.shape(x)}",
            "np.zeros_like(x) where it does not change",
        )
    x, t = as_array(x), as_array(t)
    if t.shape != x.shape or t.dtype.kind == "b":
        raise ShapeError(
            f"{what} of {name} at {user_line()}: expected the shape {x.shape} and numbers, "
            f"got {t.dtype}{list(t.shape)}"
        )
    return cast(t, x.dtype)
