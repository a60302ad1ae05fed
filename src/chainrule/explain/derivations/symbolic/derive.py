"""A scalar function derived step by step: the record of ``explain.formulas`` filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.derivation import (
    Derivation,
    Gradient,
    Named,
    Step,
    relative_difference,
)
from chainrule.explain.derivations.symbolic.algebra import Algebra, same
from chainrule.explain.derivations.symbolic.brute import brute_force as by_brute_force
from chainrule.explain.derivations.symbolic.chain import (
    LONGEST,
    MOST_PATHS,
    Local,
    Path,
    Stage,
    cotangents,
    count_paths,
    locals_of,
    paths_to,
    product_of_factors,
    refined,
    symbolic_product,
    tidy_product,
    users_of,
)
from chainrule.explain.derivations.symbolic.differentiate import pending
from chainrule.explain.derivations.symbolic.equations import (
    continued,
    in_numbers,
    result_of,
    side_by_side,
    total,
)
from chainrule.explain.derivations.symbolic.nearby import Nearby
from chainrule.explain.derivations.symbolic.numbers import rounded
from chainrule.explain.derivations.symbolic.pieces import Composition, compose
from chainrule.explain.derivations.symbolic.running import Point, gradients, other_points
from chainrule.explain.derivations.symbolic.scalars import Scalar, TooLarge, unroll
from chainrule.explain.derivations.symbolic.shifts import without_guards, without_shifts
from chainrule.explain.derivations.symbolic.tree import size
from chainrule.explain.derivations.symbolic.variables import with_variables
from chainrule.explain.notation import (
    Derivative,
    Expr,
    Number,
    Symbol,
    Text,
    equation,
    multiply,
)
from chainrule.explain.subject import Subject

#: More variables are not derived one by one.
MOST_VARIABLES: Final = 24
#: Formulas that differ from autodiff by more at another point are taken back.
_TOLERANCE: Final = 1e-8


def derive(subject: Subject, brute_force: bool = False) -> Derivation:
    """The function as a composition of scalars, and its gradient, rule by rule.

    Raises:
        TooLarge: more numbers than can be written one by one, or whole-array operations.
    """
    graph, names = with_variables(subject.trace)
    program = unroll(graph, list(subject.leaves), graph.values)
    program = without_shifts(program, subject.leaves)
    program = without_guards(program, subject.leaves)
    count = sum(program.leaves[name].size for name in subject.wrt)
    if count > MOST_VARIABLES:
        raise TooLarge(f"the function has {count} variables")
    composition = compose(program, names, subject.wrt, _title(subject.function))
    return _Deriver(subject, composition).derivation(brute_force)


_LOSSES: Final = ("loss", "error", "likelihood", "nll", "mse", "entropy", "cost", "penalty")


def _title(function: Any) -> str:
    """The letter for the result: the function's name if it is one letter; L for a loss; else f."""
    name = str(getattr(function, "__name__", "f"))
    if len(name) == 1 and name.isalpha():
        return name
    return "L" if any(word in name.lower() for word in _LOSSES) else "f"


