"""Backpropagation layer by layer: each computes its gradients and passes the result backwards."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.explain.numbers.jacobians import (
    MOVES,
    Diagonal,
    Jacobian,
    Product,
    Unformed,
    formed,
    is_elementwise,
    jacobian_of,
    moved,
    numbered,
    selected,
)
from chainrule.explain.numbers.norms import norm
from chainrule.explain.numbers.pieces import PLUMBING, Piece
from chainrule.explain.numbers.recorded import Recorded
from chainrule.explain.numbers.visits import Visit
from chainrule.gradients.tape import TapeTracer, owed_by, sum_of

Array = Any


@dataclass(frozen=True, eq=False)
class Given:
    """What a layer makes of its δ for one operand.

    Attributes:
        to: a leaf's name ("layers.0.weight", "x"), or the title of the layer that gave it.
        source: that layer's number; None for a leaf.
        shape: of the operand.
        value: the operand.
        gradient: this layer's part of ∂loss/∂operand.
    """

    to: str
    source: int | None
    shape: tuple[int, ...]
    value: Array
    gradient: Array
    _recorded: Recorded
    _piece: Piece
    _tracer: TapeTracer

    @cached_property
    def norm(self) -> float:
        """The gradient's length."""
        return norm(self.gradient)

    @cached_property
    def jacobian(self) -> Jacobian:
        """∂(what the layer gives)/∂operand, where it has a structure or is small."""
        return _through(self._recorded, self._piece, self._tracer)


@dataclass(frozen=True, eq=False)
class Layer:
    """A step of the network, as backpropagation comes by.

    Attributes:
        number: 1 for the first that is visited, the loss.
        name: path of the layer or of its parameter ("layers.0", "w1"); "" for none.
        kind: class, activation or operations: "Linear", "relu", "dot + add", "cross_entropy".
        where, source: the user's line and what stands there.
        visits: numbers of the operations in it, as they are visited.
        shape: of what it gives.
        value: what it gives.
        delta: the cotangent δ = ∂loss/∂value that arrives.
        leaves: what it makes of δ for each leaf that it reads: parameters and data.
        passed: what it passes back to the layers before it.
        zeros: the share of its values that are exactly 0.
        dead: units that are 0 in every row, of how many; None for what is no rectifier.
    """

    number: int
    name: str
    kind: str
    where: str
    source: str
    visits: tuple[int, ...]
    shape: tuple[int, ...]
    value: Array
    delta: Array
    leaves: tuple[Given, ...]
    passed: tuple[Given, ...]
    zeros: float
    dead: tuple[int, int] | None

    @property
    def title(self) -> str:
        """Name and kind in one."""
        return " ".join(filter(None, (self.name, self.kind)))

    @cached_property
    def delta_norm(self) -> float:
        """The length of the cotangent that arrives."""
        return norm(self.delta)

    @property
    def gain(self) -> float | None:
        """|what is passed back| / |δ|: below 1 the gradient shrinks on its way through."""
        if not self.passed or not self.delta_norm:
            return None
        return float(np.hypot.reduce([given.norm for given in self.passed])) / self.delta_norm


def layers_of(
    recorded: Recorded, pieces: Sequence[Piece], visits: Sequence[Visit]
) -> tuple[Layer, ...]:
    """Every layer, the loss first, as backpropagation visits them."""
    order = tuple(reversed(pieces))
    numbers = {entry: k + 1 for k, piece in enumerate(order) for entry in piece.entries}
    by_entry = dict(zip(reversed(recorded.entries), visits, strict=True))
    return tuple(_layer(recorded, piece, order, numbers, by_entry) for piece in order)


def _layer(
    recorded: Recorded,
    piece: Piece,
    order: Sequence[Piece],
    numbers: Mapping[TapeTracer, int],
    by_entry: Mapping[TapeTracer, Visit],
) -> Layer:
    own = [by_entry[entry] for entry in reversed(piece.entries)]
    result = piece.result
    leaves, passed = _given(recorded, piece, order, numbers)
    value = result.value
    known = next((visit for visit in own if visit.where), own[0])
    return Layer(
        number=numbers[result], name=piece.name, kind=piece.kind,
        where=known.where, source=known.source,
        visits=tuple(visit.number for visit in own), shape=own[0].shape,
        value=value, delta=recorded.cotangents[result], leaves=leaves, passed=passed,
        zeros=_zeros(value), dead=_dead(piece, value),
    )  # fmt: skip


def _given(
    recorded: Recorded, piece: Piece, order: Sequence[Piece], numbers: Mapping[TapeTracer, int]
) -> tuple[tuple[Given, ...], tuple[Given, ...]]:
    """(to leaves, to layers before), the parts that one operand gets added up."""
    inside = set(piece.entries)
    total: dict[TapeTracer, Array] = {}
    for entry in reversed(piece.entries):
        for k, gradient in recorded.owed[entry].items():
            x = entry.operands[k]
            if x not in inside:
                total[x] = sum_of(total.get(x), gradient)
    names = {x: name for name, x in recorded.inputs.items()}
    leaves: list[Given] = []
    passed: list[Given] = []
    for x, gradient in total.items():
        value, source = x.value, numbers.get(x)
        to = names[x] if source is None else order[source - 1].title
        shape = (len(value),) if isinstance(value, tuple) else tuple(np.shape(value))
        made = Given(to, source, shape, value, gradient, recorded, piece, x)
        (leaves if source is None else passed).append(made)
    place = {name: k for k, name in enumerate(recorded.inputs)}
    leaves.sort(key=lambda given: place[given.to])
    return tuple(leaves), tuple(passed)


