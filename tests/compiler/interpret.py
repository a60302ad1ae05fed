"""A graph run node by node in NumPy, with a bound on how far another evaluation may lie off.

The bound of each element is carried along by the derivative rules of the operations themselves:
a result moves by the sum of |partial derivative| times the bounds of its operands, and by its own
rounding (running error analysis: Higham 2002, Accuracy and Stability of Numerical Algorithms,
3.3). So a tolerance need not be guessed: two right evaluations in any order of summation agree
within it, and where a comparison could fall either way the bound says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.compiler.passes.contractions import sides
from chainrule.ir.graph import Graph, Node, specialise
from chainrule.ir.types import sized
from chainrule.ops import PRIMITIVES, NoGradient

#: Units of rounding in one operation: ours are within 2 or 3 ulp, NumPy's float32 within 4.
ROUNDING = 8.0
#: What second order effects and roundings of the bound itself may add.
SAFETY = 2.0
#: Two terms as large as the operands may cancel: the rounding is that of the larger.
OF_OPERANDS = frozenset({"logaddexp", "normal_hazard_excess"})
#: Near a zero of these SciPy's error is absolute: that of terms of the size of 1.
OF_ONE = frozenset({"gammaln", "betaln", "digamma"})
MOVES = ("broadcast", "reshape", "transpose", "slice", "pad", "shear", "unshear", "concatenate")


@dataclass(frozen=True)
class Bounded:
    """An array and how far each of its elements may be from another right evaluation's."""

    value: np.ndarray
    bound: np.ndarray

    @classmethod
    def exact(cls, value: Any) -> Bounded:
        value = np.asarray(value)
        return cls(value, np.zeros(value.shape))

    def allows(self, other: np.ndarray) -> np.ndarray:
        """Where ``other`` lies within the bound; everywhere it is undecided, all is allowed."""
        mine, theirs = self.value.astype(np.float64), np.asarray(other).astype(np.float64)
        smallest = 0.0
        if self.value.dtype.kind == "f":
            smallest = float(np.finfo(self.value.dtype).smallest_normal)
        with np.errstate(invalid="ignore", over="ignore"):
            near = np.abs(mine - theirs) <= SAFETY * self.bound + smallest
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        return near | same | ~np.isfinite(self.bound)


def evaluate(graph: Graph, inputs: Sequence[np.ndarray], batch: int = 0) -> list[np.ndarray]:
    """The outputs of a graph by the reference meaning of each node."""
    found = run(graph, [Bounded.exact(x) for x in inputs], batch)
    return [output.value for output in found]


