"""The chain rule on a composition: local derivatives, and their products over all paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chainrule.explain.derivations.symbolic.algebra import Algebra, canonical, simplified
from chainrule.explain.derivations.symbolic.differentiate import Line, differentiate
from chainrule.explain.derivations.symbolic.nearby import Nearby
from chainrule.explain.derivations.symbolic.pieces import Composition, Piece
from chainrule.explain.derivations.symbolic.selfmade import by_its_own_value
from chainrule.explain.derivations.symbolic.tree import size, substituted, symbols_of
from chainrule.explain.notation import (
    Apply,
    Cases,
    Derivative,
    Expr,
    Fraction,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
    add,
    equation,
    multiply,
    unicode,
)

#: Paths from the result to a variable that are written side by side; more are summed on the way.
MOST_PATHS: Final = 6
#: A substituted result of more nodes is not shown; the one in named pieces stands.
LONGEST: Final = 60


@dataclass(frozen=True)
class Local:
    """The derivative of a piece by one of its inputs.

    Attributes:
        piece: what is differentiated.
        by: the input.
        lines: how it comes about, rule by rule.
        result: the simplified derivative.
        held: other inputs of the piece that depend on this one: they are kept as they are.
    """

    piece: Piece
    by: Symbol
    lines: tuple[Line, ...]
    result: Expr
    held: tuple[Symbol, ...] = ()

    @property
    def name(self) -> Derivative:
        """∂u/∂x, or du/dx where the piece depends on x alone; (∂u/∂x)ᵥ where v is held."""
        is_partial = len(self.piece.inputs) > 1
        return Derivative(self.piece.symbol, self.by, is_partial, held=self.held)


def locals_of(
    composition: Composition, algebra: Algebra, nearby: Nearby
) -> dict[tuple[Symbol, Symbol], Local]:
    """The derivative of each piece by each input that leads to a variable."""
    leads = set(composition.wrt)
    beneath: dict[Symbol, set[Symbol]] = {}  # all that a piece depends on
    found: dict[tuple[Symbol, Symbol], Local] = {}
    for piece in composition.pieces:
        by = [x for x in piece.inputs if x in leads]
        if by:
            leads.add(piece.symbol)
        beneath[piece.symbol] = set(piece.inputs).union(*(beneath.get(x, ()) for x in piece.inputs))
        for x in by:
            held = tuple(v for v in piece.inputs if x in beneath.get(v, ()))
            local = _local(piece, x, algebra, composition.pieces, nearby)
            found[piece.symbol, x] = replace(local, held=held)
    return found


def _local(
    piece: Piece, x: Symbol, algebra: Algebra, pieces: Sequence[Piece], nearby: Nearby
) -> Local:
    steps = differentiate(piece.formula, x, partial=len(piece.inputs) > 1)
    lines = [Line(nearby.form(line.formula), line.rules) for line in steps]
    result = simplified(algebra, lines[-1].formula)
    if result != lines[-1].formula:
        lines.append(Line(result, ("simplify",)))
    own = None if piece is pieces[-1] else by_its_own_value(algebra, result, piece, pieces)
    if own is not None and own != result and nearby.agree(result, own):
        lines.append(Line(own, (f"in terms of {unicode(piece.symbol)}",)))
        result = own
    return Local(piece, x, tuple(lines), result)


Locals = Mapping[tuple[Symbol, Symbol], Local]
Path = tuple[Local, ...]


def paths_to(x: Symbol, result: Symbol, found: Locals) -> list[Path]:
    """All ways from the result to a variable, each the local derivatives along it."""
    ways: dict[Symbol, list[Path]] = {result: [()]}
    for (top, by), local in sorted(found.items(), key=lambda item: -_place(item[0][0], found)):
        for way in ways.get(top, []):
            ways.setdefault(by, []).append((*way, local))
    return sorted(ways.get(x, []), key=lambda way: [_place(k.piece.symbol, found) for k in way])


def _place(symbol: Symbol, found: Locals) -> int:
    return list(dict.fromkeys(top for top, _ in found)).index(symbol)


def count_paths(x: Symbol, result: Symbol, found: Locals) -> int:
    """How many ways there are, without walking them."""
    count: dict[Symbol, int] = {result: 1}
    for (top, by), _ in sorted(found.items(), key=lambda item: -_place(item[0][0], found)):
        count[by] = count.get(by, 0) + count.get(top, 0)
    return count.get(x, 0)


def users_of(symbol: Symbol, found: Locals) -> list[Local]:
    """The derivatives of the pieces that a value stands in, as they are worked out."""
    return [local for (_, by), local in found.items() if by == symbol]


def cotangents(
    composition: Composition, algebra: Algebra, found: Locals
) -> dict[Symbol, tuple[Expr, Expr]]:
    """Of each piece but the result, last ones first: (its derivative by name, its formula).

    What would be too long goes on by its name.
    """
    result = composition.result.symbol
    formulas: dict[Symbol, tuple[Expr, Expr]] = {}
    for piece in composition.pieces[-2::-1]:
        named: list[Expr] = []
        terms: list[Expr] = []
        for local in users_of(piece.symbol, found):
            top = local.piece.symbol
            name = Derivative(result, top, True)
            named.append(local.name if top == result else _row([name, local.name]))
            terms.append(multiply(_cotangent(top, name, formulas), local.result))
        if terms:
            formulas[piece.symbol] = (_sum_of(named), simplified(algebra, add(*terms)))
    return formulas


def _cotangent(top: Symbol, name: Expr, formulas: dict[Symbol, tuple[Expr, Expr]]) -> Expr:
    if top not in formulas:
        return Number(1)
    formula = formulas[top][1]
    return formula if size(formula) <= LONGEST // 3 else name


def _sum_of(terms: Sequence[Expr]) -> Expr:
    return Sum(tuple(terms)) if len(terms) > 1 else terms[0]


def symbolic_product(ways: Sequence[Path]) -> Expr:
    """Σ ∂L/∂u · ∂u/∂x, by name."""
    terms = [_row([local.name for local in way]) for way in ways]
    return Sum(tuple(terms)) if len(terms) > 1 else terms[0]


def product_of_factors(ways: Sequence[Path]) -> Expr:
    """The same with what each local derivative is."""
    terms = [_factors([local.result for local in way]) for way in ways]
    return Sum(tuple(terms)) if len(terms) > 1 else terms[0]


def _row(factors: Sequence[Expr]) -> Expr:
    return Product(tuple(factors)) if len(factors) > 1 else factors[0]


def _factors(factors: Sequence[Expr]) -> Expr:
    """Factor by factor, each as it is; those of 1 are left out."""
    flat: list[Expr] = []
    for f in factors:
        flat += f.factors if isinstance(f, Product) else [f] if f != Number(1) else []
    return _row(flat) if flat else Number(1)


def tidy_product(ways: Sequence[Path]) -> Expr:
    """The same, signs and numbers in front."""
    return add(*(multiply(*(local.result for local in way)) for way in ways))


@dataclass(frozen=True)
class Stage:
    """One form of a gradient, and how it came from the one before."""

    formula: Expr
    rule: str


def refined(composition: Composition, algebra: Algebra, start: Expr) -> list[Stage]:
    """From the product of the factors to the result: simplify, substitute, expand, factor."""
    stages: list[Stage] = []

    def note(formula: Expr | None, rule: str) -> None:
        last = stages[-1].formula if stages else start
        if formula is not None and formula != last:
            stages.append(Stage(formula, rule))

    note(simplified(algebra, start), "simplify")
    current = stages[-1].formula if stages else start
    opened, names = opened_by(composition, current)
    if names and size(opened) <= LONGEST:
        opened = min(canonical(algebra, opened), opened, key=size)
        note(opened, "substitute " + ", ".join(names))
        shorter = simplified(algebra, opened)
        if size(shorter) <= size(opened):
            note(shorter, "simplify")
    return stages


def opened_by(composition: Composition, e: Expr) -> tuple[Expr, list[str]]:
    """(the formula with what polynomial pieces are, "l = w x + b" of each that was opened)."""
    names: list[str] = []
    for piece in reversed(composition.pieces):
        if piece.symbol in symbols_of(e) and not _stays(piece.formula):
            e = substituted(e, {piece.symbol: piece.formula})
            names.append(unicode(equation(piece.symbol, piece.formula)))
    return e, names[::-1]


def _stays(e: Expr) -> bool:
    """Whether a piece keeps its name in the result: p = 1/(1 + e⁻ᶻ), h = tanh(a)."""
    match e:
        case Apply() | Root() | Cases():
            return True
        case Power(exponent=exponent):
            return bool(symbols_of(exponent))
        case Fraction(bottom=bottom):
            return bool(symbols_of(bottom))
    return False
