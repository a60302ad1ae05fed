"""One tree, three printers and a value."""

from __future__ import annotations

import importlib
import math
import warnings
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, strategies

from chainrule.errors import ShapeError, TraceError
from chainrule.explain.notation import (
    EULER,
    Abs,
    Apply,
    Cases,
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
    Text,
    Total,
    Transpose,
    add,
    divide,
    equation,
    evaluate,
    latex,
    magnitude,
    mathml,
    matmul,
    multiply,
    negative,
    power,
    subtract,
    symbol,
    unicode,
)

with warnings.catch_warnings():  # its import of its fonts is an old one
    warnings.simplefilter("ignore", DeprecationWarning)
    ziamath = importlib.import_module("ziamath")

w, x, y, b, n = map(symbol, "wxybn")
i = Symbol("i")
W = Symbol("W", superscript="2", kind="matrix")
v = Symbol("v", kind="vector")
u = Symbol("u", kind="vector")
TWO, THREE = Number(2), Number(3)
WRITTEN: dict[str, Expr] = {
    "wx + b − y": Sum((Product((w, x)), b, Negative(y))),
    "2x(wx + b − y)": multiply(2, x, subtract(add(multiply(w, x), b), y)),
    "(y − (w + b))²": power(subtract(y, Sum((w, b))), 2),
    "−(x − y)": Negative(Sum((x, Negative(y)))),
    "x − (y + b)": Sum((x, Negative(Sum((y, b))))),
    "x(−y)": Product((x, Negative(y))),
    "2·3x": Product((TWO, THREE, x)),
    "(x²)³": Power(Power(x, TWO), THREE),
    "(−x)²": Power(Negative(x), TWO),
    "1/(n(x + 1))": divide(1, multiply(n, add(x, 1))),
    "(x/y)·(w/b)": Product((Fraction(x, y), Fraction(w, b))),
    "x/(y/b)": Fraction(x, Fraction(y, b)),
    "e⁻ˣ": Power(EULER, Negative(x)),
    "√(x + 1)": Root(add(x, 1)),
    "∛x": Root(x, 3),
    "|x + y|": Abs(add(x, y)),
    "‖v‖₂": Norm(v, "2"),
    "sin(x)²": Power(Apply("sin", (x,)), TWO),
    "W⁽²⁾ᵀ v ⊙ 𝟏[u > 0]": Hadamard((
        MatrixProduct((Transpose(W), v)), Indicator(Relation((u, Number(0)), (">",))))),
    "(v ⊙ u)ᵀ v": MatrixProduct((Transpose(Hadamard((v, u))), v)),
    "Σᵢ vᵢ uᵢ²": Total(Hadamard((v, Power(u, TWO))), ("i",)),
    "Σᵢ (vᵢ − 1)": Total(Sum((v, Negative(Number(1)))), ("i",)),
    "Σᵢ₌₁³ vᵢ²": SumOver(i, Number(1), THREE, Power(Index(v, (i,)), TWO)),
    "(Σᵢ vᵢ) v": Product((Total(v, ("i",)), v)),
    "∂L/∂W⁽²⁾ = v uᵀ": equation(Derivative(Symbol("L"), W), MatrixProduct((v, Transpose(u)))),
    "∂²L/∂x²": Derivative(Symbol("L"), x, order=2),
    "d/dx": Derivative(None, x, partial=False),
    "{ x if x > 0; 0 otherwise }": Cases(((x, Relation((x, Number(0)), (">",))),), Number(0)),
    "e_yᵀ v": MatrixProduct((Transpose(OneHot(y, 3)), v)),
    "[x, y; w, b]": Matrix(((x, y), (w, b))),
    "10⁻⁵": Number(1e-5),
    "2.5·10⁻⁷x": Product((Number(2.5e-7), x)),
    "−2.5": Number(-2.5),
    "∞": Number(math.inf),
    "𝟏": Ones(3),
}  # fmt: skip
NAMES = {
    "x1": "x₁",
    "W_hidden": "W_hidden",
    "theta": "θ",
    "lambda": "λ",
    "θ": "θ",
    "weights.0": "weights₀",
    "p.w": "p.w",
    "a_b<c>": "a_b<c>",
    "": "",
}
HOSTILE_NAMES = [
    "a^b\\c~$%#&{}",
    "<script>",
    "日本",
    "a b",
    "θx2",
    "\x00\x1b",
    "]]>",
    "'\"",
    "\\end{x}",
]


def _drawn(e: Expr) -> None:
    ziamath.Latex(latex(e)).svg()
    tree = ET.fromstring(mathml(e, display=True))
    del tree.attrib["alttext"]  # quotes in it are beyond the engine
    ziamath.Math(ET.tostring(tree, encoding="unicode", default_namespace=None)).svg()


@pytest.mark.parametrize("text", list(WRITTEN))
def test_a_formula_is_written_with_the_parentheses_that_it_needs(text: str) -> None:
    """And no others; LaTeX and MathML of it are drawn by an engine."""
    assert unicode(WRITTEN[text]) == text
    _drawn(WRITTEN[text])