def _zeros(value: Any) -> float:
    size = 0 if isinstance(value, tuple) else np.size(value)
    return float(np.mean(np.asarray(value) == 0)) if size else 0.0


def _dead(piece: Piece, value: Any) -> tuple[int, int] | None:
    """(units that are 0 in every row, units): channels of images, the last axis of all else."""
    if piece.kind != "relu" or np.ndim(value) == 0:
        return None
    axis = 1 if np.ndim(value) == 4 else np.ndim(value) - 1
    others = tuple(k for k in range(np.ndim(value)) if k != axis)
    silent = np.all(np.asarray(value) == 0, axis=others)
    return int(np.sum(silent)), int(np.size(silent))


# -- the Jacobian of a whole layer -------------------------------------------------------------


@np.errstate(all="ignore")
def _through(recorded: Recorded, piece: Piece, x: TapeTracer) -> Jacobian:
    """By structure where one product or a chain of elementwise steps is all; else row by row."""
    value, operand = piece.result.value, x.value
    if isinstance(value, tuple) or isinstance(operand, tuple):
        return Unformed(np.shape(value), np.shape(operand))
    between = _between(recorded, piece, x)
    pull = functools.partial(_pull, recorded, piece, x)
    if all(map(is_elementwise, between)):
        return Diagonal(np.asarray(pull(np.ones_like(np.asarray(value))[()])))
    found = _product(recorded, between, x) or _moves(recorded, between, x)
    return found or formed(pull, value, np.shape(operand))


def _moves(
    recorded: Recorded, between: dict[TapeTracer, tuple[int, ...]], x: TapeTracer
) -> Jacobian | None:
    """Of numbers that are moved on one way and added to something: a bias, Flatten."""
    numbers, last = numbered(np.shape(x.value)), x
    for entry, places in reversed(between.items()):
        if len(places) != 1 or entry.operands[places[0]] is not last:
            return None
        if entry.op in MOVES:
            numbers = moved(recorded.tape, entry, places[0], numbers)
        elif not _adds(recorded, entry, places):
            return None
        last = entry
    return selected(numbers, np.shape(x.value))


def _product(
    recorded: Recorded, between: dict[TapeTracer, tuple[int, ...]], x: TapeTracer
) -> Jacobian | None:
    """Of one product to which something else is added, x being a factor of it or that turned."""
    products = [entry for entry in between if entry.op == "dot"]
    turned = [e for e in between if e.op == "transpose" and e.operands[0] is x]
    others = [entry for entry in between if entry not in {*products, *turned}]
    is_alone = len(products) == 1 and len(turned) <= 1
    if not is_alone or not all(_adds(recorded, entry, between[entry]) for entry in others):
        return None
    (product,) = products
    found = jacobian_of(recorded.tape, product, between[product])
    if not isinstance(found, Product) or len(between[product]) != 1:
        return None
    return found.turned(turned[0].attributes["axes"]) if turned else found  # type: ignore[arg-type]


def _adds(recorded: Recorded, entry: TapeTracer, places: tuple[int, ...]) -> bool:
    """Whether a step passes its δ on as it is."""
    if entry.op in PLUMBING or not is_elementwise(entry):
        return False
    found = jacobian_of(recorded.tape, entry, places)
    return isinstance(found, Diagonal) and found.is_identity


def _between(
    recorded: Recorded, piece: Piece, x: TapeTracer
) -> dict[TapeTracer, tuple[int, ...]]:  # fmt: skip
    """The entries on the ways from x to what the piece gives, and the operands they come by."""
    behind: dict[TapeTracer, tuple[int, ...]] = {x: ()}
    for entry in piece.entries:
        places = tuple(k for k in recorded.owed[entry] if entry.operands[k] in behind)
        if places:
            behind[entry] = places
    found, needed = {}, {piece.result}
    for entry in reversed(piece.entries):
        if entry in needed and entry in behind:
            found[entry] = behind[entry]
            needed.update(entry.operands[k] for k in behind[entry])
    return found


def _pull(recorded: Recorded, piece: Piece, x: TapeTracer, g: Array) -> Array:
    """Jᵀ g of the whole layer with respect to x."""
    arrived: dict[Any, Any] = {piece.result: g}
    for entry in reversed(piece.entries):
        if entry in arrived:
            for k, part in owed_by(recorded.tape, entry, arrived[entry]).items():
                operand = entry.operands[k]
                arrived[operand] = sum_of(arrived.get(operand), part)
    found = arrived.get(x)
    return np.zeros_like(x.value) if found is None else found
