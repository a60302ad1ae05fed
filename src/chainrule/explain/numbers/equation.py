"""Jacobian × incoming δ = outgoing gradient, as a picture of the three arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.explain.drawing.canvas import element, stroke
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import width
from chainrule.explain.drawing.words import label
from chainrule.explain.numbers.jacobians import Diagonal, Jacobian, Product
from chainrule.explain.numbers.layers import Given
from chainrule.explain.numbers.paper import EDGE, LINE, Sheet, heat
from chainrule.explain.numbers.words import shape_text
from chainrule.explain.words import short

Array = Any
#: Matrices of no more rows and columns than this are written out in numbers.
WRITTEN: Final = (6, 4)
#: Pixels of a side; beyond, each shows the largest of its block.
PIXELS: Final = 64
_LONG: Final = 150.0
_THIN: Final = 16.0


@dataclass(frozen=True, eq=False)
class Equation:
    """left (sign) right = result, of matrices (rows, columns).

    Attributes:
        sign: ``·`` for a matrix product, ``⊙`` element by element.
        names: of the three.
    """

    left: Array
    right: Array
    result: Array
    sign: str
    names: tuple[str, str, str]

    @property
    def text(self) -> str:
        """By the names of the three: "δ · W = passed back"."""
        left, right, result = self.names
        return f"{left} {self.sign} {right} = {result}"


def equation_of(given: Given, delta: Array) -> Equation | None:
    """δ · J = gradient in a form that can be looked at; None where J has none."""
    jacobian, target = given.jacobian, _target(given)
    if isinstance(delta, tuple | dict) or 0 in jacobian.shape:
        return None
    if isinstance(jacobian, Product):
        return _of_product(jacobian, np.asarray(delta), given, target)
    if isinstance(jacobian, Diagonal):
        parts = [_flat(x) for x in (delta, jacobian.entries, given.gradient)]
        left, right, result = parts
        return Equation(left, right, result, "⊙", ("δ", "slope", target))
    return _of_matrix(jacobian, delta, given, target)


def _of_matrix(
    jacobian: Jacobian, delta: Array, given: Given, target: str
) -> Equation | None:  # fmt: skip
    rows, columns = jacobian.shape
    found = jacobian.dense() if 0 < rows * columns <= PIXELS**2 else None
    if found is None:
        return None
    return Equation(
        np.reshape(delta, (1, -1)), found, np.reshape(given.gradient, (1, -1)), "·",
        ("δ", "J", target),
    )  # fmt: skip


def _of_product(
    product: Product, delta: Array, given: Given, target: str
) -> Equation | None:  # fmt: skip
    """δ (own rows, other's free) times the other factor; stacks of matrices have no picture."""
    shared, free, inner = product.factor.shape
    if shared != 1:
        return None
    result, other, own = product.letters
    rows = [letter for letter in result if letter in own]
    order = [result.index(letter) for letter in (*rows, *(x for x in result if x not in own))]
    left = np.reshape(np.transpose(delta, order), (-1, free))
    back = [own.index(letter) for letter in (*rows, *(x for x in other if x in own))]
    made = np.reshape(np.transpose(given.gradient, back), (-1, inner))
    is_weight = given.source is None and len(given.shape) == 2
    names = ("δᵀ", "values in", target) if is_weight else ("δ", "W", target)
    return Equation(left, product.factor[0], made, "·", names)


def _target(given: Given) -> str:
    return f"∂L/∂{given.to.rpartition('.')[2]}" if given.source is None else "passed back"


def _flat(x: Array) -> Array:
    """(rows, columns): the last axis and all before it."""
    x = np.asarray(x)
    return x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(1, -1)


def drawn(equation: Equation, title: str) -> str:
    """The picture."""
    matrices = (equation.left, equation.right, equation.result)
    sizes = [_extent(x) for x in matrices]
    total = sum(wide for wide, _ in sizes) + 2 * 40
    sheet = Sheet(max(440.0, total + 2 * EDGE), title, _told(equation), headed=False)
    high = max(size for _, size in sizes)
    x, top = EDGE, sheet.top + 2.2 * LINE
    signs = (equation.sign, "=", "")
    for matrix, (wide, tall), name, sign in zip(
        matrices, sizes, equation.names, signs, strict=True
    ):
        y = top + (high - tall) / 2
        sheet.text(name, x, sheet.top + 0.8 * LINE, "start", "text", wide + 36, kind="h")
        sheet.text(shape_text(matrix.shape), x, sheet.top + 1.7 * LINE, "start", "muted", wide + 36)
        told = f"{name}, {shape_text(matrix.shape)}"
        is_written = _is_written(matrix)
        sheet.add(
            _numbers(matrix, x, y) if is_written else heat(_coarse(matrix), x, y, wide, tall, told)
        )
        x += wide
        sheet.text(sign, x + 20, top + high / 2 + 0.34 * SIZE)
        x += 40
    return sheet.svg(top + high + 6, _notes(matrices))


def _notes(matrices: tuple[Array, ...]) -> list[str]:
    if all(map(_is_written, matrices)):
        return []
    said = "Orange: above 0, blue: below, each array by its own largest."
    if any(max(x.shape) > PIXELS for x in matrices):
        said += " A pixel is the largest of its block."
    return [said]


def _told(equation: Equation) -> str:
    a, b, c = (
        f"{name} ({shape_text(x.shape)})"
        for name, x in zip(
            equation.names, (equation.left, equation.right, equation.result), strict=True
        )
    )
    return f"{a} {equation.sign} {b} = {c}."


def _is_written(x: Array) -> bool:
    rows, columns = x.shape
    return bool(rows <= WRITTEN[0] and columns <= WRITTEN[1])


def _extent(x: Array) -> tuple[float, float]:
    """Width and height on paper."""
    if _is_written(x):
        return sum(_columns(x)) + 12, x.shape[0] * LINE + 8
    rows, columns = x.shape
    longest = max(rows, columns)
    return max(_THIN, _LONG * columns / longest), max(_THIN, _LONG * rows / longest)


def _columns(x: Array) -> list[float]:
    """The width of each column of a matrix that is written out."""
    return [max(width(short(float(v), 3), SIZE) for v in column) + 10 for column in x.T]


def _numbers(x: Array, left: float, top: float) -> str:
    """A matrix in brackets."""
    wide, tall = _extent(x)
    parts = [
        element("path", d=f"M{left + 5:.1f},{top:.1f}h-5v{tall:.1f}h5", **stroke("text")),
        element("path", d=f"M{left + wide - 5:.1f},{top:.1f}h5v{tall:.1f}h-5", **stroke("text")),
    ]
    right = left + 6
    for column, room in zip(x.T, _columns(x), strict=True):
        right += room
        parts += [
            label(short(float(v), 3), right - 4, top + (k + 0.95) * LINE, "end", kind="n")
            for k, v in enumerate(column)
        ]
    return "".join(parts)


def _coarse(x: Array) -> Array:
    """No more than 64 × 64: of each block the number that is farthest from 0."""
    for axis in (0, 1):
        step = math.ceil(x.shape[axis] / PIXELS)
        if step > 1:
            starts = np.arange(0, x.shape[axis], step)
            low, high = np.minimum.reduceat(x, starts, axis), np.maximum.reduceat(x, starts, axis)
            x = np.where(high >= -low, high, low)
    return np.asarray(x, np.float64)
