"""The numbers: values of the pieces at a point, and their derivatives by autodiff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.explain.derivations.symbolic.differentiate import pending
from chainrule.explain.derivations.symbolic.pieces import Composition, Piece
from chainrule.explain.derivations.symbolic.scalars import Scalar, ordered
from chainrule.explain.notation import Expr, Symbol, evaluate
from chainrule.explain.subject import Subject
from chainrule.gradients.reverse import grad
from chainrule.ops.apply import bind

#: Key of a symbol: its value.
Values = Mapping[str, float]


class Point:
    """A composition at one point.

    Args:
        composition: the pieces.
        leaves: the arrays of the arguments.
    """

    def __init__(self, composition: Composition, leaves: Mapping[str, np.ndarray]) -> None:
        self.composition = composition
        self.values: dict[str, Any] = {}
        self.scalars: dict[Scalar, Symbol] = dict(composition.leaves)
        for scalar, symbol in composition.leaves.items():
            self.values[symbol.key] = np.float64(leaves[scalar.name][scalar.index])
        for piece in composition.pieces:
            self.values[piece.symbol.key] = evaluate(piece.formula, self.values)
            self.scalars.setdefault(piece.scalar, piece.symbol)

    def value(self, e: Expr) -> Any:
        """The value of a formula as it is printed; None while a derivative stands in it."""
        return None if pending(e) else evaluate(e, self.values)

    def run(self, piece: Piece) -> Any:
        """The value of a piece by NumPy, from those of its inputs."""
        return _result(piece.scalar, self._inputs(piece))

    def slope(self, piece: Piece, by: Symbol) -> Any:
        """The derivative of a piece by one of its inputs, by autodiff; None if there is none."""
        inputs = self._inputs(piece)
        mine = next(s for s in inputs if self.scalars[s] == by)

        def of(x: Any) -> Any:
            return _result(piece.scalar, {**inputs, mine: x})

        try:
            return grad(of)(np.float64(inputs[mine]))
        except ChainruleError:
            return None

    def cotangent(self, piece: Piece) -> Any:
        """The derivative of the result by a piece, by autodiff; None if there is none."""
        output = self.composition.result.scalar
        leaves = {s: np.float64(self.values[x.key]) for s, x in self.composition.leaves.items()}

        def of(x: Any) -> Any:
            return _result(output, {**leaves, piece.scalar: x})

        try:
            return grad(of)(np.float64(self.values[piece.symbol.key]))
        except ChainruleError:
            return None

    def _inputs(self, piece: Piece) -> dict[Scalar, Any]:
        wanted = set(piece.inputs)
        return {
            scalar: np.float64(self.values[symbol.key])
            for scalar, symbol in self.scalars.items()
            if scalar.op == "input" or (symbol in wanted and scalar is not piece.scalar)
        }


def _result(output: Scalar, known: Mapping[Scalar, Any]) -> Any:
    """A number of the program from others; NumPy, or traced."""
    values: dict[Scalar, Any] = dict(known)
    needed: set[Scalar] = set()
    stack = [output]
    while stack:
        scalar = stack.pop()
        if scalar not in values and scalar not in needed:
            needed.add(scalar)
            stack.extend(scalar.inputs)
    for scalar in ordered(output):
        if scalar in needed:
            values[scalar] = _operation(scalar, [values[x] for x in scalar.inputs])
    return values[output]


def _operation(scalar: Scalar, operands: list[Any]) -> Any:
    if scalar.op == "constant":
        return np.asarray(scalar.value)[()]
    with np.errstate(all="ignore"):
        return bind(scalar.op, *operands)


def gradients(subject: Subject, leaves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The gradient with respect to each leaf asked for, by autodiff, in float64."""
    wide = {k: x.astype(np.float64) if x.dtype.kind == "f" else x for k, x in leaves.items()}
    names = subject.wrt

    def of(*values: Any) -> Any:
        return subject.call({**wide, **dict(zip(names, values, strict=True))})

    with np.errstate(all="ignore"):
        found = grad(of, argnums=tuple(range(len(names))))(*(wide[name] for name in names))
    return dict(zip(names, map(np.asarray, found), strict=True))


#: How many other points each result is tried at.
OTHERS: Final = 3


def other_points(leaves: Mapping[str, np.ndarray], seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Points around the given one; signs may change, whole numbers stay."""
    rng = np.random.default_rng(seed)
    return [{k: _moved(x, rng) for k, x in leaves.items()} for _ in range(OTHERS)]


def _moved(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if x.dtype.kind != "f":
        return x
    noise = rng.normal(0, 1, x.shape) * (0.5 * np.abs(np.asarray(x, np.float64)) + 0.1)
    return np.asarray(np.asarray(x, np.float64) + noise)
