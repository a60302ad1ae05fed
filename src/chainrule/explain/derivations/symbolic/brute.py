"""Brute force: everything substituted and expanded first, then differentiated term by term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.explain.derivations.symbolic.algebra import (
    Algebra,
    expanded,
    expansion_terms,
    is_small,
    simplified,
)
from chainrule.explain.derivations.symbolic.chain import Stage
from chainrule.explain.derivations.symbolic.differentiate import Line, differentiate
from chainrule.explain.derivations.symbolic.nearby import Nearby
from chainrule.explain.derivations.symbolic.pieces import Composition
from chainrule.explain.derivations.symbolic.tree import every, size, symbols_of
from chainrule.explain.notation import Apply, Cases, Expr, Fraction, Power, Root, Sum, Symbol

#: Lines that are longer are not written.
LONGEST: Final = 90


@dataclass(frozen=True)
class BruteForce:
    """A function in the leaves alone, and its derivative.

    Attributes:
        function: forms of the function: substituted, expanded.
        derivative: forms of the derivative, the last one the result; empty if it is too long.
        plain: the derivative by the rules alone, not simplified.
        note: what is not shown, and why.
    """

    function: tuple[Stage, ...]
    derivative: tuple[Stage, ...]
    plain: Stage | None = None
    note: str = ""


def brute_force(
    composition: Composition, algebra: Algebra, x: Symbol, nearby: Nearby
) -> BruteForce:
    """The derivative by x without names for parts."""
    written = composition.written
    if size(written) > LONGEST:
        return BruteForce(
            (), (), None, f"the function has {size(written)} parts; it is not shown whole"
        )
    function = [Stage(written, "substitute everything")]
    note = ""
    if _is_worth_expanding(written):
        wide = expanded(algebra, written)
        if wide is None or size(wide) > LONGEST:
            note = f"the expanded form has {expansion_terms(written)} terms; it is not shown"
        elif wide != written:
            function.append(Stage(wide, "expand"))
    steps = differentiate(function[-1].formula, x, partial=len(composition.leaves) > 1)
    lines = [Line(nearby.form(line.formula), line.rules) for line in steps]
    plain = Stage(lines[-1].formula, lines[-1].rule)
    stages = _derivative(function[-1].formula, lines, algebra)
    return BruteForce(tuple(function), stages, plain, note)


def _derivative(e: Expr, lines: list[Line], algebra: Algebra) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for k, line in enumerate(lines):
        if size(line.formula) <= LONGEST:
            how = "term by term: " if k == 0 and isinstance(e, Sum) else ""
            stages.append(Stage(line.formula, f"{how}{line.rule}"))
    last = lines[-1].formula
    wide = expanded(algebra, last) if _is_worth_expanding(last) or isinstance(e, Sum) else None
    short = simplified(algebra, last)
    rule = "collect the terms" if isinstance(last, Sum) else "simplify"
    if wide is not None and wide not in (last, short) and size(wide) <= LONGEST:
        stages.append(Stage(wide, rule))
        rule = "factor"
    if not stages or short != stages[-1].formula:
        stages.append(Stage(short, rule))
    return tuple(stages)


def _is_worth_expanding(e: Expr) -> bool:
    """Whether it is a polynomial in letters and in functions of letters."""
    if not is_small(e):
        return isinstance(e, Sum | Power)
    for part in every(e):
        if isinstance(part, Root | Cases):
            return False
        if isinstance(part, Apply) and any(size(a) > 2 for a in part.arguments):
            return False
        if isinstance(part, Power) and (symbols_of(part.exponent)):
            return False
        if isinstance(part, Fraction) and isinstance(part.bottom, Sum):
            return False
    return True
