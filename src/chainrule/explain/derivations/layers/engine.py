"""The chain rule in symbols: forward once over the values, backwards once over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.layers.constants import known_number
from chainrule.explain.derivations.layers.cotangent import Cotangent, scaled, spread, total_of
from chainrule.explain.derivations.layers.naming import Plan, letter
from chainrule.explain.derivations.layers.pointwise import POINTWISE_RULES
from chainrule.explain.derivations.layers.structure import RARE, STRUCTURES
from chainrule.explain.derivations.layers.values import Value
from chainrule.explain.notation import (
    Apply,
    Derivative,
    Expr,
    Fraction,
    Hadamard,
    Negative,
    Number,
    OneHot,
    Ones,
    Product,
    Sum,
    Symbol,
    Total,
    evaluate,
    multiply,
)

#: A formula of more nodes than this gets a letter of its own.
LONGEST: Final = 20
#: A cotangent of no more nodes than this needs none.
SHORTEST: Final = 9
#: So many terms of a sum over paths stand in one line.
FEW: Final = 8


@dataclass(frozen=True, eq=False)
class Line:
    """A value with a letter and what it is."""

    value: Value | None
    symbol: Any
    formula: Expr
    rules: tuple[str, ...] = ()
    paths: int = 1
    partial: bool = False


@dataclass(eq=False)
class Engine:
    """The formulas of one function.

    Attributes:
        plan: its values.
        names: symbol by input, and by value that has got one.
        rows: how many examples stand side by side, if several do; printed as n.
        forward, helpers, backward: what has been written down.
    """

    plan: Plan
    names: dict[Value, Symbol]
    rows: int | None = None
    forward: list[Line] = field(default_factory=list)
    helpers: list[Line] = field(default_factory=list)
    backward: list[Line] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    hot: dict[Symbol, Expr] = field(default_factory=dict)
    _written: dict[Value, Expr] = field(default_factory=dict)
    _unnamed: int = 0
    _constants: int = 0
    _sums: int = 0

    # -------------------------------------------------------------- what the rules ask for

    def probability(self, z: Value) -> Expr:
        """p = softmax(z), or σ(z) where it is of one number each."""
        named = [line.symbol for line in self.helpers if line.value is z]
        return named[0] if named else self._made_probability(z)

    def _made_probability(self, z: Value) -> Expr:
        many = [v for v in self.plan.users[z] if v.op in _OF_CLASSES]
        logits = self._written[z]
        formula = Apply("softmax" if many else "σ", (spread(logits, z.uniform, z.shape),))
        count = 1
        while not self._is_free(symbol := letter(z, "p", "", str(count) if count > 1 else "")):
            count += 1
        self.helpers.append(Line(z, symbol, formula))
        return symbol

    def one_hot(self, label: Value, classes: int) -> Expr:
        """e with the label below for one example, the matrix of such rows for several."""
        name = self._written[label]
        if label.rank == 0:
            return OneHot(name, classes)
        hot = np.zeros((*label.shape, classes))
        np.put_along_axis(hot, label.data.astype(np.int64)[..., None], 1.0, axis=-1)
        symbol = self._hot_letter(name, hot.shape)
        self.known[symbol.key] = hot
        self.hot[symbol] = name
        return symbol

    def _hot_letter(self, name: Expr, shape: tuple[int, ...]) -> Symbol:
        """Y for labels y, where it is free."""
        label = name if isinstance(name, Symbol) else Symbol("y")
        capital = Symbol(label.name.upper(), label.subscript, "", "matrix", shape)
        is_letter = len(label.name) == 1 and label.name.islower()
        if is_letter and (capital in self.hot or self._is_free(capital)):
            return capital
        return Symbol("E", label.name, "", "matrix", shape)

    def count(self, n: int) -> Expr:
        if n != self.rows:
            return Number(n)
        self.known["n"] = n
        return Symbol("n")

    # -------------------------------------------------------------- forward

    def write(self) -> None:
        """Every value as a formula, in the order in which they run."""
        for v in self.plan.order:
            formula = self._formula(v)
            symbol = self._letter(v, formula)
            if symbol is not None and v.op not in ("input", "constant"):
                self.forward.append(Line(v, symbol, formula, self._piece(v)))
            self._written[v] = symbol or formula

    def _formula(self, v: Value) -> Expr:
        if v.op == "input":
            return self.names[v]
        if v.op == "constant":
            return self._constant(v)
        operands = tuple(self._written[x] for x in v.inputs)
        if v.op in POINTWISE_RULES:
            formula = POINTWISE_RULES[v.op].write(*operands)
            return formula if v.rank else juxtaposed(formula)
        return STRUCTURES[v.op].write(v, operands, self)

    def _piece(self, v: Value) -> tuple[str, ...]:
        """What a named value is, in words."""
        if v in self.plan.affine:
            return ("affine map" if v.op == "add" else "linear map",)
        if v in self.plan.active:
            return ("activation",)
        return ("loss",) if not self.plan.users[v] else ()

    def _constant(self, v: Value) -> Expr:
        if v.number is not None:
            return known_number(v.number)
        self._constants += 1
        symbol = letter(v, "c", "", str(self._constants))
        self.known[symbol.key] = v.data
        self.names[v] = symbol
        return symbol

    def _letter(self, v: Value, formula: Expr) -> Symbol | None:
        if v in self.names:
            return self.names[v]
        found = self._new_letter(v, formula)
        if found is not None:
            self.names[v] = found
        return found

    def _new_letter(self, v: Value, formula: Expr) -> Symbol | None:
        users = self.plan.users[v]
        if not users:
            return Symbol("L", kind="scalar", shape=())
        if v in self.plan.affine or v in self.plan.active:
            return self._layer_letter(v)
        if v.op in RARE and v.live:
            return self._next("u", v)
        size = nodes_in(formula)
        again = len(users) > 1 and size > 2 and v.op not in _CHEAP
        if not v.live:
            return self._next("c", v) if (again and size > 6) or size > LONGEST else None
        is_residual = all(u.op in ("square", "absolute") for u in users) and v.rank > 0
        if is_residual and self._is_free(letter(v, "r", "")):
            return letter(v, "r", "")
        if v.op in ("sigmoid", "softmax") and self._is_free(letter(v, "p", "")):
            return letter(v, "p", "")
        return self._next("u", v) if again or size > LONGEST else None

    def _is_free(self, symbol: Symbol) -> bool:
        helpers = (line.symbol for line in self.helpers)
        return all(symbol.key != x.key for x in (*self.names.values(), *helpers))

    def _layer_letter(self, v: Value) -> Symbol:
        affine = v in self.plan.affine
        number = self.plan.affine[v] if affine else self.plan.active[v]
        mark = str(number) if len(self.plan.affine) > 1 else ""
        name = letter(v, "z" if affine else "a", mark)
        return name if self._is_free(name) else self._next("u", v)

    def _next(self, small: str, v: Value) -> Symbol:
        if small == "c":
            self._constants += 1
            return letter(v, "c", "", str(self._constants))
        self._unnamed += 1
        while not self._is_free(letter(v, small, "", str(self._unnamed))):
            self._unnamed += 1
        return letter(v, small, "", str(self._unnamed))

    # -------------------------------------------------------------- backwards

    def differentiate(self) -> None:
        """Each value passes its cotangent to what it is made of, the output first."""
        found: dict[Value, list[Cotangent]] = {self.plan.order[-1]: [Cotangent(Number(1))]}
        for v in reversed(self.plan.order):
            if not v.live or v not in found:
                continue
            g = self._cotangent(v, self._sum_of_paths(v, found[v]), len(found[v]))
            for k, x in enumerate(v.inputs):
                back = self._back(v, k, g) if x.live else None
                if back is not None:
                    found.setdefault(x, []).append(back)

    def _sum_of_paths(self, v: Value, parts: list[Cotangent]) -> Cotangent:
        """The sum over all paths; of very many, sums of eight get letters of their own."""
        while len(parts) > FEW and sum(nodes_in(part.formula) for part in parts) > 4 * LONGEST:
            groups = [parts[k : k + FEW] for k in range(0, len(parts), FEW)]
            parts = [self._partial_sum(v, total_of(group)) for group in groups]
        return total_of(parts)

    def _partial_sum(self, v: Value, g: Cotangent) -> Cotangent:
        self._sums += 1
        symbol = letter(v, "s", "", str(self._sums))
        formula = spread(g.formula, g.uniform, v.shape)
        self.backward.append(Line(v, symbol, formula, g.rules, partial=True))
        return Cotangent(symbol, rules=g.rules)

    def _cotangent(self, v: Value, g: Cotangent, paths: int) -> Cotangent:
        """The cotangent by its letter, if the value has one."""
        if v not in self.names or v.op == "constant" or not self.plan.users[v]:
            return g
        if self._is_passed_on(v, g):
            return g
        symbol = self.cotangent_symbol(v)
        formula = spread(g.formula, g.uniform, v.shape)
        self.backward.append(Line(v, symbol, formula, g.rules, paths))
        return Cotangent(symbol)

    def interior(self, v: Value) -> list[Value]:
        """A value and the unnamed live ones that its formula is made of, users before operands."""
        found: dict[Value, None] = {v: None}
        waiting = [v]
        while waiting:
            for x in waiting.pop().inputs:
                if x.live and x not in self.names and x not in found:
                    found[x] = None
                    waiting.append(x)
        return sorted(found, key=lambda x: -self.place[x])

    @cached_property
    def place(self) -> dict[Value, int]:
        return {v: k for k, v in enumerate(self.plan.order)}

    def pull(self, v: Value, g: Cotangent) -> dict[Value, Cotangent]:
        """The cotangents that a value with this one passes to the named ones it is made of."""
        found: dict[Value, list[Cotangent]] = {v: [g]}
        inner = self.interior(v)
        for now in inner:
            if now not in found:
                continue
            total = total_of(found[now])
            for k, x in enumerate(now.inputs):
                back = self._back(now, k, total) if x.live else None
                if back is not None:
                    found.setdefault(x, []).append(back)
        return {x: total_of(parts) for x, parts in found.items() if x not in inner}

    def _is_passed_on(self, v: Value, g: Cotangent) -> bool:
        """Whether a cotangent is short enough to stand in the next one, instead of a letter."""
        if v.op == "input" or v in self.plan.affine or nodes_in(g.formula) > SHORTEST:
            return False
        return sum(x.live for x in v.inputs) == 1 and (g.uniform or v.rank > 0)

    def cotangent_symbol(self, v: Value) -> Any:
        """δ⁽ˡ⁾ for z⁽ˡ⁾, ∂L/∂u for others."""
        name = self.names[v]
        if v in self.plan.affine and name.name in "zZ":
            return letter(v, "δ", name.superscript)
        return Derivative(Symbol("L"), name)

    def _back(self, v: Value, k: int, g: Cotangent) -> Cotangent | None:
        operands = tuple(self._written[x] for x in v.inputs)
        y = self._written[v]
        if v.op in POINTWISE_RULES:
            found = self._elementwise(v, k, operands, y, g)
        else:
            found = STRUCTURES[v.op].back(v, k, operands, y, g, self)
        rules = dict.fromkeys((*g.rules, *self._said_rule(v, k)))
        return found and Cotangent(found.formula, found.uniform, tuple(rules))

    def _said_rule(self, v: Value, k: int) -> tuple[str, ...]:
        is_affine = v in self.plan.affine and v.inputs[k].op == "dot"
        return () if v.op in _SILENT or is_affine else (self.rule(v),)

    def _elementwise(
        self, v: Value, k: int, operands: tuple[Expr, ...], y: Expr, g: Cotangent
    ) -> Cotangent | None:
        slope = POINTWISE_RULES[v.op].slopes[k]
        if slope is None:
            return None
        formula = slope(y, *operands)
        if v.op in _EXTREMES and not np.any(np.equal(*(x.data for x in v.inputs))):
            formula = formula.terms[0] if isinstance(formula, Sum) else formula  # no ties
        if v.rank == 0:
            return Cotangent(multiply(g.formula, juxtaposed(formula)))
        flat = v.rank == 0 or not self.is_array(formula)
        return scaled(g, formula, flat)

    def is_array(self, formula: Expr) -> bool:
        """Whether the formula as printed is more than one number."""
        return _has_arrays(formula) and np.ndim(evaluate(formula, self.values)) > 0

    @property
    def values(self) -> dict[str, Any]:
        """Key of each symbol -> its number."""
        named = {symbol.key: v.data for v, symbol in self.names.items()}
        helpers: dict[str, Any] = {}
        for line in self.helpers:
            assert line.value is not None
            helpers[line.symbol.key] = _probabilities(line)
        return {**named, **helpers, **self.known}

    def rule(self, v: Value) -> str:
        table: Any = POINTWISE_RULES if v.op in POINTWISE_RULES else STRUCTURES
        return str(table[v.op].rule)


def _probabilities(line: Line) -> Any:
    """The helper's number, from the number of its z alone."""
    assert line.value is not None and isinstance(line.formula, Apply)
    return evaluate(Apply(line.formula.name, (Symbol("z"),)), {"z": line.value.data})