class _Deriver:
    def __init__(self, subject: Subject, composition: Composition) -> None:
        self.subject = subject
        self.composition = composition
        self.result = composition.result.symbol
        self.algebra = Algebra([composition.written, *(p.formula for p in composition.pieces)])
        values = Point(composition, subject.leaves).values
        self.nearby = Nearby(values)
        self.locals = locals_of(composition, self.algebra, self.nearby)
        self.cotangents = cotangents(composition, self.algebra, self.locals)
        self.point = self._point(subject.leaves)
        with np.errstate(all="ignore"):
            self.value = np.float64(subject.call({}))
        self.slopes = gradients(subject, subject.leaves)
        self.others = [self._other(leaves) for leaves in other_points(subject.leaves)]

    def _other(self, leaves: dict[str, np.ndarray]) -> tuple[Point, dict[str, np.ndarray]]:
        return self._point(leaves), gradients(self.subject, leaves)

    def _point(self, leaves: Mapping[str, np.ndarray]) -> Point:
        """The values of the pieces, and of the derivatives of the result by them."""
        point = Point(self.composition, leaves)
        for symbol, (_, formula) in self.cotangents.items():
            point.values[Derivative(self.result, symbol).key] = point.value(formula)
        return point

    def derivation(self, brute_force: bool) -> Derivation:
        variables = [_Variable(self, x) for x in self.composition.wrt]
        chained = tuple(variable.by_chain_rule() for variable in variables)
        forced = zip(variables, chained, strict=True) if brute_force else ()
        return Derivation(
            "scalars",
            tuple(self._symbols()),
            tuple(self._forward()),
            tuple(step for local in self.locals.values() for step in self._local(local)),
            tuple(self._backward()),
            chained,
            tuple(variable.by_brute_force(gradient) for variable, gradient in forced),
        )

    def _symbols(self) -> Iterable[Named]:
        for scalar, symbol in self.composition.leaves.items():
            yield Named(symbol, _place(scalar), self.point.values[symbol.key])
        for piece in self.composition.pieces:
            meaning = "the result" if piece.symbol == self.result else "on the way"
            yield Named(piece.symbol, meaning, self.point.values[piece.symbol.key])

    def _forward(self) -> Iterable[Step]:
        for piece in self.composition.pieces:
            value = self.point.value(piece.formula)
            line = in_numbers([piece.symbol], piece.formula, self.point.values, value)
            yield Step(line, "", "", value, self.point.run(piece))
        whole = self.composition.written
        if len(self.composition.pieces) > 1 and size(whole) <= LONGEST:
            value = self.point.value(whole)
            yield Step(equation(self.result, whole), "all in one", "", value, self.value)

    def _local(self, local: Local) -> Iterable[Step]:
        """Line by line; the last one with the numbers put in."""
        slope = self.point.slope(local.piece, local.by)
        begin = Derivative(local.piece.formula, local.by, local.name.partial)
        for k, line in enumerate(local.lines):
            start = [local.name, begin] if k == 0 else [Text("")]
            value = self.point.value(line.formula)
            formula = equation(*start, line.formula)
            if k == len(local.lines) - 1:
                formula = in_numbers(start, line.formula, self.point.values, value)
            yield Step(formula, line.rule, "", value, slope)

    def _backward(self) -> Iterable[Step]:
        """The derivative of the result by each piece, as backpropagation comes by them."""
        if len(self.composition.pieces) < 3:
            return
        for piece in self.composition.pieces[-2::-1]:
            if piece.symbol not in self.cotangents:
                continue
            named, formula = self.cotangents[piece.symbol]
            name: Expr = Derivative(self.result, piece.symbol)
            value, slope = self.point.value(formula), self.point.cotangent(piece)
            if size(named) > 3:
                yield Step(equation(name, named), "chain rule, backwards")
                name = Text("")
            line = in_numbers([name], formula, self.point.values, value)
            yield Step(line, "with the local derivatives", "", value, slope)


