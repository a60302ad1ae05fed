"""Transposes outwards: what follows a product is worked out in the order in which it is stored.

A convolution's product has its channels last, where lanes run; the program has them in front. A
transpose moves from operands to results, through all that only renames axes, until a product or
the end takes it: so bias, activation and pooling join the product or read it along its lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chainrule.compiler.passes.build import axes_of, broadcast, reshape, transpose
from chainrule.compiler.passes.fold import ELEMENTWISE
from chainrule.ir.graph import Graph, Node, rebuild, with_inputs
from chainrule.ir.types import Shape, Size

Axes = tuple[int, ...]
#: What operations on each element join: they begin the loops in which these are worked out.
_ANCHORS: Final = ("dot", "sum", "max", "prod")
#: Fewer axes are a matrix, which products read either way.
_FEWEST: Final = 3


def outwards(graph: Graph) -> Graph:
    """Move transposes of arrays that are worked out towards the outputs."""
    moves = (n for n in graph.nodes if n.op == "transpose" and n.type.rank >= _FEWEST)
    if not any(n.inputs[0].op != "input" for n in moves):
        return graph
    return rebuild(graph, _rewrite)


def _rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = with_inputs(node, inputs)
    if node.op in ELEMENTWISE:
        return _elementwise(node) or node
    rule = _RULES.get(node.op)
    if rule is None or not _is_moved(node.inputs[0]):
        return node
    return rule(node, node.inputs[0].inputs[0], axes_of(node.inputs[0])) or node


def _is_moved(x: Node) -> bool:
    return x.op == "transpose" and x.type.rank >= _FEWEST and x.inputs[0].op != "input"


def turned(x: Node, axes: Axes) -> Node:
    """x with its axes in another order, the transpose as near to the inputs as it goes."""
    if axes == tuple(range(len(axes))):
        return x
    if x.op == "transpose":
        return turned(x.inputs[0], tuple(axes_of(x)[a] for a in axes))
    if x.op == "broadcast":
        shape, own = tuple(x.type.shape[a] for a in axes), axes_of(x)
        places = [k for k, a in enumerate(axes) if a in own]
        inner = turned(x.inputs[0], tuple(own.index(axes[k]) for k in places))
        return broadcast(inner, shape, tuple(places))
    return transpose(x, axes)


def _inverse(axes: Axes) -> Axes:
    return tuple(axes.index(k) for k in range(len(axes)))


def _elementwise(node: Node) -> Node | None:
    """Operate before the axes are moved, where no operand is an input that would be moved."""
    first = next((x for x in node.inputs if _is_moved(x)), None)
    if first is None or any(x.op == "input" for x in node.inputs):
        return None
    axes = axes_of(first)
    operands = tuple(turned(x, _inverse(axes)) for x in node.inputs)
    if not _is_gain(node.inputs, operands):
        return None
    type_ = node.type.with_shape(operands[0].type.shape)
    inner = Node(node.op, operands, type_, node.attributes, node.where)
    return transpose(_before_joining(inner) or inner, axes)


def _is_gain(before: Sequence[Node], after: Sequence[Node]) -> bool:
    """Whether fewer operands have their axes moved, or as many, but of none that others join.

    So a second round finds nothing: what is gained is never given back.
    """
    old, new = ([x.inputs[0] for x in xs if x.op == "transpose"] for xs in (before, after))
    anchored = [any(x.op in _ANCHORS for x in xs) for xs in (old, new)]
    return len(new) < len(old) or (len(new) == len(old) and anchored == [True, False])


def _before_joining(node: Node) -> Node | None:
    """Apply masks to the parts of axes that are joined, and not to what has been stored joined.

    The gradient of pooling is worked out for each place of a window; the mask of the activation
    in front of it lies in the same memory, cut up.
    """
    joined = [x for x in node.inputs if _is_joined(x)]
    others = [x for x in node.inputs if not _is_joined(x) and not _is_number(x)]
    masks = all(x.type.dtype.kind == "b" and x.op in ELEMENTWISE for x in others)
    if len(joined) != 1 or not masks:
        return None
    shape = joined[0].inputs[0].type.shape
    operands = tuple(reshape(x, shape) for x in node.inputs)
    made = Node(node.op, operands, node.type.with_shape(shape), node.attributes, node.where)
    return reshape(made, node.type.shape)


def _is_joined(x: Node) -> bool:
    """Whether a value's axes are runs of those of a value that is worked out."""
    if x.op != "reshape" or x.inputs[0].op not in ELEMENTWISE:
        return False
    groups = regrouped(x.inputs[0].type.shape, x.type.shape)
    return groups is not None and all(len(new) == 1 for _, new in groups)