_EXTREMES: Final = frozenset(("maximum", "minimum"))
_OF_CLASSES: Final = frozenset(
    ("cross_entropy", "soft_cross_entropy", "softmax", "log_softmax", "logsumexp")
)
_SILENT: Final = frozenset(("transpose", "reshape", "cast", "negative", "copy", "fence"))
_CHEAP: Final = frozenset(("transpose", "broadcast", "reshape", "negative", "cast"))


def juxtaposed(formula: Expr) -> Expr:
    """Products of numbers are written without a sign; what has been written before is kept."""
    match formula:
        case Hadamard(factors):
            return multiply(*map(juxtaposed, factors))
        case Sum(terms):
            return Sum(tuple(map(juxtaposed, terms)))
        case Negative(body):
            return Negative(juxtaposed(body))
        case Fraction(top, bottom):
            return Fraction(juxtaposed(top), juxtaposed(bottom))
        case Product(factors):
            return Product(tuple(map(juxtaposed, factors)))
    return formula


def nodes_in(formula: Any) -> int:
    """How many nodes a formula has."""
    return 1 + sum(nodes_in(part) for part in parts_of(formula))


def parts_of(formula: Any) -> Iterator[Expr]:
    """The formulas that a formula is made of."""
    for f in fields(formula):
        yield from _formulas(getattr(formula, f.name))


def _formulas(x: Any) -> Iterator[Expr]:
    if isinstance(x, Expr):
        yield x
    elif isinstance(x, tuple):
        for part in x:
            yield from _formulas(part)


def _has_arrays(formula: Expr) -> bool:
    if isinstance(formula, Symbol):
        return formula.kind != "scalar"
    if isinstance(formula, Total):
        return False
    return isinstance(formula, Ones | OneHot) or any(map(_has_arrays, parts_of(formula)))
