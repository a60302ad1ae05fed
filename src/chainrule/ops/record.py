"""The record of a primitive: every meaning of one operation in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.graph import Graph
from chainrule.ir.types import ArrayType


@dataclass(frozen=True, slots=True)
class NoGradient:
    """Why a derivative does not exist, in words a user can act on."""

    why: str


@dataclass(frozen=True, slots=True)
class Joint:
    """The derivative of an operation with several results, for all operands at once.

    Such an operation gives a token, of type ``bool[]``, and ``item`` picks a result from it. (A
    token that is worked out at once is the tuple of the results.) Its cotangent is a dict, from
    the numbers of results to theirs; its tangent a tuple, None where a result has none.

    As vjp: ``rule(g, y, wanted, *operands, **attributes)`` -> a cotangent (or None) per operand,
    where ``wanted[k]`` says whether operand k is differentiated, or is whole numbers made of what
    is: an error if a derivative comes to them. As jvp: ``rule(tangents,
    *operands, **attributes)`` -> (token, its tangent), since the two are worked out together.
    """

    rule: Callable[..., Any]


#: A derivative or a batched form that needs no rule of its own: the operation acts on each element
#: by itself, so its tangent is the same product as its cotangent, and one more axis is no matter.
POINTWISE: Final = "pointwise"
#: A forward derivative that is the operation itself, applied to the tangent of each operand.
LINEAR: Final = "linear"

#: A native meaning that is NumPy itself, called from the native code: for what a library does.
HOST: Final = "host"

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
            (integers and booleans). Joint for an operation with several results.
        jvp: POINTWISE, LINEAR, or ``rule(tangents, y, *operands, **attributes)`` -> tangent of the
            output, in which the tangent of an operand that has none is None; or Joint.
        batched: POINTWISE, or ``rule(size, mapped, *operands, **attributes)`` -> the result for
            ``size`` examples at once. ``mapped[k]`` says whether operand k has the examples along
            a new first axis, as the result has.
        lower: (emitter, *operands) -> value, for one element; None where the operation moves,
            reduces or contracts and the lowering itself gives its native meaning; HOST where
            ``evaluate`` is called from the native code.
        domain: the open interval from which tests draw each operand.
        source: where the definition or its derivative stands.
    """

    name: str
    shape: Callable[..., ArrayType]
    evaluate: Callable[..., Array]
    vjp: tuple[Rule | None, ...] | NoGradient | Joint
    jvp: Literal["pointwise", "linear"] | Rule | Joint
    batched: Literal["pointwise"] | Rule
    lower: Callable[..., Any] | Literal["host"] | None
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
        for value in node.attributes.values():
            if isinstance(value, Graph):
                verify(value)
        got = record.shape(*(x.type for x in node.inputs), **node.attributes)
        assert got == node.type, f"{node.op} is marked {node.type}, its rule says {got}\n{graph}"
