"""Local Jacobians, held by their structure: nothing of 784 × 128 × ... numbers is ever formed.

The Jacobian of an operation has a row for each number of its result and a column for each number
of an operand. Elementwise operations have a diagonal one, a product has the other factor over and
over, what moves numbers has a single 1 in each row.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np

from chainrule.explain.numbers.norms import largest, largest_singular, norm
from chainrule.gradients.tape import Tape, TapeTracer, owed_by
from chainrule.ops import PRIMITIVES
from chainrule.ops.contract import free_axes
from chainrule.ops.record import POINTWISE

Array = Any
Shape = tuple[int, ...]

#: A matrix of no more numbers than this is formed and shown, one of this many is formed unseen.
SHOWN: Final = 64
FORMED: Final = 2**16
#: A Jacobian without structure takes a backward pass per row; no more than these.
ROWS: Final = 64


class Jacobian(ABC):
    """∂result/∂operand, both flattened in C order.

    Attributes:
        kind: which structure it has.
        out_shape, in_shape: of the result and of the operand.
    """

    kind: ClassVar[str]
    out_shape: Shape
    in_shape: Shape

    @property
    def shape(self) -> tuple[int, int]:
        """(numbers of the result, numbers of the operand)."""
        return math.prod(self.out_shape), math.prod(self.in_shape)

    @property
    @abstractmethod
    def frobenius(self) -> float | None:
        """The Frobenius norm; None where it is not known without forming the matrix."""

    @property
    @abstractmethod
    def spectral(self) -> float | None:
        """The largest singular value: by how much a gradient can grow on its way through."""

    @abstractmethod
    def pull(self, g: Array) -> Array | None:
        """Jᵀ g by the structure, in the operand's shape; None where there is none."""

    @cached_property
    def matrix(self) -> Array | None:
        """The matrix itself, where it has no more than 64 numbers."""
        rows, columns = self.shape
        return self.dense() if 0 < rows * columns <= SHOWN else None

    @np.errstate(all="ignore")
    def dense(self) -> Array | None:
        """The matrix itself, a row for each number of the result."""
        found = [self.pull(e.reshape(self.out_shape)) for e in np.eye(self.shape[0])]
        return np.stack([np.ravel(np.asarray(x)) for x in found])

    def __str__(self) -> str:
        return f"{self.shape[0]}×{self.shape[1]} {self.kind}"


@dataclass(frozen=True, eq=False)
class Diagonal(Jacobian):
    """Each number of the result depends on the one at its place."""

    kind = "diagonal"
    entries: Array

    @property
    def out_shape(self) -> Shape:  # type: ignore[override]
        return np.shape(self.entries)

    in_shape = out_shape

    @property
    def frobenius(self) -> float:
        return norm(self.entries)

    @property
    def spectral(self) -> float:
        return largest(self.entries)

    @property
    def is_identity(self) -> bool:
        """Whether it passes a gradient on as it is."""
        return bool(np.all(self.entries == 1))

    def pull(self, g: Array) -> Array:
        return g * self.entries


@dataclass(frozen=True, eq=False)
class Product(Jacobian):
    """Of a contraction: the other factor, once for each row that it meets (I ⊗ W)."""

    kind = "other factor"
    other: Array
    in_shape: Shape
    out_shape: Shape
    letters: tuple[str, str, str]  # of the result, of the other factor, of the operand, by einsum
    stack: tuple[Shape, Shape, Shape]  # axes of the other: shared, contracted, free
    repeats: int

    @cached_property
    def factor(self) -> Array:
        """(shared, free, contracted): W, if the operand is what W is applied to."""
        shared, inner, free = self.stack
        moved = np.transpose(self.other, (*shared, *free, *inner))
        sizes = [math.prod(self.other.shape[k] for k in axes) for axes in (shared, free, inner)]
        return np.reshape(moved, sizes)

    @property
    def frobenius(self) -> float:
        return math.sqrt(self.repeats) * norm(self.other)

    @cached_property
    def spectral(self) -> float | None:
        found = [largest_singular(x) for x in self.factor] if len(self.factor) <= SHOWN else [None]
        return None if None in found else max((x for x in found if x is not None), default=0.0)

    def pull(self, g: Array) -> Array:
        y, other, x = self.letters
        return np.einsum(f"{y},{other}->{x}", g, self.other, optimize=True)

    def turned(self, axes: Shape) -> Product:
        """With respect to what was transposed by ``axes`` into the operand: Wᵀ is, W is asked."""
        y, other, x = self.letters
        own = dict(zip(axes, zip(x, self.in_shape, strict=True), strict=True))
        letters = "".join(own[k][0] for k in range(len(axes)))
        in_shape = tuple(own[k][1] for k in range(len(axes)))
        return replace(self, letters=(y, other, letters), in_shape=in_shape)

    @property
    def blocks(self) -> int:
        """How many times the factor, or one of its stack, stands in the matrix."""
        return self.repeats * len(self.factor)

    def __str__(self) -> str:
        rows, columns = self.shape
        _, free, inner = self.factor.shape
        count = f": {self.blocks} blocks {free}×{inner}" if self.blocks > 1 else ""
        return f"{rows}×{columns}{count}"