@pytest.mark.parametrize("name", list(NAMES))
def test_names_of_programs_are_read(name: str) -> None:
    """Digits and what is behind an underscore go below, Greek letters by name."""
    assert unicode(symbol(name)) == NAMES[name]
    assert symbol(name).key == name or not name


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_breaks_out_of_its_place(name: str) -> None:
    """Whatever a user calls an argument is text in LaTeX and in MathML."""
    for e in (symbol(name), Apply(name, (x,)), Text(name), Symbol("x", subscript=name)):
        _drawn(e)


def _values() -> dict[str, Any]:
    return {"x": 2.0, "y": 1.0, "w": 3.0, "b": -0.5, "n": 4, "v": [1.0, 2.0, 3.0],
            "u": [0.5, -1.0, 2.0], "W^(2)": np.arange(9.0).reshape(3, 3)}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2x(wx + b − y)", 18.0),
        ("(y − (w + b))²", 2.25),
        ("x/(y/b)", -1.0),
        ("Σᵢ vᵢ uᵢ²", 0.25 + 2 + 12),
        ("Σᵢ₌₁³ vᵢ²", 14.0),
        ("e_yᵀ v", 2.0),
        ("{ x if x > 0; 0 otherwise }", 2.0),
        ("‖v‖₂", math.sqrt(14)),
        ("(v ⊙ u)ᵀ v", 0.5 - 4 + 18),
    ],
)
def test_the_value_is_that_of_what_is_printed(text: str, value: float) -> None:
    """Vectors are columns, indices start at 1, classes at 0."""
    assert float(evaluate(WRITTEN[text], _values())) == pytest.approx(value, rel=1e-15)


def test_shapes_that_mathematics_would_not_add_are_refused() -> None:
    """A column and a row do not fit, inner sizes must."""
    with pytest.raises(ShapeError, match="do not fit"):
        evaluate(Sum((v, Transpose(v))), _values())
    with pytest.raises(ShapeError, match="inner sizes"):
        evaluate(MatrixProduct((v, v)), _values())
    with pytest.raises(TraceError, match="no value for z"):
        evaluate(symbol("z"), _values())


def test_cancelling_terms_keep_their_magnitude() -> None:
    """Rounding is measured by the terms, not by what is left of them."""
    assert magnitude(Sum((x, Negative(x))), {"x": 3.0}) == 6.0
    assert magnitude(matmul(Transpose(v), u), _values()) == pytest.approx(0.5 + 2 + 6)


def _trees() -> Any:
    leaves = strategies.sampled_from([w, x, y, Number(2), Number(0.5), Number(-3), EULER])

    def grown(inner: Any) -> Any:
        pair = strategies.tuples(inner, inner)
        return strategies.one_of(
            pair.map(Sum),
            pair.map(Product),
            pair.map(lambda p: Fraction(p[0], Sum((Number(7), Power(p[1], TWO))))),
            inner.map(Negative),
            inner.map(lambda e: Power(e, TWO)),
            inner.map(lambda e: Apply("tanh", (e,))),
        )

    return strategies.recursive(leaves, grown, max_leaves=8)


@given(_trees())
def test_text_of_random_formulas_means_the_formula(e: Expr) -> None:
    """Read as Python, the printed line has the value of the tree: no parenthesis is missing."""
    text = unicode(e)
    for shown, meant in (
        ("²", "**2"), ("−", "-"), ("·", "*"), (" + ", "+"), (" - ", "-"), (" ", "*"),
    ):  # fmt: skip
        text = text.replace(shown, meant)
    for function in ("tanh",):
        text = text.replace(function, "T")
    spaced = "".join(
        f"{c}*" if c not in "+-*/(.T" and d not in "+-*/).0123456789" else
        f"{c}*" if c in ")0123456789xywe" and d in "(xyweT" else c
        for c, d in zip(text, [*text[1:], ")"], strict=True)
    )  # fmt: skip
    values = {"w": 1.3, "x": -0.7, "y": 0.4}
    meaning = eval(spaced, {"T": math.tanh, "e": math.e, **values})
    np.testing.assert_allclose(meaning, evaluate(e, values), rtol=1e-9, atol=1e-12)


@given(_trees(), _trees())
def test_builders_tidy_without_changing_the_value(a: Expr, c: Expr) -> None:
    """Sums, products, quotients and signs."""
    values = {"w": 1.3, "x": -0.7, "y": 0.4}
    p, q = (float(evaluate(e, values)) for e in (a, c))
    for built, meant in (
        (add(a, c, a), p + q + p),
        (subtract(a, c), p - q),
        (multiply(a, c), p * q),
        (negative(add(a, negative(c))), q - p),
        (divide(a, add(power(c, 2), 1)), p / (q * q + 1)),
    ):
        np.testing.assert_allclose(evaluate(built, values), meant, rtol=1e-9, atol=1e-9)


def test_a_name_with_blanks_is_one_letter_and_no_product():
    """A column "a b" of a user's is a_b."""
    assert unicode(symbol("a b")) == "a_b"
    assert " " not in latex(symbol("a b"))
