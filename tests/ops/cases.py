"""What the laws over the op table are shown: operands for every record, found from the record.

An elementwise record needs no entry here: its operands follow from its own fields. One that moves,
reduces or contracts names example shapes with attributes; a test says so if an entry is missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
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


def _dot(a: Shape, b: Shape, i: Any, j: Any, a_batch: Any = (), b_batch: Any = ()) -> Example:
    return (a, b), {"a_axes": i, "b_axes": j, "a_batch": a_batch, "b_batch": b_batch}


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
    "slice": [(((17,),), {"starts": (3,), "shape": (9,), "steps": (1,)}),
              (((17,),), {"starts": (15,), "shape": (5,), "steps": (-3,)}),
              (((17,),), {"starts": (-1,), "shape": (17,), "steps": (-1,)}),
              (((BATCH, 7),), {"starts": (0, 2), "shape": (BATCH, 4), "steps": (1, 1)}),
              (((BATCH, 7),), {"starts": (-1, 0), "shape": (BATCH, 4), "steps": (-1, 2)}),
              (((4, 5, 6),), {"starts": (1, 0, 5), "shape": (2, 3, 1), "steps": (1, 2, 1)})],
    "pad": [(((9,),), {"starts": (3,), "shape": (17,), "steps": (1,)}),
            (((5,),), {"starts": (15,), "shape": (17,), "steps": (-3,)}),
            (((BATCH, 4),), {"starts": (0, 2), "shape": (BATCH, 7), "steps": (1, 1)}),
            (((2, 3, 1),), {"starts": (1, 0, 5), "shape": (4, 5, 6), "steps": (1, 2, 1)})],
    "concatenate": [(((3,), (5,)), {"axis": 0}), (((BATCH, 3), (BATCH, 4)), {"axis": 1}),
                    (((2, 3, 4), (2, 1, 4)), {"axis": 1})],
    "shear": [(((3, 9),), {"axis": 1, "along": 0, "stride": 1, "dilation": 1, "size": 7}),
              (((9, 2, 3),), {"axis": 0, "along": 2, "stride": 2, "dilation": 3, "size": 2})],
    "unshear": [(((3, 7),), {"axis": 1, "along": 0, "stride": 1, "dilation": 1, "size": 9}),
                (((2, 2, 3),), {"axis": 0, "along": 2, "stride": 2, "dilation": 3, "size": 9})],
    "take": [(((7,), (4,)), {}), (((7, 3), (2, 5)), {}), (((5, 2, 3), ()), {})],
    "scatter_add": [(((4,), (4,)), {"size": 7}), (((2, 5), (2, 5, 3)), {"size": 4}),
                    (((), (3,)), {"size": 5})],
    "last_of": [(((6,),), {"size": 4}), (((2, 5),), {"size": 9})],
    "recurrence": [(((9,), (9,)), {"axis": 0, "reverse": False}),
                   (((3, 5), (3, 5)), {"axis": 1, "reverse": True}),
                   (((2, 4, 3), (2, 4, 3)), {"axis": 1, "reverse": False})],
    "cumlogsumexp": [(((9,),), {"axis": 0, "reverse": False}),
                     (((3, 5),), {"axis": 1, "reverse": True}),
                     (((2, 4, 3),), {"axis": 1, "reverse": False})],
    "argcummax": [(((9,),), {"axis": 0}), (((3, 5),), {"axis": 1}), (((2, 4, 3),), {"axis": 1})],
    "argsort": [(((9,),), {"axis": 0}), (((3, 5),), {"axis": 1}), (((2, 4, 3),), {"axis": 1})],
    "cholesky": [(((3, 3),), {}), (((2, 4, 4),), {})],
    "solve_triangular": [(((3, 3), (3, 2)), {"lower": lower, "transposed": transposed})
                         for lower in (True, False) for transposed in (True, False)]
                        + [(((2, 3, 3), (2, 3, 1)), {"lower": True, "transposed": False})],
    "solve": [(((3, 3), (3, 2)), {}), (((2, 3, 3), (2, 3, 1)), {})],
    "inverse": [(((3, 3),), {}), (((2, 4, 4),), {})],
    "eigh": [(((3, 3),), {"lower": lower}) for lower in (True, False)]
            + [(((2, 4, 4),), {"lower": True})],
    "svd": [(((3, 3),), {}), (((4, 3),), {}), (((2, 3, 4),), {})],
    "svd_completion": [(((4, 3),), {}), (((2, 3, 4),), {})],
    "qr": [(((3, 3),), {}), (((2, 4, 3),), {})],
    "pinv": [(((3, 3),), {"rcond": 1e-15}), (((4, 3),), {"rcond": 1e-15}),
             (((2, 3, 4),), {"rcond": 1e-15})],
    "transpose": [(((3, 5),), {"axes": (1, 0)}), (((BATCH, 7),), {"axes": (1, 0)}),
                  (((2, 3, 17),), {"axes": (2, 0, 1)}), (((2, 3, 17),), {"axes": (1, 0, 2)})],
    "sum": [(((33,),), {"axes": (0,)}), (((3, 5),), {"axes": (0,)}), (((3, 5),), {"axes": (1,)}),
            (((BATCH, 7),), {"axes": (0,)}), (((BATCH, 70),), {"axes": (1,)}),
            (((2, 3, 17),), {"axes": (0, 2)}), (((2, 3, 17),), {"axes": (0, 1, 2)})],
    "dot": [_dot((5,), (5,), (0,), (0,)), _dot((3, 5), (5,), (1,), (0,)),
            _dot((5,), (5, 3), (0,), (0,)), _dot((1, 5), (5, 1), (1,), (0,)),
            *(_dot(left, right, (i,), (j,))
              for i, left in enumerate([(18, 5), (5, 18)])
              for j, right in enumerate([(18, 35), (35, 18)])),
            _dot((BATCH, 7), (20, 7), (1,), (1,)), _dot((BATCH, 7), (BATCH, 20), (0,), (0,)),
            _dot((3, 4), (2,), (), ()), _dot((2, 3, 4), (4, 3, 5), (1, 2), (1, 0)),
            _dot((2, 3, 4), (5, 2, 4), (2,), (2,), (0,), (1,)),
            _dot((2, 3, 4), (4, 3, 2), (1,), (1,), (0, 2), (2, 0))],
}  # fmt: skip
MOVING["max"] = MOVING["prod"] = MOVING["sum"]
MOVING["sort"] = MOVING["argsort"]
for _name in ("logabsdet", "detsign", "det", "cofactor"):
    MOVING[_name] = MOVING["inverse"]

#: These have no example, and why.
WITHOUT: dict[str, str] = dict.fromkeys(
    ("cond", "custom", "scan", "while_loop"),
    "its attributes are whole graphs; tests/tracing/test_control.py holds it to these laws",
) | {"item": "it takes what only these give, and is held to the laws with them"}


def _dominant(a: np.ndarray) -> np.ndarray:
    """Far from singular."""
    return a + (2 * np.eye(a.shape[-1])).astype(a.dtype)


#: How operands are brought into what an operation takes, where a domain does not say it.
PREPARED: dict[str, Callable[..., list[np.ndarray]]] = {
    "take": lambda x, i: [x, i % x.shape[0]],
    "scatter_add": lambda i, g, *, size: [i % size, g],
    "last_of": lambda i, *, size: [i % size],
    "cholesky": lambda a: [_dominant(a @ np.swapaxes(a, -1, -2))],
    "eigh": lambda a, *, lower: [a + np.diag(3 * np.arange(a.shape[-1])).astype(a.dtype)],
    "qr": lambda a: [a + 2 * np.eye(*a.shape[-2:]).astype(a.dtype)],
    **{name: lambda a, *b, **_: [_dominant(a), *b]
       for name in ("solve_triangular", "solve", "inverse", "logabsdet", "detsign", "det")},
}  # fmt: skip


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
        drawn = [self._draw(t, rng, sized(t.shape, batch)) for t in self.types]
        prepare = PREPARED.get(self.record.name)
        return prepare(*drawn, **self.attributes) if prepare else drawn

    def _draw(self, t: ArrayType, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if t.is_float:
            return np.asarray(rng.uniform(*self.record.domain, shape), t.dtype)
        low, high = (0, 2) if t.dtype.kind == "b" else (-5, 6)
        return np.asarray(rng.integers(low, high, shape), t.dtype)


def cases(record: Primitive, shapes: tuple[Shape, ...] = SHAPES) -> Iterator[Case]:
    """Every combination of element types that the shape rule takes, on several shapes."""
    if not callable(record.lower):
        for operands, attributes in MOVING.get(record.name, []):
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


#: What the attributes of elementwise operations may be.
ATTRIBUTES: dict[str, list[Any]] = {"dtype": [*NAMED_DTYPES], "order": [1, 2, 5]}


def _attributes(record: Primitive) -> list[dict[str, Any]]:
    names = attribute_names(record)
    assert set(names) <= set(ATTRIBUTES), (
        f"say in tests/ops/cases.py what {names} of {record.name} may be"
    )
    columns = itertools.product(*(ATTRIBUTES[name] for name in names))
    return [dict(zip(names, values, strict=True)) for values in columns]


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
