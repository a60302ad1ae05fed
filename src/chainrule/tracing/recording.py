"""The recording that builds a graph, from types alone: for ``compile``, ``trace`` and ``train``."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ChainruleError, DTypeError, TraceError
from chainrule.ir.graph import Attribute, Node
from chainrule.ir.types import DTYPE_NAMES, ArrayType
from chainrule.ops import PRIMITIVES, Recording
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import Tracer


class GraphRecording(Recording):
    """Nodes that stand for values.

    ``constants`` are the arrays that the graph takes from the code around it: hidden inputs, by
    the identity of the array. ``batch`` is the size that stands for any number of examples, if one
    does.
    """

    __slots__ = ("batch", "constants")

    def __init__(self, batch: int | None = None) -> None:
        super().__init__()
        self.batch = batch
        self.constants: dict[int, tuple[Node, Any]] = {}

    def bind(self, op: str, operands: tuple[Any, ...], attributes: dict[str, Attribute]) -> Any:
        nodes = tuple(node_of(self, x) for x in operands)
        where = user_line()
        try:
            type_ = PRIMITIVES[op].shape(*(n.type for n in nodes), **attributes)
        except ChainruleError as error:
            raise type(error)(f"{op} at {where}: {error.message}", error.hint) from None
        return GraphTracer(self, Node(op, nodes, type_, attributes, where))

    def outside(self, x: Tracer) -> Node:
        """The node of a tracer that is not this recording's."""
        raise TraceError(
            f"a traced value of another function is used at {user_line()}",
            "pass it as an argument; a value that was kept from an earlier call is no number",
        )


class GraphTracer(Tracer):
    """A stand-in with a type and no value."""

    __slots__ = ("node",)

    def __init__(self, recording: GraphRecording, node: Node) -> None:
        self.recording = recording
        self.node = node

    @property
    def type(self) -> ArrayType:
        return self.node.type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node.type.shape  # type: ignore[return-value]

    @property
    def dtype(self) -> np.dtype:
        return self.node.type.dtype


def node_of(recording: GraphRecording, x: Any) -> Node:
    """The node of a tracer; a plain number becomes a constant, a plain array a hidden input."""
    if isinstance(x, Tracer):
        if x.recording is not recording or not isinstance(x, GraphTracer):
            return recording.outside(x)
        return x.node
    return _plain_node(recording, np.asarray(x))


def _plain_node(recording: GraphRecording, x: np.ndarray) -> Node:
    """A plain array in its smallest form: a number, a numbering, a repetition, a hidden input."""
    if x.dtype not in DTYPE_NAMES:
        raise DTypeError(
            f"an array of {x.dtype} at {user_line()}; expected f32, f64, i32, i64, bool"
        )
    if x.ndim == 0:
        return constant_node(x.item(), x.dtype)
    if x.size and _is_uniform(x):
        return broadcast_node(constant_node(x.flat[0].item(), x.dtype), x.shape)
    repeated = [k for k, stride in enumerate(x.strides) if stride == 0 and x.shape[k] > 1]
    if repeated:
        kept = tuple(k for k in range(x.ndim) if k not in repeated)
        part = x[tuple(0 if k in repeated else slice(None) for k in range(x.ndim))]
        return broadcast_node(_plain_node(recording, part), x.shape, kept)
    if _is_numbering(x):
        return _iota_node(x.shape, x.dtype)
    if x.dtype.kind == "i" and x.size > 2 and max(x.shape) == x.size and _is_line(x.ravel()):
        return _line_node(x)
    if id(x) not in recording.constants:
        recording.constants[id(x)] = (Node("input", (), ArrayType(x.dtype, x.shape)), x)
    return recording.constants[id(x)][0]


def constant_node(value: Any, dtype: np.dtype) -> Node:
    """A number in the program; floats are kept as Python floats, exact in either dtype."""
    return Node("constant", (), ArrayType(dtype, ()), {"value": value, "dtype": DTYPE_NAMES[dtype]})


def _is_numbering(x: np.ndarray) -> bool:
    """0, 1, 2, ... (and not -0.0)."""
    if x.ndim != 1 or x.dtype.kind not in "if" or not np.array_equal(x, np.arange(len(x))):
        return False
    return not np.signbit(x[:1]).any()


def _is_line(x: np.ndarray) -> bool:
    """Whole numbers, each as much more than the one before: an index times a stride."""
    steps = np.diff(x)
    return bool((steps == steps[0]).all()) and int(x[0]) + int(steps[0]) * (len(x) - 1) == x[-1]


def _iota_node(shape: tuple[int, ...], dtype: np.dtype) -> Node:
    attributes: dict[str, Attribute] = {"axis": 0, "shape": shape, "dtype": DTYPE_NAMES[dtype]}
    return Node("iota", (), ArrayType(dtype, shape), attributes)


def _line_node(x: np.ndarray) -> Node:
    """first + step * (0, 1, 2, ...) in the shape of x."""
    line, flat = x.ravel(), (x.size,)
    first, step = (constant_node(int(k), x.dtype) for k in (line[0], line[1] - line[0]))
    type_ = ArrayType(x.dtype, flat)
    scaled = Node("multiply", (_iota_node(flat, x.dtype), broadcast_node(step, flat)), type_)
    moved = Node("add", (scaled, broadcast_node(first, flat)), type_)
    return Node("reshape", (moved,), ArrayType(x.dtype, x.shape), {"shape": x.shape})


def _is_uniform(x: np.ndarray) -> bool:
    """All elements the same number, the sign of a zero included."""
    x = x[tuple(slice(0, 1 if stride == 0 else None) for stride in x.strides)]
    first = x.flat[0]
    if first != first:
        return bool((x != x).all())
    return bool((x == first).all()) and (
        first != 0 or bool((np.signbit(x) == np.signbit(first)).all())
    )


def broadcast_node(x: Node, shape: tuple[int, ...], axes: tuple[int, ...] = ()) -> Node:
    """A value repeated over a shape; its own axes stand at ``axes``."""
    return Node("broadcast", (x,), x.type.with_shape(shape), {"shape": shape, "axes": axes})
