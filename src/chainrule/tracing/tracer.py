"""Stand-ins for arrays that write down what happens to them.

``bind`` is the one door through which every operation goes. A *recording* either builds a graph
from types alone (under ``compile`` and ``train``), or runs eagerly and keeps a tape of values
(under ``grad``). Recordings nest: the values on a tape may be tracers of a recording further out.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from chainrule.errors import ChainruleError, DTypeError, TraceError
from chainrule.ir.graph import Attribute, Node
from chainrule.ir.types import DTYPE_NAMES, ArrayType
from chainrule.ops import PRIMITIVES

_PACKAGE: Final = str(Path(__file__).resolve().parents[1]) + os.sep
#: Files that are none: what Python and NumPy make at run time (a prompt's <stdin> is a user's).
_MADE: Final = ("<frozen", "<string>", "<__array_function__")
_NUMPY: Final = str(Path(np.__file__).resolve().parent) + os.sep
_levels = itertools.count()
_UFUNCS: dict[Any, Callable[..., Any]] = {}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {}


@dataclass(eq=False, slots=True)
class Recording:
    """What one run of a function wrote down.

    ``constants`` are the arrays that a graph takes from the code around it: hidden inputs.
    ``tape`` holds, for eager recordings, each result in the order in which it was made.
    """

    eager: bool
    level: int = field(default_factory=lambda: next(_levels))
    constants: dict[int, tuple[Node, np.ndarray]] = field(default_factory=dict)
    tape: list[Tracer] = field(default_factory=list)


class Tracer(NDArrayOperatorsMixin):
    """A stand-in for an array, under ``grad``, ``compile``, ``trace`` or ``train``."""

    __slots__ = ("attributes", "node", "op", "operands", "recording", "value")
    __hash__ = object.__hash__

    def __init__(
        self,
        recording: Recording,
        node: Node | None = None,
        value: Any = None,
        op: str = "input",
        operands: tuple[Any, ...] = (),
        attributes: dict[str, Attribute] | None = None,
    ) -> None:
        self.recording = recording
        self.node = node
        self.value = value
        self.op = op
        self.operands = operands
        self.attributes = attributes or {}

    # -- NumPy's protocols ---------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        rule = _UFUNCS.get(ufunc) if method == "__call__" else None
        options = {k: v for k, v in options.items() if v is not None}
        if rule is None or options:
            name = ufunc.__name__ + ("" if method == "__call__" else f".{method}")
            extra = f" with {', '.join(options)}=" if options else ""
            raise TraceError(
                f"np.{name}{extra} at {user_line()} is not one that can be traced yet",
                "use the result: y = y + x in place of y += x" if "out" in options else "",
            )
        return rule(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(function)
        if rule is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
            raise TraceError(
                f"{name} at {user_line()} is not one that can be traced yet",
                "compose it from np.sum, np.where, np.exp and the like",
            )
        return rule(*args, **kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TraceError(
            f"a traced value was asked to become a plain array at {user_line()}",
            "use np.stack([...]) for np.array([...]), cr.softmax or cr.logsumexp for SciPy's",
        )

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return np

    # -- what an array knows of itself ---------------------------------------------------------

    @property
    def type(self) -> ArrayType:
        if self.node is not None:
            return self.node.type
        return ArrayType(self.value.dtype, self.value.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape if self.node is not None else self.value.shape  # type: ignore[return-value]

    @property
    def dtype(self) -> np.dtype:
        return self.type.dtype if self.node is not None else self.value.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def T(self) -> Any:
        return np.transpose(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TraceError(
                f"a traced number was used as a sequence or an axis at {user_line()}",
                "what chooses shapes or axes is no argument: functools.partial(f, axis=0) fixes it",
            )
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return _FUNCTIONS["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TraceError(
            f"x[...] = v at {user_line()} would change a traced value in place",
            "build the result instead, with np.where or np.concatenate",
        )

    def __repr__(self) -> str:
        inside = "" if self.value is None else f", value={self.value!r}"
        return f"Tracer({self.type}{inside})"

    # -- what would leave the graph ------------------------------------------------------------

    def __bool__(self) -> bool:
        if self.value is not None:
            return bool(self.value)
        raise TraceError(
            f"a condition on a traced value at {user_line()} has no truth under compile",
            "use np.where(condition, a, b)",
        )

    def __float__(self) -> float:
        raise TraceError(
            f"float() of a traced value at {user_line()} would lose its gradient",
            "use np.exp, np.log, ... instead of math.exp, math.log, ...",
        )

    __int__ = __index__ = __complex__ = __float__

    # -- methods that ndarrays have ------------------------------------------------------------

    def astype(self, dtype: Any, **_: Any) -> Any:
        return cast(self, np.dtype(dtype))

    def reshape(self, *shape: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 else axes or None
        return np.transpose(self, order)

    def copy(self) -> Tracer:
        return self


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in ("sum", "mean", "max", "min", "var", "std", "ravel", "squeeze", "dot", "clip"):
    setattr(Tracer, _name, _method(_name))
Tracer.flatten = Tracer.ravel  # type: ignore[attr-defined]


def user_line() -> str:
    """``file.py:14`` of the nearest caller outside Chainrule and NumPy."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_PACKAGE, _NUMPY, *_MADE)):
            return f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return "an unknown line"


