"""What the laws over the op table are shown: operands for every record, found from the record.

An elementwise record needs no entry here: its operands follow from its own fields. One that moves,
reduces or contracts names example shapes with attributes; a test says so if an entry is missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import BATCH, NAMED_DTYPES, ArrayType, Shape, sized
from chainrule.ops import PRIMITIVES, Primitive
from tests.compiler.programs import DTYPES, accepts, arity, attribute_names, make

#: Shapes of elementwise operands: one number, any length, rows of less and more than a vector.
SHAPES: tuple[Shape, ...] = ((), (BATCH,), (3, 5), (2, 3, 17))
#: Fixed sizes, for what is looked at without compiling.
FIXED: tuple[Shape, ...] = ((), (5,), (2, 3), (2, 1, 3))

Example = tuple[tuple[Shape, ...], dict[str, Any]]
MOVING: dict[str, list[Example]] = {
    "constant": [((), {"value": value, "dtype": dtype})
                 for dtype, value in (("f32", 0.1), ("f64", -2.5), ("i32", -3), ("i64", 2**40),
                                      ("bool", True), ("f64", float("inf")))],
    "size": [((), {"scale": scale, "power": power, "dtype": dtype})
             for scale, power in ((1.0, 1), (0.25, -1), (3.0, 2)) for dtype in ("f32", "f64", "i64")
             if dtype != "i64" or power > 0],
    "iota": [((), {"axis": axis, "shape": shape, "dtype": dtype})
             for axis, shape in ((0, (17,)), (1, (3, 5)), (0, (BATCH,)), (0, (4, 2, 3)))
             for dtype in ("f32", "f64", "i32", "i64")],
    "broadcast": [(((),), {"shape": (3, 5), "axes": ()}),
                  (((5,),), {"shape": (3, 5), "axes": (1,)}),
                  (((3,),), {"shape": (3, 5), "axes": (0,)}),
                  (((BATCH,),), {"shape": (BATCH, 5), "axes": (0,)}),
                  (((2, 17),), {"shape": (2, 3, 17), "axes": (0, 2)})],
    "reshape": [(((6,),), {"shape": (2, 3)}), (((2, 3, 4),), {"shape": (6, 4)}),
                (((BATCH, 6),), {"shape": (BATCH, 2, 3)}), (((5,),), {"shape": (5, 1)}),
                (((1, 1),), {"shape": ()})],
    "slice": [(((17,),), {"starts": (3,), "shape": (9,)}),
              (((BATCH, 7),), {"starts": (0, 2), "shape": (BATCH, 4)}),
              (((4, 5, 6),), {"starts": (1, 0, 5), "shape": (2, 5, 1)})],
    "pad": [(((9,),), {"starts": (3,), "shape": (17,)}),
            (((BATCH, 4),), {"starts": (0, 2), "shape": (BATCH, 7)}),
            (((2, 5, 1),), {"starts": (1, 0, 5), "shape": (4, 5, 6)})],
    "transpose": [(((3, 5),), {"axes": (1, 0)}), (((BATCH, 7),), {"axes": (1, 0)}),
                  (((2, 3, 17),), {"axes": (2, 0, 1)}), (((2, 3, 17),), {"axes": (1, 0, 2)})],
    "sum": [(((33,),), {"axes": (0,)}), (((3, 5),), {"axes": (0,)}), (((3, 5),), {"axes": (1,)}),
            (((BATCH, 7),), {"axes": (0,)}), (((BATCH, 70),), {"axes": (1,)}),
            (((2, 3, 17),), {"axes": (0, 2)}), (((2, 3, 17),), {"axes": (0, 1, 2)})],
    "dot": [(((5,), (5,)), {"a_axis": 0, "b_axis": 0}),
            (((3, 5), (5,)), {"a_axis": 1, "b_axis": 0}),
            (((5,), (5, 3)), {"a_axis": 0, "b_axis": 0}),
            (((1, 5), (5, 1)), {"a_axis": 1, "b_axis": 0}),
            *(((left, right), {"a_axis": i, "b_axis": j})
              for i, left in enumerate([(18, 5), (5, 18)])
              for j, right in enumerate([(18, 35), (35, 18)])),
            (((BATCH, 7), (20, 7)), {"a_axis": 1, "b_axis": 1}),
            (((BATCH, 7), (BATCH, 20)), {"a_axis": 0, "b_axis": 0})],
}  # fmt: skip
MOVING["max"] = MOVING["sum"]


@dataclass(frozen=True)
class Case:
    """A record applied to operands of some types."""

    record: Primitive
    types: tuple[ArrayType, ...]
    attributes: dict[str, Any]

    def node(self) -> Node:
        """The operation on inputs of its own."""
        return make(
            self.record.name, *(Node("input", (), t) for t in self.types), **self.attributes
        )

    def operands(self, rng: np.random.Generator, batch: int = 0) -> list[np.ndarray]:
        """Numbers from the record's domain, small integers, booleans."""
        return [self._draw(t, rng, sized(t.shape, batch)) for t in self.types]

    def _draw(self, t: ArrayType, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if t.is_float:
            return np.asarray(rng.uniform(*self.record.domain, shape), t.dtype)
        low, high = (0, 2) if t.dtype.kind == "b" else (-5, 6)
        return np.asarray(rng.integers(low, high, shape), t.dtype)


def cases(record: Primitive, shapes: tuple[Shape, ...] = SHAPES) -> Iterator[Case]:
    """Every combination of element types that the shape rule takes, on several shapes."""
    if record.lower is None:
        for operands, attributes in MOVING[record.name]:
            yield from _typed(record, operands, attributes)
        return
    for shape in shapes:
        for attributes in _attributes(record):
            yield from _typed(record, (shape,) * arity(record), attributes)


def _typed(
    record: Primitive, shapes: tuple[Shape, ...], attributes: dict[str, Any]
) -> Iterator[Case]:
    for dtypes in itertools.product(DTYPES, repeat=len(shapes)):
        types = tuple(ArrayType(d, shape) for d, shape in zip(dtypes, shapes, strict=True))
        if accepts(record, types, **attributes):
            yield Case(record, types, attributes)


def _attributes(record: Primitive) -> list[dict[str, Any]]:
    names = attribute_names(record)
    assert set(names) <= {"dtype"}, (
        f"say in tests/ops/cases.py what {names} of {record.name} may be"
    )
    return [{"dtype": name} for name in NAMED_DTYPES] if names else [{}]


def fixed(record: Primitive) -> list[Case]:
    """Cases without a symbolic size."""
    found = [*cases(record, FIXED)]
    return [c for c in found if not any(BATCH in s for s in _shapes(c)) and record.name != "size"]


def _shapes(case: Case) -> list[Shape]:
    attribute = case.attributes.get("shape", ())
    return [*(t.shape for t in case.types), attribute]


def graph_of(found: list[Case]) -> Graph:
    """All cases side by side in one graph."""
    nodes = [case.node() for case in found]
    inputs = tuple(x for node in nodes for x in node.inputs)
    return Graph(inputs, tuple(nodes))


RECORDS = list(PRIMITIVES.values())
