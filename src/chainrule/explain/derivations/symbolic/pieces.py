"""A function as a composition: which of its values get a name, and what each is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.explain.derivations.symbolic.naming import element, leaf_symbols, mark, numbered
from chainrule.explain.derivations.symbolic.scalars import Program, Scalar
from chainrule.explain.derivations.symbolic.tree import substituted, symbols_of
from chainrule.explain.derivations.symbolic.variables import Names
from chainrule.explain.derivations.symbolic.worth import TRUTHS, is_affine, is_compound, is_curved
from chainrule.explain.derivations.symbolic.writing import one, written
from chainrule.explain.notation import Expr, Sum, Symbol, symbol

#: Names for values that the user gave none, in this order.
_LETTERS: Final = ("u", "v", "s", "t", "r", "q", "g", "h", "a", "c", "d", "k", "m", "n", "p")
#: An affine map of the parameters, as a neuron has it, is called z where that is free.
_AFFINE: Final = ("z", *_LETTERS)


@dataclass(frozen=True)
class Piece:
    """One equation of the composition: ``symbol(inputs) = formula``.

    Attributes:
        symbol: its name.
        formula: in symbols of earlier pieces and of the leaves.
        inputs: those symbols, in the order in which they are written.
        scalar: the number of the program that it is.
    """

    symbol: Symbol
    formula: Expr
    inputs: tuple[Symbol, ...]
    scalar: Scalar


@dataclass(frozen=True)
class Composition:
    """The function, piece by piece; the last one is the result.

    Attributes:
        pieces: in the order in which they are worked out.
        leaves: the symbol of each element of the arguments.
        wrt: symbols that the gradient is asked for.
    """

    pieces: tuple[Piece, ...]
    leaves: Mapping[Scalar, Symbol]
    wrt: tuple[Symbol, ...]

    @property
    def result(self) -> Piece:
        return self.pieces[-1]

    def unfolded(self, e: Expr) -> Expr:
        """A formula in terms of the leaves alone."""
        for piece in reversed(self.pieces):
            e = substituted(e, {piece.symbol: piece.formula})
        return e

    @property
    def written(self) -> Expr:
        """The whole function in terms of the leaves, as the user wrote it."""
        return self.unfolded(self.result.formula)


def compose(program: Program, names: Names, wrt: Sequence[str], title: str) -> Composition:
    """Name what the user named, what is used several times, and what a function is taken of.

    Args:
        program: the numbers.
        names: variables of the user's code.
        wrt: leaves that the gradient is asked for.
        title: the name of the result where the user's code has none.
    """
    return _Composer(program, names, wrt, title).compose()


class _Composer:
    def __init__(self, program: Program, names: Names, wrt: Sequence[str], title: str) -> None:
        self.order = program.order
        self.output = program.output
        self.leaves = leaf_symbols(program)
        self.taken = {mark(s) for s in self.leaves.values()}
        wanted = {x for name in wrt for x in program.leaves[name].flat}
        self.wrt = tuple(self.leaves[x] for x in self.leaves if x in wanted)
        self.active = _reached(self.order, wanted)
        self.users = _users(self.order)
        self.named = self._variables(program, names)
        self.inlined = self._normalised()
        self.homes = _homes(program)
        self.families: dict[int, str] = {}
        self.title = title
        self.symbols: dict[Scalar, Symbol] = dict(self.leaves)
        self.formulas: dict[Scalar, Expr] = dict(self.leaves)
        self.named_pieces: dict[Scalar, Symbol] = {}

    def compose(self) -> Composition:
        for scalar in self.order:
            if scalar not in self.formulas:
                self._visit(scalar)
        if self.output not in self.symbols or self.output in self.leaves:
            self._piece(self.output, self._result_symbol())
        return Composition(tuple(self._needed()), self.leaves, self.wrt)

    def _written(self) -> list[Piece]:
        """Every piece, now that it is known which numbers have names."""
        pieces = []
        for scalar in self.order:
            if scalar in self.named_pieces:
                others = {s: x for s, x in self.symbols.items() if s is not scalar}
                formula = written(scalar, {**others, **self.leaves})
                name = self.named_pieces[scalar]
                pieces.append(Piece(name, formula, tuple(symbols_of(formula)), scalar))
        return pieces

    def _visit(self, scalar: Scalar) -> None:
        operands = [self._operand(scalar, k) for k in range(len(scalar.inputs))]
        self.formulas[scalar] = one(scalar, operands)
        if scalar in self.inlined:
            return
        if scalar in self.named:
            self._piece(scalar, self.named[scalar])
        elif scalar is not self.output and self._is_shared(scalar):
            self._piece(scalar, self._fresh(scalar))

    def _operand(self, user: Scalar, k: int) -> Expr:
        """The formula of an operand; what a nonlinear function is taken of gets a name first."""
        operand = user.inputs[k]
        if operand in self.active and is_curved(user, k):
            inner = self._core(operand)
            if (
                inner not in self.symbols
                and inner not in self.inlined
                and is_compound(self.formulas[inner], user)
            ):
                self._piece(inner, self._fresh(inner))
                self._rewrite(operand)
        return self.formulas[operand]

    def _core(self, scalar: Scalar) -> Scalar:
        """y - (w x + b) is seen as y - l: the sum in parentheses, not what it is taken from."""
        while scalar.op in ("add", "subtract") and scalar not in self.symbols:
            inner = [x for x in scalar.inputs if x not in self.leaves and x.op != "constant"]
            if len(inner) != 1 or not isinstance(self.formulas[inner[0]], Sum):
                return scalar
            scalar = inner[0]
        return scalar

    def _rewrite(self, scalar: Scalar) -> None:
        """The formula of what a new piece stands in."""
        if scalar not in self.symbols and scalar.op != "constant":
            for operand in scalar.inputs:
                self._rewrite(operand)
            self.formulas[scalar] = one(scalar, [self.formulas[x] for x in scalar.inputs])

    def _is_shared(self, scalar: Scalar) -> bool:
        several = self.users.get(scalar, 0) > 1 and scalar in self.active
        several = several and scalar.op not in TRUTHS
        return several and is_compound(self.formulas[scalar], None)

    def _piece(self, scalar: Scalar, name: Symbol) -> None:
        self.taken.add(mark(name))
        self.named_pieces[scalar] = self.symbols[scalar] = self.formulas[scalar] = name

    def _needed(self) -> list[Piece]:
        """The pieces that the result is made of."""
        kept: list[Piece] = []
        wanted = {self.named_pieces[self.output]}
        for piece in reversed(self._written()):
            if piece.symbol in wanted:
                kept.append(piece)
                wanted.update(piece.inputs)
        return kept[::-1]

    def _fresh(self, scalar: Scalar) -> Symbol:
        """A free letter; elements of one array have one letter with indices."""
        formula = self.formulas[scalar]
        home = self.homes.get(scalar)
        if home and home[0] in self.families:
            return element(self.families[home[0]], home[1])
        letters = _AFFINE if isinstance(formula, Sum) and is_affine(formula) else _LETTERS
        names = (*letters, *(f"{letter}{k}" for k in range(1, 100) for letter in ("u", "v")))
        reserved = {mark(s) for s in self.named.values()} | {(self.title, "", "")}
        heads = {name for name, *_ in self.taken | reserved}
        free = next(
            n
            for n in names
            if symbol(n).name not in heads
            or (len(n) > 1 and mark(symbol(n)) not in self.taken | reserved)
        )
        if home and len(free) == 1:
            self.families[home[0]] = free
            return element(free, home[1])
        return symbol(free)

    def _result_symbol(self) -> Symbol:
        for name in (self.title, "L", "F", "J", *_LETTERS):
            if mark(symbol(name)) not in self.taken:
                return symbol(name)
        return symbol("result")

    def _normalised(self) -> set[Scalar]:
        """Of several numbers divided by their sum the quotients have names, the parts none.

        p₁ = e^z₁ / (e^z₁ + e^z₂) says more than a name for each exponential and for their sum.
        """
        inlined: set[Scalar] = set()
        quotients = [s for s in self.order if s.op == "divide"]
        for bottom in dict.fromkeys(s.inputs[1] for s in quotients):
            family = [s for s in quotients if s.inputs[1] is bottom]
            parts = _added(bottom)
            if len(family) > 1 and all(s.inputs[0] in parts for s in family):
                inlined |= {x for x in parts if x not in self.leaves}
                self._name_family(family)
        return inlined

    def _name_family(self, family: Sequence[Scalar]) -> None:
        free = all(name != "p" for name, *_ in self.taken)
        for k, scalar in enumerate(family):
            if scalar not in self.named and free:
                self.named[scalar] = element("p", (k,))
                self.taken.add(("p", str(k + 1), ""))

    def _variables(self, program: Program, names: Names) -> dict[Scalar, Symbol]:
        """The user's names of numbers that are worked out, the first name of each."""
        needed = set(self.order)
        found: dict[Scalar, Symbol] = {}
        for name, nodes in names.items():
            if not all(node in program.elements for node in nodes):
                continue
            arrays = [program.elements[node] for node in nodes]
            for scalar, own in numbered(name, arrays):
                new = scalar in needed and scalar.op not in ("input", "constant")
                if new and scalar not in found and mark(own) not in self.taken:
                    found[scalar] = own
                    self.taken.add(mark(own))
        return found


def _homes(program: Program) -> dict[Scalar, tuple[int, tuple[int, ...]]]:
    """Of each number (the first array that holds it, its place there)."""
    found: dict[Scalar, tuple[int, tuple[int, ...]]] = {}
    for k, array in enumerate(program.elements.values()):
        if array.size > 1:
            for at in np.ndindex(*array.shape):
                found.setdefault(array[at], (k, at))
    return found


def _added(scalar: Scalar) -> set[Scalar]:
    """A sum, its partial sums and its terms."""
    found = {scalar}
    if scalar.op == "add":
        for operand in scalar.inputs:
            found |= _added(operand)
    return found


def _reached(order: Iterable[Scalar], wanted: set[Scalar]) -> set[Scalar]:
    """What depends on a variable."""
    active = set(wanted)
    for scalar in order:
        if any(x in active for x in scalar.inputs):
            active.add(scalar)
    return active


def _users(order: Iterable[Scalar]) -> dict[Scalar, int]:
    count: dict[Scalar, int] = {}
    for scalar in order:
        for operand in dict.fromkeys(scalar.inputs):
            count[operand] = count.get(operand, 0) + 1
    return count
