"""Expanding, factoring and simplifying formulas by SymPy, and back in a person's order of terms.

Only arithmetic goes to SymPy, over real symbols: every function (sin, log, σ, ...) of an argument
is one symbol more, so that nothing is used of it that does not hold everywhere. Powers of e are
one symbol for all multiples of an exponent.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import sympy

from chainrule.explain.derivations.symbolic import order
from chainrule.explain.derivations.symbolic.functions import FUNCTIONS
from chainrule.explain.derivations.symbolic.signs import roots_below, turned
from chainrule.explain.derivations.symbolic.tree import every, size, symbols_of
from chainrule.explain.notation import (
    EULER,
    PI,
    Abs,
    Apply,
    Cases,
    Constant,
    Derivative,
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
    Symbol,
)

Sym: TypeAlias = Any  # sympy.Expr

#: Formulas beyond this many nodes are not simplified, and those of more terms not expanded.
MOST_NODES: Final = 220
MOST_TERMS: Final = 60


#: What SymPy makes of 1/0: such a part is not looked into.
_NO_NUMBERS: Final = (sympy.zoo, sympy.nan, sympy.oo, -sympy.oo)


class Algebra:
    """Formulas of one function: which symbols there are, and in which order they are written.

    Args:
        written: formulas as the user wrote them: letters stand in the order of this list.
    """

    def __init__(self, written: Sequence[Expr]) -> None:
        self.letters: dict[Expr, Sym] = {}
        self.atoms: dict[Sym, Expr] = {}
        self.exponents: dict[Sym, Sym] = {}
        self.decimals = False
        self.sums: dict[Sym, Expr] = {}
        for e in written:
            for symbol in symbols_of(e):
                self._letter(symbol)
        for e in written:
            self.sympy(e)
            for part in every(e):
                if isinstance(part, Sum) and not any(map(_has_sum, part.terms)):
                    self.sums.setdefault(self.sympy(part), part)

    # -- to SymPy ---------------------------------------------------------------------------

    def sympy(self, e: Expr) -> Sym:
        """The formula as SymPy has it."""
        made = _TO_SYMPY[type(e)](self, e)
        return self._letter(e) if made.has(*_NO_NUMBERS) else made

    def _letter(self, e: Expr) -> Sym:
        """One real symbol for a symbol, or for a part that is not looked into."""
        if e not in self.letters:
            made = sympy.Symbol(f"x{len(self.letters):04d}", real=True)
            self.letters[e], self.atoms[made] = made, e
        return self.letters[e]

    def _number(self, e: Number) -> Sym:
        if isinstance(e.value, int) or float(e.value).is_integer():
            return sympy.Integer(int(e.value))
        self.decimals = True
        return sympy.Rational(repr(float(e.value)))

    def _constant(self, e: Constant) -> Sym:
        return {PI: sympy.pi, EULER: sympy.E}.get(e) or self._letter(e)

    def _power(self, e: Power) -> Sym:
        if e.base == EULER:
            return self._exponential(self.sympy(e.exponent))
        return sympy.Pow(self.sympy(e.base), self.sympy(e.exponent))

    def _exponential(self, exponent: Sym) -> Sym:
        """e to the exponent: a power of the symbol for the first such exponent that was met."""
        if exponent.is_number:
            return sympy.exp(exponent)
        for atom, known in self.exponents.items():
            ratio = sympy.cancel(exponent / known) if known != 0 else sympy.nan
            if ratio.is_Integer:
                return atom**ratio
        made = sympy.Symbol(f"e{len(self.exponents):04d}", positive=True)
        self.exponents[made] = exponent
        return made

    def _apply(self, e: Apply) -> Sym:
        arguments = tuple(self.plain(self.sympy(x)) for x in e.arguments)
        if e.name == "log" and not e.subscript:
            return self._logarithm(self.sympy(e.arguments[0]), e)
        return self._letter(Apply(e.name, arguments, e.call, e.subscript, e.superscript))

    def _cases(self, e: Cases) -> Sym:
        """The cases with each value simplified; one value if all are the same."""
        branches = tuple((self.plain(self.sympy(v)), condition) for v, condition in e.branches)
        otherwise = self.plain(self.sympy(e.otherwise))
        if all(value == otherwise for value, _ in branches):
            return self.sympy(otherwise)
        return self._letter(Cases(branches, otherwise))

    def _logarithm(self, x: Sym, e: Apply) -> Sym:
        """log eᵘ is u; of anything else, a symbol."""
        if x in self.exponents:
            return self.exponents[x]
        if x == 1:
            return sympy.Integer(0)
        return self._letter(Apply(e.name, (self.plain(x),), e.call))

    # -- and back ---------------------------------------------------------------------------

    def plain(self, x: Sym) -> Expr:
        """The formula, its terms and factors in the order of the letters."""
        if x.is_Rational:
            return self._rational(x)
        if x.is_Symbol:
            return self._named(x)
        if x.is_Add:
            return self.sums.get(x) or order.total(
                [self.plain(term) for term in x.args], self._place
            )
        if x.is_Mul or _is_below(x):
            return self._product(x)
        if x.is_Pow:
            return self._raised(x)
        return _FROM_SYMPY[type(x)](self, x)

    def _named(self, x: Sym) -> Expr:
        if x in self.exponents:
            return Power(EULER, self.plain(self.exponents[x]))
        return self.atoms[x]

    def _place(self, e: Expr) -> int:
        """Where a part stands in the order in which the letters are written."""
        found = self.letters.get(e)
        return int(found.name[1:]) if found is not None else len(self.letters)

    def _rational(self, x: Sym) -> Expr:
        top, bottom = int(x.p), int(x.q)
        if top < 0:
            return Negative(self._rational(-x))
        if bottom == 1:
            return Number(top)
        if self.decimals and (_is_decimal(bottom, top) or bottom > _LARGEST):
            return Number(top / bottom)
        return Fraction(Number(top), Number(bottom))

    def _raised(self, x: Sym) -> Expr:
        base, exponent = x.as_base_exp()
        if base in self.exponents:
            return Power(EULER, self.plain(sympy.expand(self.exponents[base] * exponent)))
        if exponent.is_Rational and exponent.q in (2, 3) and exponent > 0:
            root = Root(self.plain(base), int(exponent.q))
            return root if exponent.p == 1 else Power(root, Number(int(exponent.p)))
        return Power(self.plain(base), self.plain(exponent))

    def _product(self, x: Sym) -> Expr:
        """Signs in front, what has a negative exponent below the line."""
        number, rest = x.as_coeff_Mul()
        factors = list(sympy.Mul.make_args(rest)) if rest != 1 else []
        number, factors, roots = roots_below(number, factors)
        number, factors = turned(number, factors, self.sums)
        above = [f for f in factors if not _is_below(f)]
        below = [1 / f for f in factors if _is_below(f)]
        sign, number = number < 0, abs(number)
        top_number, bottom_number = self._split(number)
        top = order.product(top_number, [self.plain(f) for f in above], self._place)
        bottom = order.product(
            bottom_number, [*roots, *(self.plain(f) for f in below)], self._place
        )
        made = top if bottom == Number(1) else Fraction(top, bottom)
        return Negative(made) if sign else made

    def _split(self, number: Sym) -> tuple[Expr, Expr]:
        if self.decimals and _is_decimal(int(number.q), int(number.p)):
            return self._rational(number), Number(1)
        return Number(int(number.p)), Number(int(number.q))


def _has_sum(e: Expr) -> bool:
    return isinstance(e, Sum) or (isinstance(e, Negative) and isinstance(e.body, Sum))


def _is_below(f: Sym) -> bool:
    return bool(f.is_Pow and f.exp.is_number and f.exp.is_negative) and not (
        f.base.is_Symbol and f.base.is_positive
    )


#: Fractions with larger denominators are written as decimals where the user wrote decimals.
_LARGEST: Final = 1000


def _is_decimal(bottom: int, top: int) -> bool:
    """Whether a fraction has a short end as a decimal, and no shorter form."""
    if len(repr(top / bottom)) >= 10:
        return False
    rest = bottom
    for p in (2, 5):
        while rest % p == 0:
            rest //= p
    return rest == 1 and bottom % 5 == 0


def _abs(algebra: Algebra, x: Sym) -> Expr:
    return Abs(algebra.plain(x.args[0]))


def _sign(algebra: Algebra, x: Sym) -> Expr:
    return FUNCTIONS["sign"](algebra.plain(x.args[0]))


_TO_SYMPY: Final[dict[type[Expr], Callable[[Algebra, Any], Sym]]] = {
    Symbol: Algebra._letter,
    Number: Algebra._number,
    Constant: Algebra._constant,
    Negative: lambda a, e: -a.sympy(e.body),
    Sum: lambda a, e: sympy.Add(*(a.sympy(term) for term in e.terms)),
    Product: lambda a, e: sympy.Mul(*(a.sympy(f) for f in e.factors)),
    Fraction: lambda a, e: a.sympy(e.top) / a.sympy(e.bottom),
    Power: Algebra._power,
    Root: lambda a, e: sympy.sqrt(a.sympy(e.body)) if e.degree == 2 else a._letter(e),
    Abs: lambda a, e: sympy.Abs(a.sympy(e.body)),
    Apply: Algebra._apply,
    Cases: Algebra._cases,
    Indicator: Algebra._letter,
    Relation: Algebra._letter,
    Derivative: Algebra._letter,
}
_FROM_SYMPY: Final[dict[Any, Callable[[Algebra, Sym], Expr]]] = {
    sympy.Abs: _abs,
    sympy.sign: _sign,
    type(sympy.pi): lambda a, x: PI,
    type(sympy.E): lambda a, x: EULER,
    sympy.exp: lambda a, x: Power(EULER, a.plain(x.args[0])),
}


def is_small(e: Expr) -> bool:
    """Whether SymPy is asked at all."""
    return size(e) <= MOST_NODES


def expansion_terms(e: Expr) -> int:
    """At most so many terms are in the expanded formula."""
    match e:
        case Sum(terms):
            return sum(map(expansion_terms, terms))
        case Product(factors):
            return functools.reduce(lambda n, f: n * expansion_terms(f), factors, 1)
        case Negative(body):
            return expansion_terms(body)
        case Fraction(top, _):
            return expansion_terms(top)
        case Power(base, Number(value)) if isinstance(value, int) and value > 0:
            return _multinomial(expansion_terms(base), value)
    return 1


def _multinomial(terms: int, power: int) -> int:
    """Monomials of a sum of so many terms to a power."""
    return math.comb(terms + power - 1, power) if terms > 1 else 1


def expanded(algebra: Algebra, e: Expr) -> Expr | None:
    """The formula without parentheses, or None if it were too long."""
    if not is_small(e) or expansion_terms(e) > MOST_TERMS:
        return None
    return algebra.plain(sympy.expand(algebra.sympy(e)))


def simplified(algebra: Algebra, e: Expr) -> Expr:
    """The shortest of the forms that collecting, cancelling and factoring give."""
    if not is_small(e):
        return e
    if expansion_terms(e) > 4 * MOST_TERMS:
        return canonical(algebra, e)
    x = algebra.sympy(e)
    if x.has(sympy.nan, sympy.zoo, sympy.oo):
        return e
    forms = [x]
    if len(x.free_symbols) <= 12 and _is_rational(x):
        forms += [sympy.factor(x), sympy.cancel(x)]
        if expansion_terms(e) <= MOST_TERMS:
            wide = sympy.expand(x)
            forms += [wide, *(sympy.collect(wide, s) for s in _shared(wide))]
    plain = [algebra.plain(form) for form in dict.fromkeys(forms)]
    return min(plain, key=size)


def canonical(algebra: Algebra, e: Expr) -> Expr:
    """The formula as it stands, its terms and factors in order."""
    return algebra.plain(algebra.sympy(e)) if is_small(e) else e


def _shared(total: Sym) -> list[Sym]:
    """Symbols that stand in several terms of a short sum."""
    if not total.is_Add or len(total.args) > 8:
        return []
    count = {s: sum(t.has(s) for t in total.args) for s in total.free_symbols}
    found = [s for s in count if count[s] > 1]
    return sorted(found, key=lambda s: (-count[s], str(s)))[:3]


def _is_rational(x: Sym) -> bool:
    """Whether only whole powers stand in it: what factoring is quick for."""
    return all(p.exp.is_Integer and abs(p.exp) <= 12 for p in x.atoms(sympy.Pow))


def same(algebra: Algebra, a: Expr, b: Expr) -> bool | None:
    """Whether two formulas are equal, if that is quickly decided."""
    if not (is_small(a) and is_small(b)):
        return None
    difference = algebra.sympy(a) - algebra.sympy(b)
    if not _is_rational(difference) or len(difference.free_symbols) > 12:
        return None if difference != 0 else True
    return True if sympy.cancel(difference) == 0 else None
