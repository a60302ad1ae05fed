"""Layers that note when they are called: which operation belongs to which layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optree

from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import NAMESPACE, Tree, flatten, unflatten


@dataclass(eq=False)
class Call:
    """A call while it is traced; ``output`` stands once it has returned."""

    path: str
    layer: Any
    depth: int
    arguments: list[Any]
    has_inner: bool = False
    output: Any = None


class Watched:
    """A layer that notes its calls and else is the layer."""

    def __init__(self, layer: Any, path: str, calls: list[Call], open_: list[Call]) -> None:
        self._layer, self._path, self._calls, self._open = layer, path, calls, open_

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = Call(self._path, self._layer, len(self._open), flatten((args, kwargs))[0])
        if self._open:
            self._open[-1].has_inner = True
        self._calls.append(call)
        self._open.append(call)
        try:
            call.output = self._layer(*args, **kwargs)
        finally:
            self._open.pop()
        return call.output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    def __repr__(self) -> str:
        return repr(self._layer)


def watched(node: Any, path: str, calls: list[Call], open_: list[Call]) -> Any:
    """The tree with each layer in it, and itself, watched.

    Args:
        node: a tree whose leaves are traced values.
        path: its dotted name; "" for a whole model.
        calls: filled with each call, in the order in which they begin.
        open_: holds, at any moment, the calls that have not returned yet, the innermost last.
    """
    places, children, structure = optree.tree_flatten_with_path(
        node, is_leaf=lambda x: x is not node, namespace=NAMESPACE
    )
    if len(children) == 1 and children[0] is node:  # an array
        made = node
    else:
        names = [".".join([path, *map(_part, place)]).lstrip(".") for place in places]
        pairs = zip(children, names, strict=True)
        made = unflatten(structure, [watched(x, name, calls, open_) for x, name in pairs])
    is_layer = callable(node) and not isinstance(node, Tracer)
    return Watched(made, path, calls, open_) if is_layer else made


def _part(entry: Any) -> str:
    return str(getattr(entry, "entry", entry))


def layer_name(layer: Any) -> str:
    """Of its class, or of the plain function that it is."""
    layer = layer._layer if isinstance(layer, Watched) else layer
    kind = type(layer).__name__
    return repr(layer) if kind == "Function" else kind


def plain(tree: Tree) -> Tree:
    """The tree without those that watch."""

    def bare(x: Any) -> Any:
        return plain(x._layer) if isinstance(x, Watched) else x

    leaves, structure = flatten(tree)
    return unflatten(structure, [bare(x) for x in leaves])
