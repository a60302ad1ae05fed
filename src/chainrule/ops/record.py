"""The record of a primitive: every meaning of one operation in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.graph import Graph
from chainrule.ir.types import ArrayType


@dataclass(frozen=True, slots=True)
class NoGradient:
    """Why a derivative does not exist, in words a user can act on."""

    why: str


#: What reaches a rule is NumPy arrays or tracers of them: the rules are plain NumPy either way.
Array: TypeAlias = Any
#: (cotangent of the output, output, *operands, **attributes) -> cotangent of one operand.
Rule: TypeAlias = Callable[..., Array]


@dataclass(frozen=True, slots=True)
class Primitive:
    """One operation. No field has a default: a forgotten meaning cannot be imported.

    Attributes:
        name: as it stands in a graph's text.
        shape: (*operand types, **attributes) -> the result's type; raises ShapeError.
        evaluate: (*arrays, **attributes) -> array, the reference meaning, by NumPy.
        vjp: one rule per operand, ``rule(g, y, *operands, **attributes)``; or NoGradient.
            None in the place of an operand means that no gradient flows to it by definition
            (integers and booleans).
        lower: (emitter, *operands) -> value, for one element; None where the operation moves,
            reduces or contracts and the lowering itself gives its native meaning.
        domain: the open interval from which tests draw each operand.
        source: where the definition or its derivative stands.
    """

    name: str
    shape: Callable[..., ArrayType]
    evaluate: Callable[..., Array]
    vjp: tuple[Rule | None, ...] | NoGradient
    lower: Callable[..., Any] | None
    domain: tuple[float, float]
    source: str


PRIMITIVES: Final[dict[str, Primitive]] = {}


def register(primitive: Primitive) -> Primitive:
    """Put a record on the table; a name can be taken once."""
    assert primitive.name not in PRIMITIVES, f"{primitive.name} is registered twice"
    PRIMITIVES[primitive.name] = primitive
    return primitive


def same(*types: ArrayType) -> ArrayType:
    """Elementwise: all operands of one type, which is the result's."""
    first = types[0]
    if any(t != first for t in types[1:]):
        raise ShapeError(f"operands differ: {', '.join(map(str, types))}")
    return first


def numeric(*types: ArrayType) -> ArrayType:
    """Elementwise on numbers: NumPy has no such operation on booleans."""
    if types[0].dtype.kind == "b":
        raise DTypeError(f"expected numbers, got {types[0]}", "convert with .astype(np.float64)")
    return same(*types)


def floating(*types: ArrayType) -> ArrayType:
    """Elementwise on floating-point numbers, the only ones whose result is of their own type."""
    if not types[0].is_float:
        raise DTypeError(f"expected f32 or f64, got {types[0]}", "convert with .astype(np.float64)")
    return same(*types)


def verify(graph: Graph) -> None:
    """Check that each node's type is what its operation's shape rule says.

    Raises:
        AssertionError: a pass of ours has built a graph that is not valid.
    """
    for node in graph.nodes:
        if node.op == "input":
            continue
        record = PRIMITIVES.get(node.op)
        assert record is not None, f"no primitive is called {node.op!r}"
        got = record.shape(*(x.type for x in node.inputs), **node.attributes)
        assert got == node.type, f"{node.op} is marked {node.type}, its rule says {got}\n{graph}"
