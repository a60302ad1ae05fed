"""f at a point to many digits: the graph node by node, in mpmath, with exact inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

import numpy as np

from chainrule.data.extras import need
from chainrule.explain.proofs.program import Array, Program, size_of
from chainrule.ir.graph import Node
from chainrule.ops import PRIMITIVES

DIGITS: Final = 50
#: Multiplications that are done at most: some microseconds each.
LARGEST: Final = 300_000

_PLACES: Final = ("reshape", "transpose", "slice", "broadcast", "concatenate", "pad", "take",
                  "where", "sum", "max", "sort", "dot")  # fmt: skip
_ARITHMETIC: Final[Mapping[str, Callable[..., Any]]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a: -a,
    "absolute": abs,
    "maximum": max,
    "minimum": min,
    "sign": lambda a: (a > 0) - (a < 0),
}
_COMPARED: Final[Mapping[str, Callable[..., bool]]] = {
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "logical_and": lambda a, b: bool(a and b),
    "logical_or": lambda a, b: bool(a or b),
    "logical_not": lambda a: not a,
}
#: mpmath's name of each function.
_NAMES: Final = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "sqrt": "sqrt", "sin": "sin",
    "cos": "cos", "tan": "tan", "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "asinh": "asinh", "acosh": "acosh", "atanh": "atanh",
    "erf": "erf", "erfc": "erfc", "gammaln": "loggamma", "power": "power", "ndtr": "ncdf",
    "hypot": "hypot", "atan2": "atan2", "floor": "floor", "ceil": "ceil",
}  # fmt: skip


def _composed(mp: Any) -> dict[str, Callable[..., Any]]:
    """What mpmath has under no name of its own."""
    return {
        "exp2": lambda x: mp.power(2, x),
        "log2": lambda x: mp.log(x, 2),
        "log10": mp.log10,
        "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "softplus": lambda x: max(x, 0) + mp.log1p(mp.exp(-abs(x))),
        "logaddexp": lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b))),
        "xlogy": lambda a, b: mp.mpf(0) if a == 0 else a * mp.log(b),
        "logit": lambda x: mp.log(x / (1 - x)),
        "rint": mp.nint,
        "trunc": lambda x: mp.floor(x) if x >= 0 else mp.ceil(x),
        "remainder": lambda a, b: a - mp.floor(a / b) * b,
    }


_MATRICES: Final = ("det", "logabsdet", "inverse", "solve")


def _of_matrices(node: Node, operands: list[Any]) -> Any:
    """What linear algebra does with one matrix."""
    mp = need("mpmath", "explain")
    matrix = mp.matrix(operands[0].tolist())
    if node.op in ("det", "logabsdet"):
        value = mp.det(matrix)
        return _numbers(np.array(value if node.op == "det" else mp.log(abs(value)), object), mp.mpf)
    solved = matrix**-1
    if node.op == "solve":
        solved = solved * mp.matrix(operands[1].tolist())
    found = np.array(solved.tolist(), object)
    return found.reshape(node.type.shape)


class UnknownOperationError(Exception):
    """An operation that is not done in high precision; internal, turned into a reason."""


def precise_value(program: Program, theta: Array) -> Any:
    """f(θ) to 50 digits as an mpmath number; None where f has no real value there.

    Raises:
        UnknownOperationError: an operation that has no rule here, or too many of them.
        MissingExtraError: mpmath is not installed.
    """
    mp = need("mpmath", "explain")
    if cost(program) > LARGEST:
        raise UnknownOperationError("too many operations for 50 digits")
    with mp.workdps(DIGITS):
        rules = {**_ARITHMETIC, **{k: getattr(mp, v) for k, v in _NAMES.items()}, **_composed(mp)}
        try:
            value = _run(program, theta, mp.mpf, rules)
        except OverflowError as error:
            raise UnknownOperationError("a number too large for mpmath") from error
        except (ZeroDivisionError, ValueError, TypeError):
            return None
        is_real = isinstance(value, mp.mpf) and mp.isfinite(value)
        return value if is_real else None


def exact_value(program: Program, theta: Array) -> Fraction:
    """f(θ) of a polynomial, in rational numbers: nothing is rounded.

    Raises:
        UnknownOperationError: an operation of another kind.
    """
    try:
        value: Fraction = _run(program, theta, _fraction, _ARITHMETIC)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise UnknownOperationError("a constant that is no number") from error
    return value


def _fraction(x: Any) -> Fraction:
    return x if isinstance(x, Fraction) else Fraction(float(x))


def cost(program: Program) -> int:
    """About how many multiplications one evaluation takes."""
    return sum(_node_cost(node) for node in program.nodes)


def _node_cost(node: Node) -> int:
    size = size_of(node)
    if node.op == "dot":
        a = node.inputs[0].type.shape
        inner: Any = node.attributes["a_axes"]
        return size * int(np.prod([a[k] for k in inner], dtype=np.int64))
    return size if node.op not in ("reshape", "transpose", "broadcast", "input") else 0


def _run(program: Program, theta: Array, number: Any, rules: Mapping[str, Any]) -> Any:
    values: dict[Node, Any] = {
        program.variables[name]: _numbers(part, number)
        for name, part in program.split(np.asarray(theta)).items()
    }
    for node in program.nodes:
        if node not in values:
            operands = [_operand(program, values, x, number) for x in node.inputs]
            values[node] = _apply(node, operands, rules)
    return _operand(program, values, program.output, number).item()


def _operand(program: Program, values: dict[Node, Any], node: Node, number: Any) -> Any:
    if node not in values:
        if node not in program.known:
            raise UnknownOperationError(node.op)
        values[node] = _numbers(program.known[node], number)
    return values[node]


def _numbers(x: Any, number: Any) -> Any:
    """Floats as exact numbers; whole numbers and truth values as they are."""
    if isinstance(x, tuple):
        raise UnknownOperationError("a loop or a branch")
    x = np.asarray(x)
    if x.dtype.kind != "f" and x.dtype != object:
        return x
    made = np.empty(x.shape, object)
    made.ravel()[:] = [_number(v, number) for v in x.ravel()]
    return made


def _number(v: Any, number: Any) -> Any:
    """A float exactly; a fraction as the quotient of its parts."""
    if type(v).__name__ == "mpf":
        return v
    if not isinstance(v, Fraction):
        return number(float(v))
    return v if number is _fraction else number(v.numerator) / number(v.denominator)


def _apply(node: Node, operands: list[Any], rules: Mapping[str, Any]) -> Any:
    if node.op in _PLACES:
        return np.asarray(PRIMITIVES[node.op].evaluate(*operands, **node.attributes))
    if node.op in _COMPARED:
        return np.asarray(np.frompyfunc(_COMPARED[node.op], len(operands), 1)(*operands), bool)
    if node.op == "prod":
        axes: Any = node.attributes["axes"]
        return np.asarray(np.multiply.reduce(operands[0], axis=axes))
    if node.op in _MATRICES and np.ndim(operands[0]) == 2 and "exp" in rules:
        return _of_matrices(node, operands)
    if node.op not in rules:
        raise UnknownOperationError(node.op)
    found = np.frompyfunc(rules[node.op], len(operands), 1)(*operands)
    made = np.empty(np.shape(operands[0]), object)
    made[...] = found
    return made