def _is_number(x: Node) -> bool:
    return x.op == "broadcast" and not x.inputs[0].type.shape


# -- rules: (operation, what is transposed, its axes in the order of the operand's) ---------------


def _transpose(node: Node, x: Node, axes: Axes) -> Node:
    return turned(x, tuple(axes[a] for a in axes_of(node)))


def _reduce(node: Node, x: Node, axes: Axes) -> Node:
    gone = tuple(sorted(axes[a] for a in axes_of(node)))
    kept = [a for k, a in enumerate(axes) if k not in axes_of(node)]
    shape = tuple(n for k, n in enumerate(x.type.shape) if k not in gone)
    made = Node(node.op, (x,), node.type.with_shape(shape), {"axes": gone}, node.where)
    return turned(made, tuple(sorted(kept).index(a) for a in kept))


def _broadcast(node: Node, x: Node, axes: Axes) -> Node:
    own = axes_of(node)
    shape, order = list(node.type.shape), list(range(node.type.rank))
    for k, place in enumerate(own):
        shape[place], order[place] = x.type.shape[k], own[axes[k]]
    return turned(broadcast(x, tuple(shape), own), tuple(order))


def _box(node: Node, x: Node, axes: Axes) -> Node:
    """A part or a padding: one start, size and step for each axis."""
    back = _inverse(axes)
    attributes = {k: tuple(v[a] for a in back) for k, v in node.attributes.items()}  # type: ignore[index]
    type_ = node.type.with_shape(tuple(node.type.shape[a] for a in back))
    return turned(Node(node.op, (x,), type_, attributes, node.where), axes)  # type: ignore[arg-type]


def _windows(node: Node, x: Node, axes: Axes) -> Node:
    axis, along = (axes[node.attributes[k]] for k in ("axis", "along"))  # type: ignore[index]
    shape = tuple(node.type.shape[a] for a in _inverse(axes))
    attributes = {**node.attributes, "axis": axis, "along": along}
    return turned(Node(node.op, (x,), node.type.with_shape(shape), attributes, node.where), axes)


def _reshape(node: Node, x: Node, axes: Axes) -> Node | None:
    """Axes that are cut or joined one by one; those that are joined must stand together in x."""
    groups = regrouped(node.inputs[0].type.shape, node.type.shape)
    if groups is None:
        return None
    olds = [[axes[k] for k in old] for old, _ in groups]
    if any(old != list(range(old[0], old[0] + len(old))) for old in olds):
        return None
    by_place = sorted(range(len(groups)), key=lambda k: olds[k][0])
    order = [place for k in by_place for place in groups[k][1]]
    shape = tuple(node.type.shape[place] for place in order)
    return turned(reshape(x, shape), _inverse(tuple(order)))


def regrouped(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]] | None:
    """Runs of axes of two shapes with as many elements: one to one, one to several, or joined.

    None where axes change in another way.
    """
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) and j < len(new):
        found = _run(old[i:], new[j:])
        if found is None:
            return None
        m, n = found
        groups.append((list(range(i, i + m)), list(range(j, j + n))))
        i, j = i + m, j + n
    return groups if (i, j) == (len(old), len(new)) else None


def _run(old: Shape, new: Shape) -> tuple[int, int] | None:
    """How many first axes of each belong together."""
    if old[0] == new[0]:
        return 1, 1
    for joined, size, swap in ((new, old[0], False), (old, new[0], True)):
        total: Size = 1
        for k, n in enumerate(joined, 1):
            if not (isinstance(n, int) and isinstance(total, int) and isinstance(size, int)):
                break
            total *= n
            if total == size and k > 1:
                return (k, 1) if swap else (1, k)
            if total > size:
                break
    return None


_Rule = Callable[[Node, Node, Axes], Node | None]
_RULES: Final[dict[str, _Rule]] = {
    "transpose": _transpose,
    "sum": _reduce,
    "max": _reduce,
    "prod": _reduce,
    "broadcast": _broadcast,
    "pad": _box,
    "slice": _box,
    "shear": _windows,
    "unshear": _windows,
    "reshape": _reshape,
}
