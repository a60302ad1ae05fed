"""A program as Python that one can paste and run: plain NumPy, the numbers written out."""

from __future__ import annotations

import base64
import keyword
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from chainrule.explain.proofs.program import Array, Program
from chainrule.ir.graph import Graph, Node

#: Numbers that are written as text; more are packed.
_WRITTEN: Final = 400
#: Code longer than this helps nobody.
LONGEST: Final = 400_000
_MOST: Final = 200_000

_INFIX: Final = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "less": "<",
    "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=",
}  # fmt: skip
_NAMED: Final = {
    "maximum": "np.maximum", "minimum": "np.minimum", "where": "np.where", "exp": "np.exp",
    "log": "np.log", "expm1": "np.expm1", "log1p": "np.log1p", "sin": "np.sin", "cos": "np.cos",
    "tan": "np.tan", "tanh": "np.tanh", "sqrt": "np.sqrt", "absolute": "np.abs", "sign": "np.sign",
    "negative": "np.negative", "logaddexp": "np.logaddexp", "exp2": "np.exp2", "log2": "np.log2",
    "log10": "np.log10", "cbrt": "np.cbrt", "sinh": "np.sinh", "cosh": "np.cosh",
    "asinh": "np.arcsinh", "acosh": "np.arccosh", "atanh": "np.arctanh", "atan": "np.arctan",
    "asin": "np.arcsin", "acos": "np.arccos", "atan2": "np.arctan2", "hypot": "np.hypot",
    "logical_and": "np.logical_and", "logical_or": "np.logical_or",
    "logical_not": "np.logical_not", "floor": "np.floor", "ceil": "np.ceil",
}  # fmt: skip
_REDUCED: Final = {"sum": "np.sum", "max": "np.max", "prod": "np.prod"}
_BY_RECORD: Final = 'PRIMITIVES["{op}"].evaluate({operands}{options})'


def source(program: Program, theta1: Array, theta2: Array, t: float) -> str:
    """The program, two points and t as a script that prints f between them, and the chord.

    An empty text where it would be longer than anybody pastes.
    """
    used = {x for node in program.nodes for x in node.inputs if x in program.known}
    if sum(np.size(program.known[x]) for x in used if not _is_uniform(program.known[x])) > _MOST:
        return ""
    writer = _Writer(program)
    body = writer.body()
    if body is None:
        return ""
    parts = [
        *_head(writer, body),
        *_points(program, theta1, theta2, t),
        "theta = {name: t * theta1[name] + (1 - t) * theta2[name] for name in theta1}",
        "middle = f(theta)",
        "chord = t * f(theta1) + (1 - t) * f(theta2)",
        'print("f(t θ₁ + (1 - t) θ₂) =", middle)',
        'print("t f(θ₁) + (1 - t) f(θ₂) =", chord)',
        'print("f lies above its chord:", bool(middle > chord))',
        'print("f has a value there:", bool(np.isfinite(middle)))',
    ]
    text = "\n".join(parts) + "\n"
    return text if len(text) <= LONGEST else ""


def _is_uniform(value: Any) -> bool:
    return isinstance(value, np.ndarray) and bool((value == value.flat[:1]).all())


def _head(writer: _Writer, body: str) -> list[str]:
    imports = ["import base64", "import zlib", ""] if writer.packed else []
    special = ["from scipy import special"] if writer.special else []
    record = ["from chainrule.ops import PRIMITIVES"] if writer.records else []
    return [*imports, "import numpy as np", *special, *record, "", *writer.data, "", body, ""]


def _points(program: Program, theta1: Array, theta2: Array, t: float) -> list[str]:
    lines = [f"t = {t!r}"]
    for name, theta in (("theta1", theta1), ("theta2", theta2)):
        lines += _point(program, name, theta)
    return lines


def _point(program: Program, name: str, theta: Array) -> list[str]:
    """A point by its parts; of a large part the numbers that are not 0."""
    lines = [f"{name} = {{"]
    later = []
    for part, values in program.split(theta).items():
        if values.size <= _WRITTEN or np.count_nonzero(values) > _WRITTEN:
            lines.append(f"    {part!r}: {array(values)},")
            continue
        lines.append(f"    {part!r}: np.zeros({values.shape}),")
        later += [
            f"{name}[{part!r}][{', '.join(map(str, index))}] = {float(values[tuple(index)])!r}"
            for index in np.argwhere(values).tolist()
        ]
    return [*lines, "}", *later]


def array(values: Any) -> str:
    """An array as Python text: written out, or packed if it is large."""
    values = np.asarray(values)
    if values.ndim == 0:
        return _scalar(values.item())
    if values.size and (values == values.flat[0]).all():
        dtype = "" if values.dtype == np.float64 else f', "{values.dtype}"'
        return f"np.full({values.shape}, {_scalar(values.flat[0].item())}{dtype})"
    if values.size <= _WRITTEN:
        inside = _nested(values)
        dtype = "" if values.dtype == np.float64 else f', "{values.dtype}"'
        return f"np.array({inside}{dtype})"
    data = np.ascontiguousarray(values)
    text = base64.b64encode(zlib.compress(data.tobytes(), 9)).decode()
    read = f'np.frombuffer(zlib.decompress(base64.b64decode("{text}")), "{data.dtype}")'
    return f"{read}.reshape({values.shape})"


def _nested(values: Array) -> str:
    if values.ndim == 0:
        return _scalar(values.item())
    return "[" + ", ".join(_nested(row) for row in values) + "]"


def _scalar(x: Any) -> str:
    if isinstance(x, float) and not np.isfinite(x):
        return "np.nan" if np.isnan(x) else ("np.inf" if x > 0 else "-np.inf")
    return repr(x)


