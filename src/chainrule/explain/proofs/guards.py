"""Guards taken out of a program: what a numerically careful spelling adds and no real number sees.

``np.where(s == 0, 0, np.sqrt(np.where(s == 0, 1, s)))`` is √s; ``√Σ(x/c)² · c`` with c > 0 is
√Σx². Each is replaced only where the whole pattern stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from chainrule.explain.proofs.program import Array, Program, needed, size_of
from chainrule.ir.graph import Node, with_inputs
from chainrule.ops import PRIMITIVES

_GUARDED: Final = ("sqrt", "multiply", "power")
_PLACES: Final = ("reshape", "broadcast", "transpose")


def without_guards(program: Program) -> Program:
    """The same real function with the guards of norms and roots taken out."""
    for rule in (_unguarded, _unscaled):
        program = _rewritten(program, rule)
    return program


def _rewritten(program: Program, rule: Any) -> Program:
    new: dict[Node, Node] = {}
    order: dict[Node, None] = {}
    for node in program.nodes:
        made = with_inputs(node, tuple(new.get(x, x) for x in node.inputs))
        found = rule(program.known, made)
        new[node] = made if found is None else found
        for part in _behind(new[node], order, program.known):
            order[part] = None
    output = new.get(program.output, program.output)
    return replace(program, nodes=needed(tuple(order), output), output=output)


def _behind(node: Node, order: Mapping[Node, None], known: Mapping[Node, Any]) -> list[Node]:
    """The node and what it needs that is not there yet, operands first."""
    if node in order or node in known:
        return []
    before = [part for x in node.inputs for part in _behind(x, order, known)]
    return [*dict.fromkeys(before), node]


def _number(known: Mapping[Node, Any], node: Node) -> float | None:
    """The one number that a known array is filled with."""
    value = known.get(node)
    if not isinstance(value, np.ndarray) or value.dtype == object or not value.size:
        return None
    first = value.ravel()[0]
    return float(first) if (value == first).all() else None


def _unguarded(known: Mapping[Node, Any], node: Node) -> Node | None:
    """where(s == 0, g(0), g(where(s == 0, k, s))) is g(s)."""
    if node.op != "where" or node.inputs[0].op != "equal":
        return None
    condition, at_zero, inside = node.inputs
    s, zero = condition.inputs
    expected = _number(known, at_zero)
    if _number(known, zero) != 0 or expected is None or inside.op not in _GUARDED:
        return None
    found = _put(known, inside, condition, s)
    if found is None or _at_zero(known, found, s) != expected:
        return None
    return found


def _put(known: Mapping[Node, Any], node: Node, condition: Node, s: Node) -> Node | None:
    """The node with s in place of where(s == 0, k, s); None if s comes in otherwise."""
    if node.op == "where" and node.inputs[0] is condition and node.inputs[2] is s:
        return s
    if node in known:
        return node
    if node.op not in _GUARDED:
        return None
    parts = [_put(known, x, condition, s) for x in node.inputs]
    if any(part is None for part in parts):
        return None
    return with_inputs(node, tuple(part for part in parts if part is not None))


def _at_zero(known: Mapping[Node, Any], node: Node, s: Node) -> float:
    """The value for s = 0."""
    if node is s:
        return 0.0
    if node in known:
        value = _number(known, node)
        return np.nan if value is None else value
    with np.errstate(all="ignore"):
        operands = [np.float64(_at_zero(known, x, s)) for x in node.inputs]
        return float(PRIMITIVES[node.op].evaluate(*operands))


def _unscaled(known: Mapping[Node, Any], node: Node) -> Node | None:
    """root(Σ g(x / c)) · c is root(Σ g(x)) for a scale c > 0 and a power g with its root."""
    if node.op != "multiply":
        return None
    for root, scale in (node.inputs, node.inputs[::-1]):
        if root.op in ("sqrt", "power") and _is_positive(known, scale):
            found = _norm(known, node, root, scale)
            if found is not None:
                return found
    return None


def _is_positive(known: Mapping[Node, Any], scale: Node) -> bool:
    """where(m > 0 and ..., m, k) with k > 0."""
    if scale.op != "where":
        return False
    condition, m, other = scale.inputs
    tests = condition.inputs if condition.op == "logical_and" else (condition,)
    positive = any(
        t.op == "greater" and t.inputs[0] is m and _number(known, t.inputs[1]) == 0 for t in tests
    )
    number = _number(known, other)
    return positive and number is not None and number > 0


def _norm(known: Mapping[Node, Any], node: Node, root: Node, scale: Node) -> Node | None:
    through = _through(root.inputs[0])
    total = through[-1]
    if total.op != "sum" or not total.inputs:
        return None
    base, degree = _degree(known, total.inputs[0])
    exponent = 0.5 if root.op == "sqrt" else _number(known, root.inputs[1])
    if base.op != "divide" or exponent is None or degree * exponent != 1:
        return None
    x, divisor = base.inputs
    if not _same_places(node, total, divisor, scale):
        return None
    return _rebuilt(root, base, x)


def _through(node: Node) -> list[Node]:
    """The node, and what it is the same elements of."""
    chain = [node]
    while chain[-1].op == "reshape":
        chain.append(chain[-1].inputs[0])
    return chain


def _degree(known: Mapping[Node, Any], node: Node) -> tuple[Node, float]:
    """(q, p) of q^p as products or a power."""
    if node.op == "power":
        p = _number(known, node.inputs[1])
        return (node.inputs[0], p) if p is not None else (node, 1.0)
    if node.op == "multiply":
        (a, p), (b, q) = (_degree(known, x) for x in node.inputs)
        if a is b:
            return a, p + q
    return node, 1.0


def _same_places(node: Node, total: Node, divisor: Node, scale: Node) -> bool:
    """Whether each element is divided by the number that its sum's root is multiplied by."""
    size = size_of(scale)
    numbers: Any = np.arange(size).reshape(scale.type.shape)
    spread = _spread(divisor, scale, numbers)
    axes: Any = total.attributes["axes"]
    if spread is None:
        return False
    low, high = spread.min(axis=axes), spread.max(axis=axes)
    return bool((low == high).all() and np.array_equal(low.ravel(), numbers.ravel()))


def _spread(node: Node, scale: Node, numbers: Array) -> Array | None:
    if node is scale:
        return numbers
    if node.op not in _PLACES:
        return None
    inner = _spread(node.inputs[0], scale, numbers)
    if inner is None:
        return None
    return np.asarray(PRIMITIVES[node.op].evaluate(inner, **node.attributes))


def _rebuilt(node: Node, old: Node, new: Node) -> Node:
    if node is old:
        return new
    return with_inputs(node, tuple(_rebuilt(x, old, new) for x in node.inputs))
