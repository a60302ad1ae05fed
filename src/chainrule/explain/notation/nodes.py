"""The nodes of a formula: frozen, compared by value; they know nothing of how they are printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["scalar", "vector", "matrix", "tensor"]
Size: TypeAlias = int | str
Sign: TypeAlias = Literal["=", ":=", "≈", "≠", "<", "≤", ">", "≥", "∈", "→", "⇒"]
Norms: TypeAlias = Literal["", "1", "2", "∞", "F"]


@dataclass(frozen=True)
class Expr:
    """A formula or a part of one."""


@dataclass(frozen=True)
class Symbol(Expr):
    """A name that stands for a value: W⁽²⁾, x₁, θ.

    Attributes:
        name: letters: "W", "θ", or a whole word, which is printed upright.
        subscript: printed below: "1", "hidden".
        superscript: printed above in parentheses, the layer: "2".
        kind: what it is; matrices and tensors are bold, vectors bold too.
        shape: its sizes if they are known; said beside a formula, not in it.
        key: where ``evaluate`` finds its value; by default made of the name and its marks.
    """

    name: str
    subscript: str = ""
    superscript: str = ""
    kind: Kind = "scalar"
    shape: tuple[int, ...] | None = None
    key: str = ""

    def __post_init__(self) -> None:
        below = f"_{self.subscript}" if self.subscript else ""
        above = f"^({self.superscript})" if self.superscript else ""
        object.__setattr__(self, "key", self.key or f"{self.name}{below}{above}")


@dataclass(frozen=True)
class Number(Expr):
    """A number, printed with every digit that it has."""

    value: int | float


@dataclass(frozen=True)
class Constant(Expr):
    """A number that has a name: π, e."""

    name: str
    value: float


@dataclass(frozen=True)
class Text(Expr):
    """Words between formulas; they have no value."""

    text: str


@dataclass(frozen=True)
class Negative(Expr):
    """-a; as a term of a sum it is a difference."""

    body: Expr


@dataclass(frozen=True)
class Sum(Expr):
    """a + b - c + ..., element by element."""

    terms: tuple[Expr, ...]


@dataclass(frozen=True)
class Product(Expr):
    """Factors side by side: numbers, and at most one array that they scale."""

    factors: tuple[Expr, ...]


@dataclass(frozen=True)
class MatrixProduct(Expr):
    """The product of matrices and of vectors as columns; 1 × 1 is a number."""

    factors: tuple[Expr, ...]


@dataclass(frozen=True)
class Hadamard(Expr):
    """a ⊙ b, element by element."""

    factors: tuple[Expr, ...]


@dataclass(frozen=True)
class Fraction(Expr):
    """top / bottom, element by element."""

    top: Expr
    bottom: Expr


@dataclass(frozen=True)
class Power(Expr):
    """base to the exponent, element by element."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True)
class Transpose(Expr):
    """bodyᵀ."""

    body: Expr


@dataclass(frozen=True)
class Root(Expr):
    """The square root, or one of another degree, element by element."""

    body: Expr
    degree: int = 2


@dataclass(frozen=True)
class Abs(Expr):
    """abs(body), element by element."""

    body: Expr


@dataclass(frozen=True)
class Norm(Expr):
    """The norm of all elements: Euclidean ("", "2", "F"), "1" or "∞"."""

    body: Expr
    order: Norms = ""


@dataclass(frozen=True)
class Apply(Expr):
    """A function of its arguments: tanh(z), softmax(z), vjp(g).

    Attributes:
        name: as it is printed, upright.
        arguments: formulas.
        call: what ``evaluate`` calls with their values; None for the known names of
            ``evaluation.FUNCTIONS``. Not compared.
        subscript, superscript: printed on the name.
    """

    name: str
    arguments: tuple[Expr, ...]
    call: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    subscript: str = ""
    superscript: str = ""


@dataclass(frozen=True)
class Index(Expr):
    """body with indices below it; the first element has the index 1, as printed."""

    body: Expr
    indices: tuple[Expr, ...]


@dataclass(frozen=True)
class Relation(Expr):
    """parts[0] signs[0] parts[1] signs[1] ...: an equation, a chain of them, a comparison.

    Its value is whether it holds, element by element (≈ to a relative 1e-9).
    """

    parts: tuple[Expr, ...]
    signs: tuple[Sign, ...]


@dataclass(frozen=True)
class Indicator(Expr):
    """𝟏[condition]: 1 where it holds, 0 elsewhere."""

    condition: Expr


@dataclass(frozen=True)
class Cases(Expr):
    """The first value whose condition holds, element by element; else ``otherwise``."""

    branches: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr


@dataclass(frozen=True)
class SumOver(Expr):
    """The sum of the body for index = start ... stop; the index is a scalar symbol."""

    index: Symbol
    start: Expr
    stop: Expr
    body: Expr


@dataclass(frozen=True)
class Total(Expr):
    """The sum of all elements of an array, Σᵢ bodyᵢ, or along some of its axes.

    Attributes:
        body: an array.
        indices: names of the indices, one per axis: ("i",) or ("i", "j").
        summed: which of them are summed over; all by default.
    """

    body: Expr
    indices: tuple[str, ...]
    summed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "summed", self.summed or self.indices)


@dataclass(frozen=True)
class Derivative(Expr):
    """∂top/∂bottom or dtop/dbottom; ``top`` None is the operator alone. Its value has a key.

    ``held`` are values that depend on ``bottom`` too and are kept as they are: (∂f/∂x)ᵤ.
    """

    top: Expr | None
    bottom: Expr
    partial: bool = True
    order: int = 1
    held: tuple[Expr, ...] = ()

    @property
    def key(self) -> str:
        """Where ``evaluate`` finds its value: "∂L/∂W^(2)"."""
        mark = "∂" if self.partial else "d"
        top, bottom = (getattr(x, "key", "f") for x in (self.top, self.bottom))
        kept = "".join(f"|{getattr(x, 'key', 'f')}" for x in self.held)
        return f"{mark}{top}/{mark}{bottom}{kept}"


@dataclass(frozen=True)
class Ones(Expr):
    """𝟏: a column of ones."""

    size: int


@dataclass(frozen=True)
class OneHot(Expr):
    """e with a class below: the column of 0 with a 1 for that class (classes are 0, 1, ...)."""

    label: Expr
    size: int


@dataclass(frozen=True)
class Matrix(Expr):
    """A small matrix element by element; a column has rows of one."""

    rows: tuple[tuple[Expr, ...], ...]