def _top(operands: tuple[Any, ...]) -> Recording | None:
    top: Recording | None = None
    for x in operands:
        if isinstance(x, Tracer) and (top is None or x.recording.level > top.level):
            top = x.recording
    return top


def bind(op: str, *operands: Any, **attributes: Attribute) -> Any:
    """Run one primitive: on plain arrays at once, on tracers by writing it down."""
    top = _top(operands)
    if top is None:
        return PRIMITIVES[op].evaluate(*operands, **attributes)
    if top.eager:
        values = [x.value if isinstance(x, Tracer) and x.recording is top else x for x in operands]
        value = bind(op, *values, **attributes)
        made = Tracer(top, None, value, op, operands, attributes)
        top.tape.append(made)
        return made
    nodes = tuple(_node(top, x) for x in operands)
    where = user_line()
    try:
        type_ = PRIMITIVES[op].shape(*(n.type for n in nodes), **attributes)
    except ChainruleError as error:
        raise type(error)(f"{op} at {where}: {error.message}", error.hint) from None
    return Tracer(top, Node(op, nodes, type_, attributes, where))


def _node(recording: Recording, x: Any) -> Node:
    """The node of a tracer; a plain number becomes a constant, a plain array a hidden input."""
    if isinstance(x, Tracer):
        if x.recording is not recording or x.node is None:
            raise TraceError(
                f"a traced value of another function is used at {user_line()}",
                "pass it as an argument; a value that was kept from an earlier call is no number",
            )
        return x.node
    return _plain_node(recording, np.asarray(x))


def _plain_node(recording: Recording, x: np.ndarray) -> Node:
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
        attributes: dict[str, Attribute] = {
            "axis": 0, "shape": x.shape, "dtype": DTYPE_NAMES[x.dtype],
        }  # fmt: skip
        return Node("iota", (), ArrayType(x.dtype, x.shape), attributes)
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


def _is_uniform(x: np.ndarray) -> bool:
    """All elements the same number, the sign of a zero included."""
    first = x.flat[0]
    return bool((x == first).all()) and (
        first != 0 or bool((np.signbit(x) == np.signbit(first)).all())
    )


def broadcast_node(x: Node, shape: tuple[int, ...], axes: tuple[int, ...] = ()) -> Node:
    """A value repeated over a shape; its own axes stand at ``axes``."""
    return Node("broadcast", (x,), x.type.with_shape(shape), {"shape": shape, "axes": axes})


def cast(x: Any, dtype: np.dtype) -> Any:
    """x as elements of ``dtype``."""
    if type(x) in (bool, int, float):
        return np.asarray(x, dtype)  # an integer that does not fit is NumPy's OverflowError
    if not isinstance(x, Tracer):
        return np.asarray(x).astype(dtype, copy=False)  # a repeated array stays repeated
    if dtype not in DTYPE_NAMES:
        raise DTypeError(f"astype({dtype}) at {user_line()}; expected f32, f64, i32, i64 or bool")
    return x if x.dtype == dtype else bind("cast", x, dtype=DTYPE_NAMES[dtype])


def register_ufunc(ufunc: Any, rule: Callable[..., Any]) -> None:
    """What a ufunc means on tracers."""
    _UFUNCS[ufunc] = rule


def register_function(function: Any, rule: Callable[..., Any]) -> None:
    """What a NumPy function means on tracers."""
    _FUNCTIONS[function] = rule
