"""The elementary functions: how each is written, and its derivative with the name of the rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.explain.notation import (
    EULER,
    PI,
    Apply,
    Cases,
    Expr,
    Fraction,
    Indicator,
    Negative,
    Number,
    Power,
    Product,
    Relation,
    Root,
    Sum,
)
from chainrule.ops import PRIMITIVES

ONE: Final = Number(1)
TWO: Final = Number(2)
ZERO: Final = Number(0)


def squared(x: Expr) -> Expr:
    """x²."""
    return Power(x, TWO)


def reciprocal(x: Expr) -> Expr:
    """1/x; of a fraction the fraction turned round."""
    return Fraction(x.bottom, x.top) if isinstance(x, Fraction) else Fraction(ONE, x)


def exponential(x: Expr) -> Expr:
    """e to the x."""
    return Power(EULER, x)


def difference(a: Expr, b: Expr) -> Expr:
    """a - b."""
    return Sum((a, Negative(b)))


@dataclass(frozen=True)
class Function:
    """A function that is written by its name.

    Attributes:
        op: the primitive whose values these are.
        name: as it is printed.
        derivatives: one per argument, of all arguments.
        rule: what the derivative is called in a derivation.
        subscript: printed at the foot of the name.
    """

    op: str
    name: str
    derivatives: tuple[Callable[..., Expr], ...]
    rule: str
    subscript: str = ""

    def __call__(self, *arguments: Expr) -> Apply:
        return Apply(self.name, arguments, PRIMITIVES[self.op].evaluate, self.subscript)


def _of(op: str, derivative: Callable[..., Expr], name: str = "", rule: str = "") -> Function:
    shown = name or op
    return Function(op, shown, (derivative,), rule or f"derivative of {shown}")


def _gauss(x: Expr) -> Expr:
    """The density of the standard normal distribution."""
    return Fraction(exponential(Negative(Fraction(squared(x), TWO))), Root(Product((TWO, PI))))


def _sigmoid(x: Expr) -> Expr:
    return FUNCTIONS["sigmoid"](x)


def _both(a: Expr, b: Expr) -> Expr:
    return Sum((squared(a), squared(b)))


def _one_more(x: Expr) -> Expr:
    return Sum((ONE, *(x.terms if isinstance(x, Sum) else (x,))))


def _named(op: str, x: Expr) -> Expr:
    return FUNCTIONS[op](x)


def _digamma(x: Expr) -> Expr:
    return FUNCTIONS["digamma"](x)


_ROOT_PI: Final = Root(PI)
_ALL: Final = (
    _of("log", reciprocal, rule="derivative of the logarithm"),
    _of("log1p", lambda u: reciprocal(_one_more(u)), rule="derivative of the logarithm"),
    _of("expm1", exponential, rule="exponential rule"),
    Function("log2", "log", (lambda u: Fraction(ONE, Product((u, _log(TWO)))),), "logarithm", "2"),
    Function(
        "log10",
        "log",
        (lambda u: Fraction(ONE, Product((u, _log(Number(10))))),),
        "logarithm",
        "10",
    ),
    _of("sin", lambda u: _named("cos", u)),
    _of("cos", lambda u: Negative(FUNCTIONS["sin"](u))),
    _of("tan", lambda u: Sum((ONE, squared(FUNCTIONS["tan"](u))))),
    _of("asin", lambda u: reciprocal(Root(difference(ONE, squared(u)))), "arcsin"),
    _of("acos", lambda u: Negative(reciprocal(Root(difference(ONE, squared(u))))), "arccos"),
    _of("atan", lambda u: reciprocal(Sum((ONE, squared(u)))), "arctan"),
    _of("sinh", lambda u: _named("cosh", u)),
    _of("cosh", lambda u: _named("sinh", u)),
    _of("tanh", lambda u: difference(ONE, squared(FUNCTIONS["tanh"](u)))),
    _of("asinh", lambda u: reciprocal(Root(Sum((squared(u), ONE)))), "arsinh"),
    _of(
        "acosh",
        lambda u: reciprocal(Product((Root(difference(u, ONE)), Root(Sum((u, ONE)))))),
        "arcosh",
    ),
    _of("atanh", lambda u: reciprocal(difference(ONE, squared(u))), "artanh"),
    _of(
        "sigmoid",
        lambda u: Product((_sigmoid(u), difference(ONE, _sigmoid(u)))),
        "σ",
        "derivative of the sigmoid",
    ),
    _of("softplus", _sigmoid),
    _of("logit", lambda u: reciprocal(Product((u, difference(ONE, u))))),
    _of("erf", lambda u: Product((Fraction(TWO, _ROOT_PI), exponential(Negative(squared(u)))))),
    _of(
        "erfc",
        lambda u: Negative(Product((Fraction(TWO, _ROOT_PI), exponential(Negative(squared(u)))))),
    ),
    _of(
        "erfinv",
        lambda u: Product((Fraction(_ROOT_PI, TWO), exponential(squared(FUNCTIONS["erfinv"](u))))),
    ),
    _of("ndtr", _gauss, "Φ", "derivative of Φ, the normal density"),
    _of(
        "ndtri",
        lambda u: Product(
            (
                Root(Product((TWO, PI))),
                exponential(Fraction(squared(FUNCTIONS["ndtri"](u)), TWO)),
            )
        ),
        "probit",
    ),
    _of("gammaln", _digamma, "logΓ", "derivative of log Γ"),
    _of("gamma", lambda u: Product((FUNCTIONS["gamma"](u), _digamma(u))), "Γ"),
    _of("digamma", lambda u: Apply("ψ′", (u,), lambda x: _polygamma(1, x)), "ψ"),
    _of("sign", lambda u: ZERO, "sign", "constant but where it jumps"),
    _of("floor", lambda u: ZERO, "floor", "constant but where it jumps"),
    _of("stop_gradient", lambda u: ZERO, "stop", "held constant by stop_gradient"),
    Function(
        "atan2",
        "atan2",
        (
            lambda a, b: Fraction(b, _both(a, b)),
            lambda a, b: Negative(Fraction(a, _both(a, b))),
        ),
        "derivative of atan2",
    ),
    Function(
        "hypot",
        "hypot",
        (
            lambda a, b: Fraction(a, Root(_both(a, b))),
            lambda a, b: Fraction(b, Root(_both(a, b))),
        ),
        "derivative of a root of squares",
    ),
    Function(
        "logaddexp",
        "logaddexp",
        (
            lambda a, b: _sigmoid(difference(a, b)),
            lambda a, b: _sigmoid(difference(b, a)),
        ),
        "derivative of log(eᵃ + eᵇ)",
    ),
)
#: By the name of the primitive.
FUNCTIONS: Final[dict[str, Function]] = {function.op: function for function in _ALL}
_BY_NAME: Final = {(function.name, function.subscript): function for function in _ALL}


def _log(x: Expr) -> Expr:
    return FUNCTIONS["log"](x)


def _polygamma(order: int, x: Any) -> Any:
    return PRIMITIVES["polygamma"].evaluate(np.asarray(x, np.float64), order=order)


def opaque(op: str, *arguments: Expr) -> Apply:
    """A function that has no formula here: its name, and its values by NumPy."""
    return Apply(op, arguments, PRIMITIVES[op].evaluate)


def extreme(name: str, *arguments: Expr) -> Apply:
    """max(a, b, ...) or min(a, b, ...), of a nested one in one list."""
    flat: list[Expr] = []
    for x in arguments:
        flat += x.arguments if isinstance(x, Apply) and x.name == name else [x]
    return Apply(name, tuple(flat), _EXTREMES[name])


def _largest(*xs: Any) -> Any:
    return np.maximum.reduce(xs)


def _smallest(*xs: Any) -> Any:
    return np.minimum.reduce(xs)


_EXTREMES: Final[dict[str, Callable[..., Any]]] = {"max": _largest, "min": _smallest}


def derivative_of(e: Apply, k: int) -> tuple[Expr, str]:
    """(the derivative by argument k, the rule's name)."""
    if e.name in _EXTREMES:
        return _chosen(e, k), f"{e.name}: 1 for the one that is taken, 0 for the others"
    function = _BY_NAME.get((e.name, e.subscript))
    if function is not None:
        return function.derivatives[k](*e.arguments), function.rule
    return _numeric(e, k), f"derivative of {e.name}"


def _chosen(e: Apply, k: int) -> Expr:
    """1 where argument k is the largest (smallest), shared equally where several are."""
    own = e.arguments[k]
    others = [x for i, x in enumerate(e.arguments) if i != k]
    if len(others) > 1:
        return Fraction(
            Indicator(Relation((own, e), ("=",))),
            Sum(tuple(Indicator(Relation((x, e), ("=",))) for x in e.arguments)),
        )
    first = Relation((own, others[0]), (">" if e.name == "max" else "<",))
    tie = Relation((own, others[0]), ("=",))
    return Cases(((ONE, first), (Fraction(ONE, TWO), tie)), ZERO)


def _numeric(e: Apply, k: int) -> Expr:
    """The derivative by a number alone: the primitive's own rule, at a cotangent of 1."""
    rules: Any = PRIMITIVES[e.name].vjp
    value = PRIMITIVES[e.name].evaluate

    def slope(*xs: Any) -> Any:
        arrays = [np.asarray(x, np.float64) for x in xs]
        return rules[k](np.ones_like(arrays[0]), value(*arrays), *arrays)

    mark = "′" if len(e.arguments) == 1 else f"′ by argument {k + 1}"
    return Apply(f"{e.name}{mark}", e.arguments, slope)
