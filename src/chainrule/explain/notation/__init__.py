"""Formulas as a tree: one set of nodes, printed as LaTeX, MathML and text, and evaluated.

    latex(e) -> str              for the mathematics mode, amsmath alone
    mathml(e, display=False)     a whole <math> element; alttext is the text
    unicode(e) -> str            one line for a terminal
    evaluate(e, values) -> array values: key of a symbol -> array

Nodes (``notation.nodes``) are frozen dataclasses, compared by value. Parentheses come by precedence
alone; names are escaped by the printers. Build them raw, exactly as they shall be printed
(``Sum((a, Negative(b)))`` is a - b, ``Product((Number(2), x))`` is 2x, ``Power(x, Number(2))``), or
by the builders, which flatten and tidy (``add``, ``subtract``, ``negative``, ``multiply``,
``divide``, ``power``, ``matmul``, ``hadamard``, ``transpose``; they take numbers too).

    symbol("x1")                 a name of a program -> Symbol("x", subscript="1"), key "x1"
    Symbol("W", superscript="2", kind="matrix")          W⁽²⁾, key "W^(2)"
    Derivative(Symbol("L"), x)   ∂L/∂x, key "∂L/∂x" (``partial=False``: d; ``order=2``; top None)
    equation(a, b, c)            a = b = c: Relation((a, b, c), ("=", "="))
    Number(0.5), Constant("π", math.pi), PI, EULER
    Apply("log", (x,))           known names need no call: ``evaluation.FUNCTIONS``
    Indicator(Relation((z, Number(0)), (">",)))          𝟏[z > 0]
    Cases(((value, condition), ...), otherwise)
    Index(x, (i,)), SumOver(i, Number(1), n, body)       indices start at 1, as printed
    Total(body, ("i",))          Σᵢ bodyᵢ over a whole array; Ones(n) is 𝟏, OneHot(y, k) is e_y

Vectors are columns (n, 1), and an array (n,) of a value is taken as one. Elementwise operations
take equal shapes or numbers, nothing else: what is printed must be right as mathematics.
"""

from chainrule.explain.notation.build import (
    EULER,
    ONE,
    PI,
    ZERO,
    add,
    divide,
    equation,
    expr,
    hadamard,
    is_number,
    matmul,
    multiply,
    negative,
    power,
    subtract,
    symbol,
    transpose,
)
from chainrule.explain.notation.evaluation import FUNCTIONS, evaluate
from chainrule.explain.notation.latex import latex
from chainrule.explain.notation.magnitude import magnitude
from chainrule.explain.notation.mathml import mathml
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
    Text,
    Total,
    Transpose,
)
from chainrule.explain.notation.unicode import unicode

__all__ = [
    "EULER", "FUNCTIONS", "ONE", "PI", "ZERO", "Abs", "Apply", "Cases", "Constant", "Derivative",
    "Expr", "Fraction", "Hadamard", "Index", "Indicator", "Matrix", "MatrixProduct", "Negative",
    "Norm", "Number", "OneHot", "Ones", "Power", "Product", "Relation", "Root", "Sum", "SumOver",
    "Symbol", "Text", "Total", "Transpose", "add", "divide", "equation", "evaluate", "expr",
    "hadamard", "is_number", "latex", "magnitude", "mathml", "matmul", "multiply", "negative",
    "power", "subtract", "symbol", "transpose", "unicode",
]  # fmt: skip