@dataclass(frozen=True, eq=False)
class Selection(Jacobian):
    """A single 1 in each row, or none: numbers are moved, repeated, picked out."""

    kind = "of 0 and 1"
    sources: Array  # in the result's shape: 1 + the place in the operand, 0 for none
    in_shape: Shape
    counts: Array  # in the operand's shape: how often each number is taken

    @property
    def out_shape(self) -> Shape:  # type: ignore[override]
        return np.shape(self.sources)

    @property
    def frobenius(self) -> float:
        return math.sqrt(float(np.sum(self.counts)))

    @property
    def spectral(self) -> float:
        return math.sqrt(largest(self.counts))

    def pull(self, g: Array) -> Array:
        places = np.ravel(self.sources).astype(np.int64)
        size = self.shape[1]
        found = np.bincount(places, np.ravel(np.broadcast_to(g, self.out_shape)), size + 1)
        return np.reshape(found[1:], self.in_shape)


@dataclass(frozen=True, eq=False)
class Reduction(Jacobian):
    """Each number of the operand goes into one of the result: a sum or a maximum along axes."""

    kind = "of factors, one per column"
    entries: Array  # in the operand's shape
    axes: Shape
    out_shape: Shape

    @property
    def in_shape(self) -> Shape:  # type: ignore[override]
        return np.shape(self.entries)

    @property
    def frobenius(self) -> float:
        return norm(self.entries)

    @property
    def spectral(self) -> float:
        squares = np.sum(np.square(np.asarray(self.entries, np.float64)), axis=self.axes)
        return math.sqrt(largest(squares))

    def pull(self, g: Array) -> Array:
        return np.expand_dims(g, self.axes) * self.entries


@dataclass(frozen=True, eq=False)
class Dense(Jacobian):
    """Without a structure, and small enough to be formed row by row."""

    kind = "dense"
    full: Array
    out_shape: Shape
    in_shape: Shape

    @property
    def frobenius(self) -> float:
        return norm(self.full)

    @cached_property
    def spectral(self) -> float | None:
        return largest_singular(self.full)

    def pull(self, g: Array) -> Array:
        return np.reshape(np.ravel(g) @ self.full, self.in_shape)

    def dense(self) -> Array:
        return self.full


@dataclass(frozen=True, eq=False)
class Unformed(Jacobian):
    """Too large to be formed, and without a structure that is known: its shape alone."""

    kind = "not formed"
    out_shape: Shape
    in_shape: Shape
    frobenius = None
    spectral = None

    def pull(self, g: Array) -> None:
        return None

    def dense(self) -> None:
        return None


@np.errstate(all="ignore")
def jacobian_of(tape: Tape, entry: TapeTracer, places: tuple[int, ...]) -> Jacobian:
    """The Jacobian of a recorded operation with respect to the operand at these places."""
    k, operand = places[0], tape.value(entry.operands[places[0]])
    if is_elementwise(entry):
        return Diagonal(sum(_pulled_ones(tape, entry, k) for k in places))
    if entry.op not in PRIMITIVES or isinstance(entry.value, tuple) or isinstance(operand, tuple):
        return Unformed(_shape(entry.value), _shape(operand))
    if entry.op in _STRUCTURED:
        return _STRUCTURED[entry.op](tape, entry, k)
    return formed(lambda g: owed_by(tape, entry, g)[k], entry.value, np.shape(operand))


def is_elementwise(entry: TapeTracer) -> bool:
    """Whether each number of the result depends on those at its place alone."""
    record = PRIMITIVES.get(entry.op)
    return record is not None and record.batched == POINTWISE


