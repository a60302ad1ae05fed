"""The value of a formula, so that what is printed is what is checked.

Vectors are columns and matrices are matrices: shapes that mathematics would not add are not added
here, but for numbers, which fit all. An array of more axes is a stack of matrices, and a matrix
beside it meets each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import ShapeError, TraceError
from chainrule.explain.notation.nodes import (
    Abs,
    Apply,
    Cases,
    Constant,
    Derivative,
    Expr,
    Fraction,
    Hadamard,
    Index,
    Indicator,
    Matrix,
    MatrixProduct,
    Negative,
    Norm,
    Number,
    OneHot,
    Ones,
    Power,
    Product,
    Relation,
    Root,
    Sum,
    SumOver,
    Symbol,
    Total,
    Transpose,
)
from chainrule.explain.notation.unicode import unicode
from chainrule.ops.scipy_special import special

Array: TypeAlias = Any
Values: TypeAlias = Mapping[str, Array]


def _softmax(z: Array) -> Array:
    """Of a column; of each row of a matrix."""
    axis = 0 if np.ndim(z) == 2 and np.shape(z)[1] == 1 else -1
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _diag(v: Array) -> Array:
    return np.diag(np.ravel(v)) if 1 in np.shape(v) else np.diag(v).reshape(-1, 1)


def _log_factorial(y: Array) -> Array:
    return special.gammaln(y + 1)


#: Functions that ``Apply`` needs no ``call`` for. All but softmax, max, min and det: elementwise.
FUNCTIONS: Final[dict[str, Callable[..., Array]]] = {
    "exp": np.exp, "log": np.log, "ln": np.log, "log1p": np.log1p, "expm1": np.expm1,
    "exp2": np.exp2, "log2": np.log2, "log10": np.log10, "cbrt": np.cbrt,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "sec": lambda x: 1 / np.cos(x),
    "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan, "atan2": np.arctan2,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "σ": special.expit, "sigmoid": special.expit, "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.maximum(x, 0), "ReLU": lambda x: np.maximum(x, 0),
    "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint,
    "erf": special.erf, "erfc": special.erfc, "erfinv": special.erfinv, "erfcx": special.erfcx,
    "Φ": special.ndtr, "Γ": special.gamma, "lnΓ": special.gammaln, "ψ": special.digamma,
    "logit": special.logit, "logaddexp": np.logaddexp, "hypot": np.hypot,
    "max": lambda *xs: reduce(np.maximum, xs) if len(xs) > 1 else np.max(xs[0]),
    "min": lambda *xs: reduce(np.minimum, xs) if len(xs) > 1 else np.min(xs[0]),
    "mod": np.mod, "softmax": _softmax, "diag": _diag, "det": np.linalg.det, "tr": np.trace,
    "log!": _log_factorial,
}  # fmt: skip

_COMPARED: Final[dict[str, Callable[[Array, Array], Array]]] = {
    "=": np.equal, ":=": np.equal, "≠": np.not_equal, "<": np.less, "≤": np.less_equal,
    ">": np.greater, "≥": np.greater_equal, "≈": lambda a, b: np.isclose(a, b, rtol=1e-9, atol=0),
}  # fmt: skip


def evaluate(e: Expr, values: Values) -> Array:
    """The value of a formula as it is printed.

    Args:
        e: a formula.
        values: key of each symbol (``Symbol.key``) -> number or array. A vector's array (n,) is
            taken as a column (n, 1); indices of ``SumOver`` need no value.

    Returns:
        A number, a column (n, 1), a matrix or, of higher rank, a tensor.

    Raises:
        ShapeError: shapes that do not fit together as written.
        TraceError: no value is given for a symbol, or it has none, as words.

    Example:
        >>> from chainrule.explain.notation import MatrixProduct, Symbol, Transpose
        >>> w, x = (Symbol(name, kind="vector") for name in "wx")
        >>> float(evaluate(MatrixProduct((Transpose(w), x)), {"w": [1, 2], "x": [3, 4]}))
        11.0
    """
    meaning = _MEANINGS.get(type(e))
    if meaning is None:
        raise TraceError(f"{type(e).__name__} has no value", "evaluate the formulas beside it")
    with np.errstate(all="ignore"):
        return meaning(e, values)


def _known(e: Symbol | Derivative, values: Values) -> Array:
    if e.key not in values:
        known = ", ".join(sorted(values)) or "nothing"
        raise TraceError(f"no value for {unicode(e)}: expected {e.key!r} among {known}")
    value = np.asarray(values[e.key])
    return value.reshape(-1, 1) if value.ndim == 1 else value


def _fitting(parts: tuple[Array, ...], e: Expr) -> tuple[Array, ...]:
    shapes = {np.shape(x) for x in parts if np.shape(x) != ()}
    deepest = max(shapes, key=len, default=())
    if any(shape != deepest and shape != deepest[1 - len(deepest) :][-2:] for shape in shapes):
        raise ShapeError(f"shapes {sorted(shapes)} do not fit elementwise in {unicode(e)}")
    return parts


def _elementwise(parts: tuple[Expr, ...], e: Expr, values: Values) -> tuple[Array, ...]:
    return _fitting(tuple(evaluate(part, values) for part in parts), e)


def _sum(e: Sum, values: Values) -> Array:
    return reduce(np.add, _elementwise(e.terms, e, values))


def _times(e: Product | Hadamard, values: Values) -> Array:
    return reduce(np.multiply, _elementwise(e.factors, e, values))


def _fraction(e: Fraction, values: Values) -> Array:
    return np.divide(*_elementwise((e.top, e.bottom), e, values))


def _power(e: Power, values: Values) -> Array:
    base, exponent = _elementwise((e.base, e.exponent), e, values)
    return np.power(np.asarray(base, np.float64), exponent)


def _matrix_product(e: MatrixProduct, values: Values) -> Array:
    """From the side of the vector, if there is one at the end, so that no large one is made."""
    parts = [evaluate(f, values) for f in e.factors]
    if np.ndim(parts[-1]) == 2 and np.shape(parts[-1])[1] == 1:
        return reduce(lambda right, left: _matmul(left, right, e), reversed(parts))
    return reduce(lambda left, right: _matmul(left, right, e), parts)


def _matmul(a: Array, b: Array, e: Expr) -> Array:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.shape(a)[-1] != np.shape(b)[-2]:
        raise ShapeError(
            f"inner sizes differ in {unicode(e)}: {np.shape(a)} and {np.shape(b)};"
            f" {np.shape(a)[-1]} ≠ {np.shape(b)[-2]}"
        )
    product = np.matmul(a, b)
    return product.reshape(()) if product.shape == (1, 1) else product


def _transpose(e: Transpose, values: Values) -> Array:
    body = evaluate(e.body, values)
    return np.swapaxes(body, -1, -2) if np.ndim(body) >= 2 else body


def _root(e: Root, values: Values) -> Array:
    body = evaluate(e.body, values)
    return {2: np.sqrt, 3: np.cbrt}.get(e.degree, lambda x: x ** (1 / e.degree))(body)


def _norm(e: Norm, values: Values) -> Array:
    body = np.ravel(evaluate(e.body, values))
    order = {"1": 1, "∞": np.inf}.get(e.order, 2)
    return np.linalg.norm(body, order)


def _apply(e: Apply, values: Values) -> Array:
    call = e.call or FUNCTIONS.get(e.name)
    if call is None:
        raise TraceError(f"the function {e.name} has no value here", "Apply(..., call=function)")
    return call(*(evaluate(a, values) for a in e.arguments))


def _index(e: Index, values: Values) -> Array:
    body = evaluate(e.body, values)
    at = tuple(int(evaluate(i, values)) - 1 for i in e.indices)
    if min(at) < 0:
        raise ShapeError(f"an index below 1 in {unicode(e)}; the first element has the index 1")
    full = at if len(at) == np.ndim(body) or np.shape(body)[-1:] != (1,) else (*at, 0)
    return body[full]


def _holds(e: Relation, values: Values) -> Array:
    parts = _elementwise(e.parts, e, values)
    pairs = zip(e.signs, parts, parts[1:], strict=False)
    return reduce(np.logical_and, [_COMPARED[sign](a, b) for sign, a, b in pairs])


def _cases(e: Cases, values: Values) -> Array:
    chosen = evaluate(e.otherwise, values)
    for value, condition in reversed(e.branches):
        chosen = np.where(evaluate(condition, values), evaluate(value, values), chosen)
    return chosen


def _sum_over(e: SumOver, values: Values) -> Array:
    start, stop = (int(evaluate(x, values)) for x in (e.start, e.stop))
    terms = [evaluate(e.body, {**values, e.index.key: k}) for k in range(start, stop + 1)]
    return reduce(np.add, terms, np.float64(0))


def _total(e: Total, values: Values) -> Array:
    body = evaluate(e.body, values)
    if set(e.summed) == set(e.indices):
        return np.sum(body)
    axes = tuple(k for k, index in enumerate(e.indices) if index in e.summed)
    total = np.sum(body, axis=axes)
    return total.reshape(-1, 1) if total.ndim == 1 else total


def _one_hot(e: OneHot, values: Values) -> Array:
    label = int(evaluate(e.label, values))
    return (np.arange(e.size) == label).astype(np.float64).reshape(-1, 1)


def _matrix(e: Matrix, values: Values) -> Array:
    return np.array([[evaluate(x, values) for x in row] for row in e.rows], np.float64)


_MEANINGS: Final[dict[type[Expr], Callable[[Any, Values], Array]]] = {
    Symbol: _known,
    Derivative: _known,
    Number: lambda e, values: np.float64(e.value),
    Constant: lambda e, values: np.float64(e.value),
    Negative: lambda e, values: np.negative(evaluate(e.body, values)),
    Sum: _sum,
    Product: _times,
    Hadamard: _times,
    MatrixProduct: _matrix_product,
    Fraction: _fraction,
    Power: _power,
    Transpose: _transpose,
    Root: _root,
    Abs: lambda e, values: np.abs(evaluate(e.body, values)),
    Norm: _norm,
    Apply: _apply,
    Index: _index,
    Relation: _holds,
    Indicator: lambda e, values: np.asarray(evaluate(e.condition, values), np.float64),
    Cases: _cases,
    SumOver: _sum_over,
    Total: _total,
    Ones: lambda e, values: np.ones((e.size, 1)),
    OneHot: _one_hot,
    Matrix: _matrix,
}