class _Variable:
    """One variable of a function that is derived."""

    def __init__(self, deriver: _Deriver, symbol: Symbol) -> None:
        self.deriver = deriver
        self.symbol = symbol
        leaves = deriver.composition.leaves
        self.scalar = next(s for s, own in leaves.items() if own == symbol)
        self.name = Derivative(deriver.result, symbol, len(leaves) > 1)
        self.slope = self._of(deriver.slopes)
        self.point = deriver.point

    def _of(self, slopes: dict[str, np.ndarray]) -> Any:
        return slopes[self.scalar.name][self.scalar.index]

    def by_chain_rule(self) -> Gradient:
        return Gradient(_place(self.scalar), self.symbol, tuple(self._chained()))

    def _chained(self) -> Iterable[Step]:
        count = count_paths(self.symbol, self.deriver.result, self.deriver.locals)
        if count == 0:
            yield self._last(Stage(Number(0), "the result does not depend on it"))
            return
        if count > MOST_PATHS:
            yield from self._summed(count)
            return
        ways = paths_to(self.symbol, self.deriver.result, self.deriver.locals)
        yield from self._products(ways)
        start = tidy_product(ways)
        stages = refined(self.deriver.composition, self.deriver.algebra, start)
        kept = [stage for stage in stages if self._elsewhere(stage.formula) <= _TOLERANCE]
        shown = product_of_factors(ways)
        for stage in kept[:-1]:
            if stage.formula != shown:
                yield self._line(stage)
        yield self._last(kept[-1] if kept else Stage(product_of_factors(ways), ""))

    def _summed(self, count: int) -> Iterable[Step]:
        """Of many paths: what comes back through each piece that the variable stands in."""
        result = self.deriver.result
        users = users_of(self.symbol, self.deriver.locals)
        names = [Derivative(result, local.piece.symbol) for local in users]
        ones = [local.piece.symbol == result for local in users]
        named = [
            local.name if one else side_by_side([name, local.name])
            for local, name, one in zip(users, names, ones, strict=True)
        ]
        yield Step(equation(self.name, total(named)), f"chain rule: {count} paths, summed by piece")
        terms = [
            local.result if one else multiply(name, local.result)
            for local, name, one in zip(users, names, ones, strict=True)
        ]
        yield self._last(Stage(total(terms), "the local derivatives"))

    def _products(self, ways: Sequence[Path]) -> Iterable[Step]:
        """By name, by formula, by number."""
        if all(len(way) == 1 for way in ways):
            return
        rule = "chain rule" if len(ways) == 1 else f"chain rule: the sum over {len(ways)} paths"
        yield Step(equation(self.name, symbolic_product(ways)), rule)
        factors = product_of_factors(ways)
        yield self._line(Stage(factors, "the local derivatives"))
        value = self.point.value(factors)
        numbers = total([side_by_side([self._number(local) for local in way]) for way in ways])
        whole, exact = rounded(value)
        yield Step(continued(numbers, whole, exact=exact), "in numbers", "", value, self.slope)

    def _number(self, local: Local) -> Expr:
        return rounded(self.point.value(local.result))[0]

    def _elsewhere(self, e: Expr) -> float:
        """The largest relative difference at other points where autodiff gives a number."""
        worst = 0.0
        for point, slopes in self.deriver.others:
            if np.isfinite(self._of(slopes)) and not pending(e):
                worst = max(worst, relative_difference(point.value(e), self._of(slopes)))
        return worst

    def _line(self, stage: Stage) -> Step:
        value = self.point.value(stage.formula)
        return Step(continued(stage.formula), stage.rule, "", value, self.slope)

    def _last(self, stage: Stage, note: str = "") -> Step:
        value = self.point.value(stage.formula)
        tried = self._tried(stage.formula)
        line = in_numbers([self.name], stage.formula, self.point.values, value)
        return Step(line, stage.rule, note or tried, value, self.slope)

    def _tried(self, e: Expr) -> str:
        """How far it agrees with autodiff at other points, in words."""
        count = sum(bool(np.isfinite(self._of(slopes))) for _, slopes in self.deriver.others)
        if not count:
            return "no number at the other points tried"
        worst = self._elsewhere(e)
        how = f"to {worst:.0e}" if worst else "to the last bit"
        return f"autodiff agrees at {count} other points {how}"

    def by_brute_force(self, chained: Gradient) -> Gradient:
        """The same gradient without names for parts, and whether it is the same formula."""
        brute = by_brute_force(
            self.deriver.composition, self.deriver.algebra, self.symbol, self.deriver.nearby
        )
        steps = [
            Step(
                equation(self.deriver.result if k == 0 else Text(""), stage.formula),
                stage.rule,
                value=self.point.value(stage.formula),
                reference=self.deriver.value,
            )
            for k, stage in enumerate(brute.function)
        ]
        if brute.note:
            steps.append(Step(Text(brute.note)))
        kept = [s for s in brute.derivative if self._elsewhere(s.formula) <= _TOLERANCE]
        for k, stage in enumerate(kept[:-1]):
            formula = equation(self.name if k == 0 else Text(""), stage.formula)
            value = self.point.value(stage.formula)
            steps.append(Step(formula, stage.rule, "", value, self.slope))
        if brute.plain and (not kept or pending(kept[-1].formula)):
            kept.append(brute.plain)
        if kept:
            steps.append(self._last(kept[-1], self._verdict(chained, kept[-1].formula)))
        return Gradient(chained.variable, self.symbol, tuple(steps))

    def _verdict(self, chained: Gradient, e: Expr) -> str:
        unfolded = self.deriver.composition.unfolded
        mine = unfolded(result_of(chained.formula))
        if same(self.deriver.algebra, mine, unfolded(e)):
            return "the same formula as by the chain rule"
        return "equal to what the chain rule gives at every point tried"


def _place(scalar: Scalar) -> str:
    """x[0], as in the user's code."""
    index = ", ".join(map(str, scalar.index))
    return f"{scalar.name}[{index}]" if index else scalar.name
