"""What a derivation is: formulas in order, each with its rule, its value and what autodiff says.

Both kinds of derivation, of scalar functions and of arrays, fill this one record; it knows how to
show itself and computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from chainrule.explain.derivations import shown
from chainrule.explain.notation import Expr, Symbol, latex

Array: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Step:
    """One line: a formula and the rule that gives it.

    Attributes:
        formula: most often an equation; its last part is what ``value`` is the value of.
        rule: name of the rule used: "chain rule", "power rule", "affine map"; "" for none.
        note: words beside it: the shapes, why it is so.
        value: of the right side, evaluated as printed in float64; None if it has none.
        reference: the same by automatic differentiation or by running the function; None if it
            was not compared.
        scale: the largest of the terms that the formula sums, which bounds what rounding can do
            where they cancel; 0 if it is not known.
        difference: largest absolute difference of the two, relative to the largest element of the
            reference or to ``scale``, whichever is larger (to 1 where both are 0); None if it was
            not compared.
    """

    formula: Expr
    rule: str = ""
    note: str = ""
    value: Array = None
    reference: Array = None
    scale: float = 0.0

    @property
    def difference(self) -> float | None:
        if self.value is None or self.reference is None:
            return None
        return relative_difference(self.value, self.reference, self.scale)


@dataclass(frozen=True, eq=False)
class Named:
    """A symbol of the formulas: what it stands for and the value that it has."""

    symbol: Symbol
    meaning: str
    value: Array


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient with respect to one variable.

    Attributes:
        variable: its name in the program: "w", "layers.0.weight".
        symbol: as it is printed.
        steps: how it comes about; the last one is the result, compared with autodiff.
    """

    variable: str
    symbol: Symbol
    steps: tuple[Step, ...]

    @property
    def formula(self) -> Expr:
        """The result: ∂L/∂w = ..."""
        return self.steps[-1].formula

    @property
    def value(self) -> Array:
        return self.steps[-1].value

    @property
    def difference(self) -> float | None:
        return self.steps[-1].difference


@dataclass(frozen=True, eq=False)
class Derivation:
    """A function, its local derivatives and its gradient by the chain rule, factor by factor.

    Attributes:
        kind: "scalars", written out in full; "arrays", by layers in matrix notation.
        symbols: what the letters stand for.
        forward: the composition: one line per named piece, in the order in which they run.
        local: the derivative of each piece with respect to what it is made of.
        backward: the cotangents in the order in which backpropagation visits them.
        gradients: one per variable asked for.
        brute_force: the same gradients without the chain rule, where asked.
        note: what the reader should know: "formula has 3·10⁵ terms; showing it by layers".
    """

    kind: str
    symbols: tuple[Named, ...]
    forward: tuple[Step, ...]
    local: tuple[Step, ...]
    backward: tuple[Step, ...]
    gradients: tuple[Gradient, ...]
    brute_force: tuple[Gradient, ...] = field(default=())
    note: str = ""

    @property
    def steps(self) -> Iterator[Step]:
        """Every line, in the order of reading."""
        yield from (*self.forward, *self.local, *self.backward)
        for gradient in (*self.gradients, *self.brute_force):
            yield from gradient.steps

    @property
    def difference(self) -> float:
        """The largest of all comparisons with autodiff, relative; NaN if one is."""
        found = [step.difference for step in self.steps if step.difference is not None]
        return float(np.max(found)) if found else 0.0

    @property
    def latex(self) -> str:
        """All formulas, one ``aligned`` line each."""
        lines = " \\\\\n".join(f"& {latex(step.formula)}" for step in self.steps)
        return f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}"

    def __str__(self) -> str:
        return shown.text(self)

    def _repr_html_(self) -> str:
        return shown.html(self)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers; every formula in all three ways of printing."""
        return shown.plain(self)


def relative_difference(value: Array, reference: Array, scale: float = 0.0) -> float:
    """max |value - reference| / max(|reference|, scale) (or 1 where that is 0); equal NaN agree."""
    a, b = (np.ravel(np.asarray(x, np.float64)) for x in (value, reference))
    if a.size != b.size:
        return float("inf")
    differs = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not differs.any():
        return 0.0
    largest = np.max(np.abs(b[np.isfinite(b)]), initial=scale)
    return float(np.max(np.abs(a - b)[differs]) / (largest or 1.0))
