"""Elementwise operations: how each is written and its derivative, element by element.

A rule may use the operands, the result (``y``, a name where it has one) and nothing else. None in
the place of a derivative: no gradient flows there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.explain.notation import (
    EULER,
    PI,
    Abs,
    Apply,
    Cases,
    Expr,
    Indicator,
    Number,
    Power,
    Relation,
    Root,
    add,
    divide,
    expr,
    hadamard,
    is_number,
    multiply,
    negative,
    power,
    subtract,
)
from chainrule.explain.notation.nodes import Sign
from chainrule.ops import PRIMITIVES

Write: TypeAlias = Callable[..., Expr]
Slope: TypeAlias = Callable[..., Expr] | None
ZERO: Final = Number(0)
_LOGICAL: Final = frozenset(("logical_and", "logical_or", "logical_not"))


@dataclass(frozen=True)
class Pointwise:
    """How an elementwise operation is written.

    Attributes:
        write: (*operands) -> the formula.
        slopes: one per operand, (y, *operands) -> the derivative by it; None: none flows.
        rule: its name.
    """

    write: Write
    slopes: tuple[Slope, ...]
    rule: str


def times(*factors: Expr) -> Expr:
    """The elementwise product: ⊙ between arrays, nothing beside numbers."""
    return hadamard(*factors)


def over(a: Expr, b: Expr) -> Expr:
    """a / b, element by element."""
    return divide(a, b)


def square(x: Expr) -> Expr:
    """x²."""
    return power(x, 2)


def _named(op: str, name: str = "") -> Write:
    """A function by its name, with the value that the program gives it."""
    return lambda *xs: Apply(name or op, xs, PRIMITIVES[op].evaluate)


def _f(name: str, *arguments: Expr) -> Expr:
    return Apply(name, arguments)


def _exp(x: Expr) -> Expr:
    return Power(EULER, x) if is_number(x) else _f("exp", x)


def _one(
    op: str, slope: Callable[[Expr, Expr], Expr], name: str = "", rule: str = ""
) -> tuple[str, Pointwise]:
    return op, Pointwise(_named(op, name), (slope,), rule or f"derivative of {name or op}")


def _compared(op: str, sign: Sign) -> tuple[str, Pointwise]:
    return op, Pointwise(
        lambda a, b: Relation((a, b), (sign,)), (None, None), "constant but where it jumps"
    )


def _step(op: str, name: str = "", operands: int = 1) -> tuple[str, Pointwise]:
    flat = (lambda y, *xs: ZERO,) * operands
    return op, Pointwise(_named(op, name), flat, "constant but where it jumps")


def _unknown(op: str, slopes: int) -> tuple[str, Pointwise]:
    """A rare function: its derivative is the program's own, under the name with a dash."""
    made = tuple(_slope_of(op, k, slopes) for k in range(slopes))
    return op, Pointwise(_named(op), made, f"derivative of {op}")


def _slope_of(op: str, k: int, operands: int) -> Slope:
    rules: Any = PRIMITIVES[op].vjp
    if rules[k] is None:
        return None

    def numbers(*xs: Any) -> Any:
        arrays = [np.asarray(x, np.float64) for x in xs]
        y = PRIMITIVES[op].evaluate(*arrays)
        return rules[k](np.ones_like(y), y, *arrays)

    mark = "′" if operands == 1 else f"′{'₁₂₃'[k]}"
    return lambda y, *xs: Apply(f"{op}{mark}", xs, numbers)


def _where(condition: Expr, a: Expr, b: Expr) -> Expr:
    return Cases(((a, _as_condition(condition)),), b)


def _as_condition(mask: Expr) -> Expr:
    return mask.condition if isinstance(mask, Indicator) else mask


def mask_of(condition: Expr) -> Expr:
    """A condition as 0 and 1; numbers as they are."""
    is_logical = isinstance(condition, Apply) and condition.name in _LOGICAL
    return Indicator(condition) if isinstance(condition, Relation) or is_logical else condition


def _chosen(condition: Expr) -> Expr:
    return condition if isinstance(condition, Indicator) else Indicator(condition)


def _not(condition: Expr) -> Expr:
    return subtract(1, _chosen(condition))


def _larger(a: Expr, b: Expr) -> Expr:
    return add(_indicator(a, ">", b), divide(_indicator(a, "=", b), 2))


