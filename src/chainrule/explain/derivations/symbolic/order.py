"""The order of terms and factors, as a teacher writes them: 2x(wx + b - y), y² - 2yb + b²."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeAlias

from chainrule.explain.derivations.symbolic.tree import every, symbols_of
from chainrule.explain.notation import (
    Constant,
    Expr,
    Fraction,
    Negative,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
)

#: Where a letter stands among all letters.
Place: TypeAlias = Callable[[Expr], int]
_LAST: Final = 10**6


def product(number: Expr, factors: Sequence[Expr], place: Place) -> Expr:
    """Number, then letters, then functions, then sums; a lone sum of other letters first."""
    flat: list[Expr] = []
    for f in factors:
        flat += f.factors if isinstance(f, Product) else [f]
    inner = {x for f in flat if isinstance(f, Sum) for x in every(f)}
    ranked = sorted(_one_root(flat), key=lambda f: (_rank(f, inner), _letters(f, place)))
    if number == Number(1) and len(ranked) > 1:
        ranked = _sum_first(ranked)
    kept = ([] if number == Number(1) else [number]) + ranked
    return Product(tuple(kept)) if len(kept) > 1 else kept[0] if kept else Number(1)


def _one_root(factors: list[Expr]) -> list[Expr]:
    """√2 √π is √(2π): roots of numbers under one sign."""
    roots = [f for f in factors if isinstance(f, Root) and f.degree == 2 and not symbols_of(f)]
    if len(roots) < 2:
        return factors
    numbers = sorted((r.body for r in roots), key=_rank)
    return [Root(Product(tuple(numbers))), *(f for f in factors if f not in roots)]


def _rank(f: Expr, inner: Collection[Expr] = ()) -> int:
    """Numbers, constants, letters, functions that a sum holds too, sums, other functions."""
    base = f.base if isinstance(f, Power) else f
    match base:
        case Number():
            return 0
        case Constant():
            return 1 if not isinstance(f, Power) or not symbols_of(f) else 3
        case Symbol() if not isinstance(f, Power) or isinstance(f.exponent, Number | Negative):
            return 2
        case Sum():
            return 4
    if base in inner or f in inner:
        return 3
    return 5 if base is not f else 6


def _sum_first(factors: list[Expr]) -> list[Expr]:
    """(p - y) x, but x (1 - x) and x (w x + b - y)."""
    sums = [f for f in factors if isinstance(f, Sum)]
    rest = [f for f in factors if not isinstance(f, Sum)]
    short = len(sums) == 1 and len(sums[0].terms) == 2
    if not short or not all(isinstance(f, Symbol) for f in rest):
        return factors
    shares = set(symbols_of(sums[0])) & set(rest)
    return factors if shares else [*sums, *rest]


def total(terms: Sequence[Expr], place: Place) -> Expr:
    """Of one letter by falling powers; else by letters, what is added before what is taken."""
    flat: list[Expr] = []
    for term in terms:
        flat += term.terms if isinstance(term, Sum) else [term]
    letters = {x for term in flat for x in every(term) if isinstance(x, Symbol)}
    by_letters = sorted(flat, key=lambda term: _letters(term, place))
    if len(letters) == 1:
        return Sum(tuple(_of_one_letter(by_letters)))
    squares = sum(map(_is_square, flat)) >= 3
    ranked = sorted(
        by_letters, key=lambda t: (isinstance(t, Negative), squares and not _is_square(t))
    )
    return Sum(tuple(ranked))


def _of_one_letter(terms: list[Expr]) -> list[Expr]:
    """x² - 2x + 1, but 1 - x."""
    if not isinstance(terms[0], Negative):
        return terms
    if not isinstance(terms[-1], Negative):
        return terms[::-1]
    return sorted(terms, key=lambda term: isinstance(term, Negative))


def _is_square(term: Expr) -> bool:
    """A product of even powers of letters."""
    factors = term.factors if isinstance(term, Product) else (term,)
    return all(
        isinstance(f, Power) and isinstance(f.exponent, Number) and f.exponent.value % 2 == 0
        for f in factors
    )


def _letters(e: Expr, place: Place) -> tuple[int, ...]:
    """Places of the letters, one for each time that it stands as a factor; then the end."""
    return (*_found(e, place), _LAST)


def _found(e: Expr, place: Place) -> tuple[int, ...]:
    match e:
        case Negative(body):
            return _found(body, place)
        case Number() | Constant():
            return ()
        case Product(factors):
            return tuple(sorted(k for f in factors for k in _found(f, place)))
        case Fraction(top, bottom):
            return _found(top, place) or _found(bottom, place)
        case Power(base, Number(value)) if isinstance(value, int) and 0 < value < 20:
            return _found(base, place) * value
        case Symbol():
            return (place(e),)
    return tuple(place(x) for x in every(e) if isinstance(x, Symbol))[:1]
