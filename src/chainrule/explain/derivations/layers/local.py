"""Local derivatives: of each piece by the values with a letter that it is directly made of.

A number has a gradient, an elementwise function a diagonal, an affine map its matrix; of a batch
each row has the same one. What would be an array of more axes is left to the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.derivation import Step
from chainrule.explain.derivations.layers.cotangent import Cotangent, spread
from chainrule.explain.derivations.layers.engine import LONGEST, Engine, nodes_in
from chainrule.explain.derivations.layers.pointwise import POINTWISE_RULES
from chainrule.explain.derivations.layers.read import Reading
from chainrule.explain.derivations.layers.references import pull_locally
from chainrule.explain.derivations.layers.values import Value
from chainrule.explain.notation import (
    Apply,
    Derivative,
    Expr,
    Index,
    MatrixProduct,
    Number,
    Symbol,
    equation,
    evaluate,
    magnitude,
    matmul,
    transpose,
)

#: The rows of a larger matrix are not compared one by one.
_MOST_ROWS: Final = 64
_SEED: Final = "∂"


def local_derivatives(
    engine: Engine, reading: Reading, values: Mapping[str, Any]
) -> tuple[Step, ...]:
    """The local derivatives that are matrices, in the order in which the pieces run."""
    known = {**values}
    return tuple(
        step
        for line in engine.forward
        if line.value is not None and line.value.live
        for step in _Piece(line.value, engine, reading, known).steps()
    )


class _Piece:
    """One value with a letter, and those that its formula reads."""

    def __init__(self, v: Value, engine: Engine, reading: Reading, known: dict[str, Any]) -> None:
        self.v, self.engine, self.reading, self.known = v, engine, reading, known
        self.named = {x: name for x, name in engine.names.items() if x is not v}

    def steps(self) -> Iterator[Step]:
        v = self.v
        if v.rank == 0 or self._is_elementwise():
            ones = Cotangent(Number(1), uniform=v.rank > 0)
            pulled = self.engine.pull(v, ones)
            for root, g in pulled.items():
                if nodes_in(g.formula) <= 2 * LONGEST:
                    yield self._slope(root, g, self._held(root, pulled))
        elif v.rank <= 2 and v in self.engine.plan.affine:
            yield from self._matrices()

    def _is_elementwise(self) -> bool:
        inner = self.engine.interior(self.v)
        return all(x.op in POINTWISE_RULES for x in inner)

    def _name(self, root: Value) -> tuple[Symbol, Symbol]:
        return self.engine.names[self.v], self.named[root]

    def _reference(self, root: Value, cotangent: Any) -> Any:
        found = pull_locally(self.reading, self.v, root, set(self.named), cotangent)
        return None if found is None else np.reshape(found, root.shape)

    def _held(self, root: Value, others: Iterable[Value]) -> tuple[Symbol, ...]:
        """What the piece is also made of and depends on this root in turn: it is kept as it is."""
        return tuple(self.named[x] for x in others if x is not root and _depends(x, root))

    def _slope(self, root: Value, g: Cotangent, held: tuple[Symbol, ...]) -> Step:
        """Of a number: the gradient; of an elementwise function: the diagonal, or its elements."""
        top, bottom = self._name(root)
        formula = spread(g.formula, g.uniform, root.shape)
        reference = self._reference(root, np.ones(self.v.shape))
        is_diagonal = self.v.rank == root.rank == 1
        if is_diagonal:
            formula = Apply("diag", (formula,))
            reference = None if reference is None else np.diag(np.ravel(reference))
        note = "element by element" if self.v.rank and not is_diagonal else ""
        return self._step(Derivative(top, bottom, held=held), formula, g.rules, note, reference)

    def _matrices(self) -> Iterator[Step]:
        """Of z = W a + b: W by a; of a batch, of each row by its own row."""
        seed = Symbol(_SEED, kind="vector" if self.v.rank == 1 else "matrix", shape=self.v.shape)
        for root, g in self.engine.pull(self.v, Cotangent(seed)).items():
            found = _jacobian(g.formula, seed)
            if found is None or root.rank != self.v.rank:
                continue
            top, bottom = self._name(root)
            i = (Symbol("i"),)
            is_row = self.v.rank == 2
            name = (
                Derivative(Index(top, i), Index(bottom, i)) if is_row else Derivative(top, bottom)
            )
            note = "of each row by its own" if is_row else ""
            yield self._step(name, found, g.rules, note, self._jacobian_of(root))

    def _jacobian_of(self, root: Value) -> Any:
        count = self.v.shape[-1]
        if count > _MOST_ROWS:
            return None
        rows = []
        for k in range(count):
            seed = np.zeros(self.v.shape)
            seed[(0, k) if self.v.rank == 2 else k] = 1
            found = self._reference(root, seed)
            if found is None:
                return None
            rows.append(found[0] if self.v.rank == 2 else found)
        return np.stack(rows)

    def _step(
        self, name: Expr, formula: Expr, rules: tuple[str, ...], note: str, reference: Any
    ) -> Step:
        value = np.asarray(evaluate(formula, self.known))
        scale = magnitude(formula, self.known)
        return Step(equation(name, formula), ", ".join(rules), note, value, reference, scale)


def _depends(x: Value, root: Value) -> bool:
    """Whether root lies beneath x."""
    seen: set[Value] = set()
    waiting = [x]
    while waiting:
        y = waiting.pop()
        if y is root:
            return True
        if y not in seen:
            seen.add(y)
            waiting += y.inputs
    return False


def _jacobian(formula: Expr, seed: Symbol) -> Expr | None:
    """J of Jᵀ g, a column, or of g J, rows."""
    match formula:
        case MatrixProduct((*before, last)) if last == seed and seed.kind == "vector":
            return transpose(matmul(*before))
        case MatrixProduct((first, *behind)) if first == seed and seed.kind == "matrix":
            return matmul(*behind)
    return None