def _smaller(a: Expr, b: Expr) -> Expr:
    return add(_indicator(a, "<", b), divide(_indicator(a, "=", b), 2))


def _indicator(a: Expr, sign: Sign, b: Expr) -> Expr:
    return Indicator(Relation((a, b), (sign,)))


def _bell(x: Expr) -> Expr:
    """The normal density φ(x)."""
    return Apply("φ", (x,), _density)


def _density(x: Any) -> Any:
    return np.exp(-np.square(x) / 2) / math.sqrt(2 * math.pi)


def _sigmoid(x: Expr) -> Expr:
    return _f("σ", x)


def _power_slope(y: Expr, a: Expr, b: Expr) -> Expr:
    return times(b, Power(a, subtract(b, 1)))


def _log_slope(y: Expr, a: Expr, b: Expr) -> Expr:
    return times(y, _f("log", a))


_TWO_OVER_ROOT_PI: Final = divide(2, Root(PI))
_ALL: Final[tuple[tuple[str, Pointwise], ...]] = (
    ("add", Pointwise(add, (lambda y, a, b: expr(1),) * 2, "sum rule")),
    ("subtract", Pointwise(
        subtract, (lambda y, a, b: expr(1), lambda y, a, b: negative(1)), "sum rule")),
    ("multiply", Pointwise(
        times, (lambda y, a, b: b, lambda y, a, b: a), "product rule")),
    ("divide", Pointwise(
        over, (lambda y, a, b: divide(1, b), lambda y, a, b: negative(divide(a, square(b)))),
        "quotient rule")),
    ("power", Pointwise(Power, (_power_slope, _log_slope), "power rule")),
    ("square", Pointwise(square, (lambda y, x: multiply(2, x),), "power rule")),
    ("maximum", Pointwise(
        lambda a, b: _f("max", a, b),
        (lambda y, a, b: _larger(a, b), lambda y, a, b: _larger(b, a)),
        "maximum: 1 for the one that is taken")),
    ("minimum", Pointwise(
        lambda a, b: _f("min", a, b),
        (lambda y, a, b: _smaller(a, b), lambda y, a, b: _smaller(b, a)),
        "minimum: 1 for the one that is taken")),
    ("relu", Pointwise(
        lambda x: _f("ReLU", x), (lambda y, x: _indicator(x, ">", ZERO),), "derivative of ReLU")),
    ("negative", Pointwise(negative, (lambda y, x: negative(1),), "constant factor")),
    ("absolute", Pointwise(Abs, (lambda y, x: _f("sign", x),), "derivative of |x|")),
    ("sqrt", Pointwise(
        Root, (lambda y, x: divide(1, multiply(2, y)),), "derivative of the root")),
    ("copy", Pointwise(lambda x: x, (lambda y, x: expr(1),), "the same")),
    ("fence", Pointwise(lambda x: x, (lambda y, x: expr(1),), "the same")),
    ("stop_gradient", Pointwise(
        lambda x: Apply("stop", (x,), lambda value: value), (None,),
        "held constant by stop_gradient")),
    ("cast", Pointwise(mask_of, (lambda y, x: expr(1),), "the same")),
    ("where", Pointwise(
        _where, (None, lambda y, c, a, b: _chosen(c), lambda y, c, a, b: _not(c)),
        "cases: 1 for the one that is taken")),
    ("exp", Pointwise(_exp, (lambda y, x: y,), "derivative of exp")),
    ("exp2", Pointwise(
        lambda x: Power(Number(2), x), (lambda y, x: times(_f("log", Number(2)), y),),
        "derivative of 2ˣ")),
    _one("log", lambda y, x: divide(1, x), rule="derivative of the logarithm"),
    _one("log2", lambda y, x: divide(1, times(_f("log", Number(2)), x))),
    _one("log10", lambda y, x: divide(1, times(_f("log", Number(10)), x))),
    _one("log1p", lambda y, x: divide(1, add(1, x))),
    _one("expm1", lambda y, x: _exp(x)),
    _one("sin", lambda y, x: _f("cos", x)),
    _one("cos", lambda y, x: negative(_f("sin", x))),
    _one("tan", lambda y, x: add(1, square(y))),
    _one("asin", lambda y, x: divide(1, Root(subtract(1, square(x)))), "arcsin"),
    _one("acos", lambda y, x: negative(divide(1, Root(subtract(1, square(x))))), "arccos"),
    _one("atan", lambda y, x: divide(1, add(1, square(x))), "arctan"),
    _one("sinh", lambda y, x: _f("cosh", x)),
    _one("cosh", lambda y, x: _f("sinh", x)),
    _one("tanh", lambda y, x: subtract(1, square(y))),
    _one("asinh", lambda y, x: divide(1, Root(add(square(x), 1))), "arsinh"),
    _one("acosh", lambda y, x: divide(1, times(Root(subtract(x, 1)), Root(add(x, 1)))), "arcosh"),
    _one("atanh", lambda y, x: divide(1, subtract(1, square(x))), "artanh"),
    _one("sigmoid", lambda y, x: times(y, subtract(1, y)), "σ", "derivative of the sigmoid"),
    _one("softplus", lambda y, x: _sigmoid(x)),
    _one("cbrt", lambda y, x: divide(1, multiply(3, square(y)))),
    _one("erf", lambda y, x: times(_TWO_OVER_ROOT_PI, _exp(negative(square(x))))),
    _one("erfc", lambda y, x: negative(times(_TWO_OVER_ROOT_PI, _exp(negative(square(x)))))),
    _one("erfcx", lambda y, x: subtract(multiply(2, times(x, y)), _TWO_OVER_ROOT_PI)),
    _one("erfinv", lambda y, x: times(divide(Root(PI), 2), _exp(square(y)))),
    _one("ndtr", lambda y, x: _bell(x), "Φ", "derivative of Φ: the normal density φ"),
    _one("ndtri", lambda y, x: divide(1, _bell(y)), "Φ⁻¹"),
    _one("logit", lambda y, x: divide(1, times(x, subtract(1, x)))),
    _one("gammaln", lambda y, x: _f("ψ", x), "logΓ"),
    _one("gamma", lambda y, x: times(y, _f("ψ", x)), "Γ"),
    ("logaddexp", Pointwise(
        _named("logaddexp"),
        (lambda y, a, b: _sigmoid(subtract(a, b)), lambda y, a, b: _sigmoid(subtract(b, a))),
        "derivative of log(eᵃ + eᵇ)")),
    ("atan2", Pointwise(
        _named("atan2"),
        (lambda y, a, b: divide(b, add(square(a), square(b))),
         lambda y, a, b: negative(divide(a, add(square(a), square(b))))),
        "derivative of atan2")),
    ("hypot", Pointwise(
        lambda a, b: Root(add(square(a), square(b))),
        (lambda y, a, b: divide(a, y), lambda y, a, b: divide(b, y)),
        "derivative of a root of squares")),
    ("xlogy", Pointwise(
        _named("xlogy"), (lambda y, a, b: _f("log", b), lambda y, a, b: divide(a, b)),
        "product rule")),
    ("xlog1py", Pointwise(
        _named("xlog1py"), (lambda y, a, b: _f("log1p", b), lambda y, a, b: divide(a, add(1, b))),
        "product rule")),
    ("remainder", Pointwise(
        _named("remainder", "mod"),
        (lambda y, a, b: expr(1), lambda y, a, b: negative(_f("floor", divide(a, b)))),
        "remainder")),
    ("fmod", Pointwise(
        _named("fmod"),
        (lambda y, a, b: expr(1), lambda y, a, b: negative(_f("trunc", divide(a, b)))),
        "remainder")),
    *(_unknown(op, n) for op, n in (
        ("digamma", 1), ("betaln", 2), ("log_ndtr", 1), ("normal_hazard", 1),
        ("normal_hazard_excess", 1))),
    *(_step(op) for op in ("sign", "floor", "ceil", "trunc", "signbit")),
    _step("rint", "round"),
    *(_step(op, operands=2) for op in ("floor_divide", "nextafter", "integer_power")),
    *(_step(op, operands=2) for op in (
        "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift",
        "logical_and", "logical_or")),
    *(_step(op) for op in ("invert", "logical_not")),
    _compared("less", "<"), _compared("less_equal", "≤"), _compared("greater", ">"),
    _compared("greater_equal", "≥"), _compared("equal", "="), _compared("not_equal", "≠"),
)  # fmt: skip
#: Elementwise operations, by the name of the primitive (and of the larger pieces).
POINTWISE_RULES: Final[Mapping[str, Pointwise]] = dict(_ALL)
