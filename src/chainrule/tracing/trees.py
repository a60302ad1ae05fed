"""Trees of arrays: nested dicts, lists, tuples, named tuples and dataclasses, through optree.

A dataclass is a tree of its fields. A field that is no array (a name, a function, a size) is
marked with ``static()`` and belongs to the structure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast, dataclass_transform

import optree

from chainrule.errors import ShapeError

NAMESPACE: Final = "chainrule"
Tree = Any
C = TypeVar("C", bound=type)


#: What marks a field as part of the structure: ``dataclasses.field(metadata=STATIC)``.
STATIC: Final = {"static": True}


def static(**options: Any) -> Any:
    """A dataclass field that is part of the structure and not an array."""
    return dataclasses.field(metadata=STATIC, **options)


@dataclass_transform(
    frozen_default=True, eq_default=False, field_specifiers=(static, dataclasses.field)
)
def tree(cls: C) -> C:
    """Make a class a frozen dataclass and a tree of its fields, compared by identity."""
    made: Any = dataclasses.dataclass(frozen=True, eq=False)(cls)
    register_dataclass(made)
    return cast(C, made)


def register_dataclass(cls: type) -> None:
    """Let a dataclass be a tree: its fields are children, the static ones are structure."""
    fields = dataclasses.fields(cls)
    names = [f.name for f in fields if not f.metadata.get("static")]
    fixed = [f.name for f in fields if f.metadata.get("static")]

    def take_apart(x: Any) -> tuple[Iterable[Any], Any, tuple[str, ...]]:
        structure = tuple(getattr(x, name) for name in fixed)
        return [getattr(x, name) for name in names], structure, tuple(names)

    def put_together(structure: Any, children: Iterable[Any]) -> Any:
        made: Any = object.__new__(cls)  # as it was: no __init__, so no second round of its checks
        for name, value in zip([*names, *fixed], [*children, *structure], strict=True):
            object.__setattr__(made, name, value)
        return made

    optree.register_pytree_node(cls, take_apart, put_together, namespace=NAMESPACE)


def _register_plain_dataclasses(leaves: Iterable[Any]) -> bool:
    """A user's own dataclass is met as a leaf the first time; register it then."""
    found = {type(x) for x in leaves if dataclasses.is_dataclass(x) and not isinstance(x, type)}
    for cls in found:
        register_dataclass(cls)
    return bool(found)


def flatten(tree: Tree) -> tuple[list[Any], Any]:
    """(leaves, structure) of a tree."""
    while True:
        leaves, structure = optree.tree_flatten(tree, namespace=NAMESPACE)
        if not _register_plain_dataclasses(leaves):
            return leaves, structure


def unflatten(structure: Any, leaves: Iterable[Any]) -> Tree:
    """The tree of this structure with these leaves."""
    return optree.tree_unflatten(structure, leaves)


def tree_map(f: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """f on the leaves at the same place of each tree.

    Raises:
        ShapeError: the trees are not of one structure.
    """
    leaves, structure = flatten(tree)
    columns = [leaves]
    for other in others:
        other_leaves, other_structure = flatten(other)
        if other_structure != structure:
            raise ShapeError(f"trees differ: {structure} and {other_structure}")
        columns.append(other_leaves)
    return unflatten(structure, [f(*row) for row in zip(*columns, strict=True)])


def _part_name(entry: Any) -> str:
    return str(getattr(entry, "entry", entry))


def paths(tree: Tree) -> list[str]:
    """A dotted name for each leaf: ``layers.0.weight``."""
    flatten(tree)
    found, _, _ = optree.tree_flatten_with_path(tree, namespace=NAMESPACE)
    return [".".join(map(_part_name, path)) or "value" for path in found]


def named_leaves(tree: Tree) -> dict[str, Any]:
    """Leaves by their dotted names."""
    return dict(zip(paths(tree), flatten(tree)[0], strict=True))


def with_leaves(tree: Tree, named: Mapping[str, Any]) -> Tree:
    """The tree with the leaves of these names.

    Raises:
        ShapeError: a name is missing or too many.
    """
    names = paths(tree)
    if set(names) != set(named):
        differing = sorted(set(names) ^ set(named))
        raise ShapeError(f"leaves differ at {', '.join(differing[:5])}")
    return unflatten(flatten(tree)[1], [named[name] for name in names])
