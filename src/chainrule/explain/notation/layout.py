"""From the tree to ink: the one walker that knows precedence, for every style of printing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from chainrule.explain.notation.elements import element
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
from chainrule.explain.notation.style import Face, Spacing, Style

# How tightly a part binds; a part that binds less than its place asks is put in parentheses.
RELATION, SUM, HADAMARD, PRODUCT, UNARY, ATOM = range(6)


def layout(e: Expr, style: Style) -> str:
    """The formula in one style.

    Raises:
        TypeError: what is no node of a formula.
    """
    printer = _PRINTERS.get(type(e))
    if printer is None:
        raise TypeError(f"expected a formula, got {type(e).__name__}")
    return printer(e, style)


def binding(e: Expr, style: Style) -> int:
    """How tightly the printed part holds together."""
    match e:
        case Relation():
            return RELATION
        case Sum() | Negative() | Text() | Cases():
            return SUM
        case Number(value) if value < 0:
            return SUM
        case Number(value) if _digits(value)[1]:
            return PRODUCT
        case Hadamard():
            return HADAMARD
        case Product() | MatrixProduct() | SumOver() | Total():
            return PRODUCT
        case Fraction() | Derivative():
            return PRODUCT if style.flat else UNARY
        case Power() | Transpose() | OneHot() | Root():
            return UNARY
    return ATOM


def _at(e: Expr, level: int, style: Style) -> str:
    """The part, in parentheses if it binds less than ``level``."""
    printed = layout(e, style)
    return printed if binding(e, style) >= level else style.fence("(", printed, ")")


def _symbol(e: Symbol, style: Style, more: str = "") -> str:
    """The letter and its marks; ``more`` stands above behind them."""
    face: Face = "bold" if e.kind != "scalar" else "italic"
    base = style.letter(e.name, face if len(e.name) == 1 else "upright")
    below = style.letter(e.subscript, _plain(e.subscript)) if e.subscript else ""
    above = style.fence("(", _mark(e.superscript, style), ")") if e.superscript else ""
    both = style.row([above, more]) if above and more else above or more
    return style.scripts(base, below, both) if below or both else base


def _mark(text: str, style: Style) -> str:
    return style.number(text, "") if text.isdigit() else style.letter(text, _plain(text))


def _plain(text: str) -> Face:
    return "italic" if len(text) == 1 else "upright"


def _digits(value: float) -> tuple[str, str]:
    """(digits, power of ten or "") of a number, every digit of it."""
    text = repr(value.item() if hasattr(value, "item") else value).removesuffix(".0")
    mantissa, _, exponent = text.partition("e")
    return mantissa.removesuffix(".0"), str(int(exponent)) if exponent else ""


def _number(e: Number, style: Style) -> str:
    if e.value != e.value:
        return style.words("NaN")
    digits, exponent = _digits(e.value)
    if digits.endswith("inf"):
        infinity = style.letter("∞", "upright")
        return style.prefix("−", infinity) if digits.startswith("-") else infinity
    if digits.startswith("-"):
        return style.prefix("−", style.number(digits[1:], exponent))
    return style.number(digits, exponent)


def _negative(e: Negative, style: Style) -> str:
    return style.prefix("−", _at(e.body, HADAMARD, style))


def _sum(e: Sum, style: Style) -> str:
    parts = [_at(e.terms[0], SUM, style)]
    for term in e.terms[1:]:
        is_less = isinstance(term, Negative)
        body = term.body if isinstance(term, Negative) else term
        parts += [style.infix("−" if is_less else "+"), _at(body, HADAMARD, style)]
    return style.row(parts)


def _product(e: Product | MatrixProduct, style: Style) -> str:
    printed = [_factor(f, k, len(e.factors), style) for k, f in enumerate(e.factors)]
    gaps = [_gap(a, b) for a, b in zip(e.factors, e.factors[1:], strict=False)]
    return style.product(printed, gaps)


def _factor(e: Expr, place: int, count: int, style: Style) -> str:
    """A sum Σ takes in all that is to its right: elsewhere than at the end it is closed.

    A fraction on one line divides by all that follows it, unless it is closed.
    """
    last = place == count - 1
    open_right = isinstance(e, SumOver | Total) and not last
    is_open = isinstance(e, Derivative) and not e.held
    is_flat = style.flat and (is_open or (isinstance(e, Fraction) and place > 0))
    nested = isinstance(e, Product | MatrixProduct)
    if open_right or is_flat or nested or (isinstance(e, Fraction) and style.flat and not last):
        return style.fence("(", layout(e, style), ")")
    return _at(e, PRODUCT, style)


def _gap(left: Expr, right: Expr) -> Spacing:
    if _begins_with_digit(right) or (isinstance(left, Number) and isinstance(right, Negative)):
        return "dot"
    if isinstance(right, Derivative | Fraction) and isinstance(left, Derivative | Fraction):
        return "dot"
    return "tight" if _is_tight(left) and _is_tight(right) else "thin"


def _begins_with_digit(e: Expr) -> bool:
    match e:
        case Number() | Constant(name="NaN" | "∞"):
            return True
        case Power(base=body) | Product(factors=(body, *_)) | Fraction(top=body):
            return _begins_with_digit(body)
    return False


def _is_tight(e: Expr) -> bool:
    match e:
        case Symbol(name=name, superscript=above, kind=kind):
            return len(name) == 1 and not above and kind == "scalar"
        case Number() | Sum() | Constant() | Negative():
            return True
        case Power(base=body):
            return _is_tight(body)
    return False


def _hadamard(e: Hadamard, style: Style) -> str:
    parts: list[str] = []
    for k, f in enumerate(e.factors):
        parts += [style.infix("⊙")] if k else []
        is_open = isinstance(f, SumOver | Total) and k < len(e.factors) - 1
        parts.append(_at(f, ATOM if is_open else PRODUCT, style))
    return style.row(parts)


def _fraction(e: Fraction, style: Style) -> str:
    if not style.flat:
        return style.fraction(layout(e.top, style), layout(e.bottom, style))
    top = _at(e.top, ATOM if isinstance(e.top, Derivative) else PRODUCT, style)
    return style.fraction(top, _at(e.bottom, UNARY, style))


def _power(e: Power, style: Style) -> str:
    if isinstance(e.base, Index) and isinstance(e.base.body, Symbol):
        return _index(e.base, style, layout(e.exponent, style))
    base = _at(e.base, ATOM, style)
    if isinstance(e.base, Symbol) and e.base.superscript:
        base = style.fence("(", base, ")")
    return style.scripts(base, "", layout(e.exponent, style))


def _transpose(e: Transpose, style: Style) -> str:
    mark = style.letter("T", "upright")
    if isinstance(e.body, Symbol):
        return _symbol(e.body, style, mark)
    if isinstance(e.body, OneHot):
        return style.scripts(style.letter("e", "bold"), layout(e.body.label, style), mark)
    return style.scripts(_at(e.body, ATOM, style), "", mark)


def _apply(e: Apply, style: Style) -> str:
    name = style.function(e.name)
    below = style.letter(e.subscript, _plain(e.subscript)) if e.subscript else ""
    above = _mark(e.superscript, style) if e.superscript else ""
    marked = style.scripts(name, below, above) if below or above else name
    return style.row([marked, style.fence("(", _listed(e.arguments, style), ")")])


def _listed(parts: tuple[Expr, ...], style: Style) -> str:
    row: list[str] = []
    for k, part in enumerate(parts):
        row += [style.infix(",")] if k else []
        row.append(layout(part, style))
    return style.row(row)


def _norm(e: Norm, style: Style) -> str:
    below = style.letter(e.order, "upright") if e.order else ""
    fenced = style.fence("‖", layout(e.body, style), "‖")
    return style.scripts(fenced, below, "") if below else fenced


def _index(e: Index, style: Style, above: str = "") -> str:
    letters = all(isinstance(i, Symbol) and len(i.name) == 1 for i in e.indices)
    comma = [] if letters else [style.infix(",")]
    parts = [x for k, i in enumerate(e.indices) for x in (*(comma if k else []), layout(i, style))]
    return _below(e.body, parts, style, above)


def _below(body: Expr, indices: list[str], style: Style, above: str) -> str:
    below = style.row(indices)
    if isinstance(body, Symbol) and not body.subscript:
        base = style.letter(body.name, _plain(body.name))
        mark = body.superscript
        fenced = style.fence("(", _mark(mark, style), ")") if mark else ""
        if fenced and above:
            whole = style.scripts(base, below, fenced)
            return style.scripts(style.fence("(", whole, ")"), "", above)
        return style.scripts(base, below, fenced or above)
    return style.scripts(style.fence("(", layout(body, style), ")"), below, above)


def _relation(e: Relation, style: Style) -> str:
    goes_on = e.parts[0] == Text("")  # from the line before: = x
    parts = [] if goes_on else [_at(e.parts[0], SUM, style)]
    for sign, part in zip(e.signs, e.parts[1:], strict=True):
        parts += [style.infix(sign), _at(part, SUM, style)]
    return style.row(parts)


def _indicator(e: Indicator, style: Style) -> str:
    one = style.letter("1", "bold")
    return style.row([one, style.fence("[", layout(e.condition, style), "]")])


def _cases(e: Cases, style: Style) -> str:
    rows = [
        (layout(value, style), style.row([style.words("if "), layout(condition, style)]))
        for value, condition in e.branches
    ]
    return style.cases([*rows, (layout(e.otherwise, style), style.words("otherwise"))])


def _sum_over(e: SumOver, style: Style) -> str:
    start = style.row([layout(e.index, style), style.infix("="), layout(e.start, style)])
    return style.total(start, layout(e.stop, style), _at(e.body, PRODUCT, style))


def _total(e: Total, style: Style) -> str:
    below = [style.letter(i, "italic") for i in e.summed]
    body = element(e.body, tuple(Symbol(i) for i in e.indices))
    return style.total(style.row(below), "", _at(body, PRODUCT, style))


def _derivative(e: Derivative, style: Style) -> str:
    mark = style.letter("∂" if e.partial else "d", "upright")
    raised = style.scripts(mark, "", style.number(str(e.order), "")) if e.order > 1 else mark
    top = style.row([raised, _at(e.top, ATOM, style)]) if e.top is not None else raised
    bottom = _at(e.bottom, ATOM, style)
    order = style.number(str(e.order), "")
    powered = style.scripts(bottom, "", order) if e.order > 1 else bottom
    written = style.fraction(top, style.row([mark, powered]))
    if not e.held:
        return written
    return style.scripts(style.fence("(", written, ")"), _listed(e.held, style), "")


def _one_hot(e: OneHot, style: Style) -> str:
    return style.scripts(style.letter("e", "bold"), layout(e.label, style), "")


def _abs(e: Abs, style: Style) -> str:
    return style.fence("|", layout(e.body, style), "|")


def _fixed(letter: str, face: Face, e: Any, style: Style) -> str:
    return style.letter(letter or e.name, face)


_PRINTERS: Final[dict[type[Expr], Callable[[Any, Style], str]]] = {
    Symbol: _symbol,
    Number: _number,
    Constant: partial(_fixed, "", "upright"),
    Text: lambda e, style: style.words(e.text),
    Negative: _negative,
    Sum: _sum,
    Product: _product,
    MatrixProduct: _product,
    Hadamard: _hadamard,
    Fraction: _fraction,
    Power: _power,
    Transpose: _transpose,
    Root: lambda e, style: style.root(layout(e.body, style), e.degree),
    Abs: _abs,
    Norm: _norm,
    Apply: _apply,
    Index: _index,
    Relation: _relation,
    Indicator: _indicator,
    Cases: _cases,
    SumOver: _sum_over,
    Total: _total,
    Derivative: _derivative,
    Ones: partial(_fixed, "1", "bold"),
    OneHot: _one_hot,
    Matrix: lambda e, style: style.table([[layout(x, style) for x in row] for row in e.rows]),
}