class _Writer:
    """Each node as a line; what is used once and short stands where it is used."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names: dict[Node, str] = {}
        self.data: list[str] = []
        self.special = self.records = self.packed = False

    def body(self) -> str | None:
        """The function; None if an operation has no text (a loop)."""
        lines = ["def f(theta):"]
        taken = {"f", "t", "theta", "theta1", "theta2", "np", "middle", "chord", "special"}
        for name, node in self.program.variables.items():
            self.names[node] = _identifier(name, taken)
            lines.append(f"    {self.names[node]} = np.asarray(theta[{name!r}], float)")
        for node in self.program.nodes:
            if node in self.names:
                continue
            text = self._text(node)
            if text is None:
                return None
            self.names[node] = _identifier(f"v{len(self.names)}", taken)
            where = f"  # {node.where}" if node.where else ""
            lines.append(f"    {self.names[node]} = {text}{where}")
        lines.append(f"    return float({self._operand(self.program.output)})")
        return "\n".join(lines)

    def _operand(self, node: Node) -> str:
        if node in self.names:
            return self.names[node]
        value = self.program.known[node]
        text = array(_wide(value))
        if len(text) <= 30:
            return text
        self.names[node] = f"data{len(self.data)}"
        self.packed = self.packed or "b64decode" in text
        self.data.append(f"{self.names[node]} = {text}")
        return self.names[node]

    def _text(self, node: Node) -> str | None:
        if any(isinstance(v, Graph) for v in node.attributes.values()):
            return None
        if any(isinstance(self.program.known.get(x), tuple) for x in node.inputs):
            return None
        operands = [self._operand(x) for x in node.inputs]
        if node.op in _INFIX:
            return f"{_signed(operands[0])} {_INFIX[node.op]} {_signed(operands[1])}"
        if node.op in _NAMED:
            return f"{_NAMED[node.op]}({', '.join(operands)})"
        if node.op in _REDUCED:
            return f"{_REDUCED[node.op]}({operands[0]}, axis={node.attributes['axes']})"
        if node.op in _SHAPED:
            text = _SHAPED[node.op](node, operands)
            if text:
                return text
        return self._other(node, operands)

    def _other(self, node: Node, operands: list[str]) -> str:
        if node.op == "sigmoid":
            self.special = True
            return f"special.expit({operands[0]})"
        if node.op in ("erf", "gammaln", "xlogy", "ndtr"):
            self.special = True
            return f"special.{node.op}({', '.join(operands)})"
        if node.op == "softplus":
            return f"np.logaddexp(0, {operands[0]})"
        self.records = True
        options = "".join(f", {k}={v!r}" for k, v in node.attributes.items())
        return _BY_RECORD.format(op=node.op, operands=", ".join(operands), options=options)


def _wide(value: Any) -> Any:
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype == np.float32 and value.size < 400 else value


def _signed(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _identifier(name: str, taken: set[str]) -> str:
    """A name that Python takes and that no other has."""
    made = re.sub(r"\W", "_", name) or "x"
    made = f"_{made}" if made[0].isdigit() or keyword.iskeyword(made) else made
    while made in taken:
        made += "_"
    taken.add(made)
    return made


def _dot(node: Node, operands: list[str]) -> str:
    at: Any = node.attributes
    a, b = (x.type.rank for x in node.inputs)
    if not at["a_batch"] and a <= 2 and b <= 2 and len(at["a_axes"]) == 1:
        left = operands[0] if at["a_axes"] == (a - 1,) else f"{operands[0]}.T"
        right = operands[1] if at["b_axes"] == (0,) else f"{operands[1]}.T"
        return f"{left} @ {right}"
    return f'np.einsum("{_letters(at, a, b)}", {operands[0]}, {operands[1]})'


def _letters(at: Any, a: int, b: int) -> str:
    names = iter("abcdefghijklmnopqrstuvwxyz")
    left, right = [""] * a, [""] * b
    for i, j in (*zip(at["a_batch"], at["b_batch"], strict=True),
                 *zip(at["a_axes"], at["b_axes"], strict=True)):  # fmt: skip
        left[i] = right[j] = next(names)
    batch = [left[i] for i in at["a_batch"]]
    left_free = [k for k in range(a) if not left[k]]
    right_free = [k for k in range(b) if not right[k]]
    for k in left_free:
        left[k] = next(names)
    for k in right_free:
        right[k] = next(names)
    out = [*batch, *(left[k] for k in left_free), *(right[k] for k in right_free)]
    return f"{''.join(left)},{''.join(right)}->{''.join(out)}"


def _broadcast(node: Node, operands: list[str]) -> str:
    shape: Any = node.attributes["shape"]
    axes: Any = node.attributes["axes"]
    kept = tuple(n if k in axes else 1 for k, n in enumerate(shape))
    return f"np.broadcast_to(np.reshape({operands[0]}, {kept}), {shape})"


def _slice(node: Node, operands: list[str]) -> str:
    at: Any = node.attributes
    ranges = zip(at["starts"], at["shape"], at["steps"], strict=True)
    parts = [f"{start}:{start + (n - 1) * step + 1}:{step}" for start, n, step in ranges]
    if any(step < 0 for step in at["steps"]) or 0 in at["shape"]:
        return ""  # by its record
    return f"{operands[0]}[{', '.join(parts)}]" if parts else operands[0]


_SHAPED: Final[Mapping[str, Callable[[Node, list[str]], str]]] = {
    "dot": _dot,
    "broadcast": _broadcast,
    "slice": _slice,
    "reshape": lambda node, x: f"np.reshape({x[0]}, {node.attributes['shape']})",
    "transpose": lambda node, x: f"np.transpose({x[0]}, {node.attributes['axes']})",
    "concatenate": lambda node, x: f"np.concatenate([{', '.join(x)}], {node.attributes['axis']})",
}