@np.errstate(all="ignore")
def formed(pull: Callable[[Array], Array], value: Array, in_shape: Shape) -> Jacobian:
    """The matrix row by row, each by one backward pass; its shape alone where it is too large."""
    rows, out_shape = np.size(value), np.shape(value)
    if rows > ROWS or rows * math.prod(in_shape) > FORMED:
        return Unformed(out_shape, in_shape)
    basis = np.eye(rows, dtype=np.asarray(value).dtype)
    found = [np.ravel(pull(e.reshape(out_shape)[()])) for e in basis]
    return Dense(np.reshape(found, (rows, math.prod(in_shape))), out_shape, in_shape)


def _shape(value: Any) -> Shape:
    """Of an array; of several results, how many numbers they are together."""
    if isinstance(value, tuple):
        return (sum(math.prod(_shape(x)) for x in value if x is not None),)
    return np.shape(value)


def _pulled_ones(tape: Tape, entry: TapeTracer, k: int) -> Array:
    ones = np.ones_like(np.asarray(entry.value))[()]
    return np.asarray(owed_by(tape, entry, ones)[k])


def _product(tape: Tape, entry: TapeTracer, k: int) -> Jacobian:
    values = [np.asarray(tape.value(x)) for x in entry.operands]
    names: Any = entry.attributes
    inner, shared = (names["a_axes"], names["b_axes"]), (names["a_batch"], names["b_batch"])
    frees = [
        free_axes(x.ndim, i, s) for x, i, s in zip(values, inner, shared, strict=True)
    ]  # fmt: skip
    letters = iter(map(chr, range(ord("a"), ord("z"))))
    a = [next(letters) for _ in range(values[0].ndim)]
    b = [next(letters) for _ in range(values[1].ndim)]
    for left, right in ((inner[0], inner[1]), (shared[0], shared[1])):
        for i, j in zip(left, right, strict=True):
            b[j] = a[i]
    y = [a[i] for i in (*shared[0], *frees[0])] + [b[j] for j in frees[1]]
    other = values[1 - k]
    return Product(
        other=other, in_shape=values[k].shape, out_shape=np.shape(entry.value),
        letters=("".join(y), "".join((b, a)[k]), "".join((a, b)[k])),
        stack=(shared[1 - k], inner[1 - k], frees[1 - k]),
        repeats=math.prod(values[k].shape[i] for i in frees[k]),
    )  # fmt: skip


def _selection(tape: Tape, entry: TapeTracer, k: int) -> Jacobian:
    shape = np.shape(tape.value(entry.operands[k]))
    return selected(moved(tape, entry, k, numbered(shape)), shape)


def numbered(shape: Shape) -> Array:
    """1, 2, 3, ... in a shape: numbers that tell where they have come from."""
    return np.arange(1.0, math.prod(shape) + 1).reshape(shape)


def moved(tape: Tape, entry: TapeTracer, k: int, numbers: Array) -> Array:
    """The operation itself, done on numbered places of operand k: where each result comes from."""
    values = [np.asarray(tape.value(x)) for x in entry.operands]
    operands = [np.zeros(x.shape) if x.dtype.kind == "f" else x for x in values]
    operands[k] = numbers
    found = PRIMITIVES[entry.op].evaluate(*operands, **entry.attributes)
    return np.where(np.isfinite(found), found, 0)


def selected(sources: Array, in_shape: Shape) -> Selection:
    """The Jacobian of what takes its numbers from these places."""
    places = np.ravel(sources).astype(np.int64)
    counts = np.bincount(places, minlength=math.prod(in_shape) + 1)[1:].reshape(in_shape)
    return Selection(sources, in_shape, counts)


def _reduction(tape: Tape, entry: TapeTracer, k: int) -> Jacobian:
    axes: Any = entry.attributes["axes"]
    return Reduction(_pulled_ones(tape, entry, k), tuple(axes), np.shape(entry.value))


#: Operations whose result is numbers of an operand, moved.
MOVES: Final = (
    "broadcast", "reshape", "transpose", "slice", "pad", "take", "concatenate", "shear", "unshear",
)  # fmt: skip
_STRUCTURED: Final[dict[str, Callable[[Tape, TapeTracer, int], Jacobian]]] = {
    "dot": _product,
    **dict.fromkeys(MOVES, _selection),
    **dict.fromkeys(("sum", "max"), _reduction),
}  # fmt: skip