def run(graph: Graph, inputs: Sequence[Bounded], batch: int = 0) -> list[Bounded]:
    """The outputs of a graph with their bounds."""
    graph = specialise(graph, batch)
    known: dict[Node, Bounded] = dict(zip(graph.inputs, inputs, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node not in known:
                known[node] = _apply(node, [known[x] for x in node.inputs])
    return [known[node] for node in graph.outputs]


def assert_agree(expected: Sequence[Bounded], got: Sequence[np.ndarray], what: Any = "") -> None:
    """Every output within its bound."""
    for k, (a, b) in enumerate(zip(expected, got, strict=True)):
        assert a.value.shape == np.shape(b), (k, a.value.shape, np.shape(b))
        assert a.value.dtype == b.dtype, (k, a.value.dtype, b.dtype)
        right = a.allows(b)
        assert right.all(), (
            f"output {k} differs in {np.sum(~right)} of {right.size} elements:\n"
            f"{a.value}\n{b}\nbound\n{a.bound}\n{what}"
        )


def _apply(node: Node, operands: list[Bounded]) -> Bounded:
    values, attributes = [x.value for x in operands], dict(node.attributes)
    value = np.asarray(PRIMITIVES[node.op].evaluate(*values, **attributes))
    assert value.dtype == node.type.dtype, (node, value.dtype)
    assert value.shape == node.type.shape, (node, value.shape)
    if not operands:
        return Bounded(value, _rounded(value) if node.op == "constant" else np.zeros(value.shape))
    return Bounded(value, _bound(node, value, operands))


def _bound(node: Node, value: np.ndarray, operands: list[Bounded]) -> np.ndarray:
    special: dict[str, Callable[..., np.ndarray]] = {
        "sum": _of_sum, "max": _of_max, "dot": _of_dot, "where": _of_where, "cast": _of_cast,
        "prod": _of_prod, "take": _of_take, "scatter_add": _of_scatter, "last_of": _of_places,
        "argsort": _of_places, "argcummax": _of_places, "sort": _of_sort,
        "recurrence": _of_recurrence, "cumlogsumexp": _of_cumlogsumexp,
        "signbit": _of_signbit, "remainder": _of_remainder, "fmod": _of_remainder,
        "stop_gradient": lambda node, value, x: x.bound, "fence": lambda node, value, x, _: x.bound,
    }  # fmt: skip
    if node.op in MOVES:
        record = PRIMITIVES[node.op]
        return np.asarray(record.evaluate(*(x.bound for x in operands), **node.attributes))
    if node.op in special:
        return special[node.op](node, value, *operands)
    if isinstance(PRIMITIVES[node.op].vjp, NoGradient) and value.dtype.kind != "b":
        return _of_steps(node, value, operands)
    if value.dtype.kind == "b":
        return _of_truth(value, operands)
    return _by_rules(node, value, operands)


def _unit(x: np.ndarray) -> float:
    return float(np.finfo(x.dtype).eps) if x.dtype.kind == "f" else 0.0


def _rounded(value: np.ndarray) -> np.ndarray:
    """A few units in the last place; a number of a size may be rounded twice."""
    return np.asarray(ROUNDING * _unit(value) * np.abs(value.astype(np.float64)))


def _by_rules(node: Node, value: np.ndarray, operands: list[Bounded]) -> np.ndarray:
    rules = PRIMITIVES[node.op].vjp
    assert not isinstance(rules, NoGradient)
    largest = max([np.abs(x.value.astype(np.float64)) for x in operands], key=np.max)
    bound = _rounded(value)
    if node.op in OF_OPERANDS:
        bound = ROUNDING * _unit(value) * np.maximum(largest, np.abs(value))
    if node.op in OF_ONE:
        bound = ROUNDING * _unit(value) * np.maximum(1.0, np.abs(value))
    one = np.ones(value.shape, value.dtype)
    for rule, x in zip(rules, operands, strict=True):
        if x.value.dtype.kind == "f" and x.bound.any():
            assert rule is not None, node
            slope = rule(one, value, *(y.value for y in operands), **node.attributes)
            bound = bound + np.where(x.bound == 0, 0, np.abs(slope) * x.bound)
    return np.asarray(bound)


def _of_truth(value: np.ndarray, operands: list[Bounded]) -> np.ndarray:
    """1 where a comparison could fall either way. Equal in every bit means equal by design."""
    if operands[0].value.dtype.kind == "b":
        return np.max([x.bound for x in operands], axis=0)
    a, b = operands
    apart = np.abs(a.value.astype(np.float64) - b.value.astype(np.float64))
    close = (apart <= SAFETY * (a.bound + b.bound)) & (apart > 0)
    return (close | ~np.isfinite(a.bound + b.bound)).astype(np.float64)


def _of_where(_: Node, value: np.ndarray, c: Bounded, a: Bounded, b: Bounded) -> np.ndarray:
    chosen = np.where(c.value, a.bound, b.bound)
    jump = np.abs(a.value.astype(np.float64) - b.value.astype(np.float64))
    return chosen + np.where(c.bound > 0, jump + a.bound + b.bound, 0)


def _of_cast(_: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    if value.dtype.kind == "f":
        return x.bound + _rounded(value)
    if value.dtype.kind == "b":
        return (np.abs(x.value.astype(np.float64)) <= x.bound) * (x.bound > 0) * 1.0
    exact = x.value.astype(np.float64)
    return np.abs(np.trunc(exact + x.bound) - np.trunc(exact - x.bound))


def _of_steps(node: Node, value: np.ndarray, operands: list[Bounded]) -> np.ndarray:
    """What is constant but where it jumps: exact of exact operands, else as far as it may jump."""
    if not any(x.bound.any() for x in operands):
        return np.zeros(value.shape)
    if len(operands) > 1 or value.dtype.kind != "f":
        return np.where(np.max([x.bound for x in operands], axis=0) > 0, np.inf, 0.0)
    (x,), evaluate = operands, PRIMITIVES[node.op].evaluate
    exact = x.value.astype(np.float64)
    ahead, behind = (evaluate(exact + s * SAFETY * x.bound, **node.attributes) for s in (1, -1))
    return np.asarray(np.abs(ahead - behind))


def _of_remainder(node: Node, value: np.ndarray, a: Bounded, b: Bounded) -> np.ndarray:
    """Exact of exact operands; undecided where the quotient may come to another whole number."""
    if not (a.bound.any() or b.bound.any()):
        return np.zeros(value.shape)
    x, y = a.value.astype(np.float64), b.value.astype(np.float64)
    quotient = x / y
    moved = a.bound + np.abs(quotient) * b.bound
    off = SAFETY * moved / np.abs(y) + 4 * _unit(value) * np.abs(quotient)
    jumps = np.floor(quotient - off) != np.floor(quotient + off)
    return np.where(jumps & (a.bound + b.bound > 0), np.inf, moved + np.abs(b.bound))


def _of_signbit(_: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    return ((np.abs(x.value) <= x.bound) & (x.bound > 0)).astype(np.float64)


def _of_sum(node: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    axes = node.attributes["axes"]
    size = np.abs(x.value.astype(np.float64))
    terms = x.value.size / max(1, value.size)
    total = np.sum(x.bound, axis=axes) + terms * _unit(value) * np.sum(size, axis=axes)
    return np.asarray(total)


def _of_max(node: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    return np.asarray(np.max(x.bound, axis=node.attributes["axes"]))


def _of_dot(node: Node, value: np.ndarray, a: Bounded, b: Bounded) -> np.ndarray:
    def product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = (np.abs(z.astype(np.float64)) for z in (x, y))
        return np.asarray(PRIMITIVES["dot"].evaluate(x, y, **node.attributes))

    left, _ = sides(node)
    terms = math.prod(sized(left.sizes(left.inner)))
    moved = product(a.value, b.bound) + product(a.bound, b.value) + product(a.bound, b.bound)
    return moved + terms * _unit(value) * product(a.value, b.value)


def _of_prod(node: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    def product(y: np.ndarray) -> np.ndarray:
        return np.asarray(np.prod(y, axis=node.attributes["axes"]))

    size = np.abs(x.value.astype(np.float64))
    terms = x.value.size / max(1, value.size)
    spread = product(size + x.bound)
    return spread - product(size) + terms * _unit(value) * spread


def _undecided(x: Bounded) -> float:
    """Whole numbers that might be others make everything possible."""
    return np.inf if x.bound.any() else 0.0


def _of_take(node: Node, value: np.ndarray, x: Bounded, i: Bounded) -> np.ndarray:
    taken = PRIMITIVES["take"].evaluate(x.bound, i.value, **node.attributes)
    return np.asarray(taken) + _undecided(i)


def _of_scatter(node: Node, value: np.ndarray, i: Bounded, g: Bounded) -> np.ndarray:
    def total(y: np.ndarray) -> np.ndarray:
        return np.asarray(PRIMITIVES["scatter_add"].evaluate(i.value, y, **node.attributes))

    size = np.abs(g.value.astype(np.float64))
    return total(g.bound) + i.value.size * _unit(value) * total(size) + _undecided(i)


def _of_places(node: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    return np.full(value.shape, _undecided(x))


def _of_recurrence(node: Node, value: np.ndarray, a: Bounded, b: Bounded) -> np.ndarray:
    """The error runs along: e_k = |a_k| e_{k-1} + what this step adds to it."""
    axis, reverse = node.attributes["axis"], node.attributes["reverse"]
    assert isinstance(axis, int)
    factor, term, s = (np.abs(x.astype(np.float64)) for x in (a.value, b.value, value))
    before = np.roll(s, -1 if reverse else 1, axis)  # what comes round is larger than 0: no harm
    new = a.bound * before + b.bound + ROUNDING * _unit(value) * (factor * before + term + s)
    record = PRIMITIVES["recurrence"]
    return np.asarray(record.evaluate(factor + a.bound, new, axis=axis, reverse=reverse))


def _of_cumlogsumexp(node: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    new = x.bound + ROUNDING * _unit(value) * np.maximum(np.abs(x.value), np.abs(value))
    ones, record = np.ones_like(new), PRIMITIVES["recurrence"]
    return np.asarray(record.evaluate(ones, new, **node.attributes))


def _of_sort(node: Node, value: np.ndarray, x: Bounded) -> np.ndarray:
    """Order statistics move no further than the element that moves furthest."""
    largest = np.max(x.bound, axis=node.attributes["axis"], keepdims=True, initial=0)
    return np.broadcast_to(largest, value.shape)
