"""The results on a tape grouped into layers: what a person would call one step of the network.

A call of one of our layers is a piece. What is done outside of them, or in a function in plain
NumPy, is cut by its structure: each product with a parameter (its bias included), each activation
between two products, each place where ways part or meet, and the loss at the end. All else belongs
to the one piece that reads it (a fanout-free cone, as circuits are cut: Cong & Ding 1994, FlowMap).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.explain.numbers.recorded import Recorded
from chainrule.gradients.tape import TapeTracer
from chainrule.nn import ACTIVATIONS
from chainrule.nn.watching import Call, layer_name

#: Operations that only move numbers.
PLUMBING: Final = frozenset(
    ("broadcast", "reshape", "transpose", "slice", "pad", "cast", "copy", "item", "fence",
     "shear", "unshear", "stop_gradient")
)  # fmt: skip
#: What data are called where nothing else tells them from parameters.
_DATA: Final = frozenset(
    ("x", "y", "xs", "ys", "data", "inputs", "targets", "labels", "sample_weight")
)  # fmt: skip
#: Functions of no more operations than this are shown one by one.
FEW: Final = 12


@dataclass(frozen=True, eq=False)
class Piece:
    """Results that belong together.

    Attributes:
        name: the path of the layer ("layers.0") or of its parameter ("w1"); "" for none.
        kind: the layer's class, or what is done: "Linear", "relu", "dot + add", "loss".
        entries: in the order of the forward pass; the last is what it gives.
    """

    name: str
    kind: str
    entries: tuple[TapeTracer, ...]

    @property
    def result(self) -> TapeTracer:
        return self.entries[-1]

    @property
    def title(self) -> str:
        """Its name and kind in one."""
        return " ".join(filter(None, (self.name, self.kind))) or "output"


def pieces_of(recorded: Recorded, loss_name: str = "loss") -> tuple[Piece, ...]:
    """All entries in pieces, in the order in which the forward pass has done with them."""
    cut = _Cut(recorded)
    groups: dict[Any, list[TapeTracer]] = {}
    for entry in recorded.entries:
        groups.setdefault(cut.piece[entry], []).append(entry)
    place = {entry: k for k, entry in enumerate(recorded.entries)}
    ordered = sorted(groups.items(), key=lambda item: place[item[1][-1]])
    return tuple(_named(recorded, key, tuple(found), loss_name) for key, found in ordered)


def is_data_name(name: str) -> bool:
    """Whether a function's argument is called as data are."""
    return name.partition(".")[0].lower() in _DATA


def root_of(recorded: Recorded, x: Any) -> Any:
    """What stands behind operations that only move numbers."""
    while isinstance(x, TapeTracer) and x.op in PLUMBING and x.operands:
        x = x.operands[0]
    return x


def is_own_layer(call: Call | None) -> bool:
    """A layer of ours, or a function as a layer, that no other is called in."""
    return call is not None and not call.has_inner and _is_ours(call)


def _is_ours(call: Call) -> bool:
    return type(call.layer).__module__.startswith("chainrule.nn")


class _Cut:
    """Which piece each entry belongs to: a call, or the entry that the piece ends in."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.inputs = frozenset(recorded.inputs.values())
        self.users = _users(recorded)
        self.piece: dict[TapeTracer, Any] = {}
        made = [entry for entry in recorded.entries if entry.op not in PLUMBING]
        one_by_one = len(made) <= FEW and not recorded.calls
        for entry in reversed(recorded.entries):
            self.piece[entry] = self._piece(entry, one_by_one)

    def _piece(self, entry: TapeTracer, one_by_one: bool) -> Any:
        call = self.recorded.calls.get(entry)
        if is_own_layer(call):
            return call
        read_by = {self.piece[user] for user in self.users[entry]}
        alone = len(read_by) != 1
        if alone or self._ends_a_piece(entry) or (one_by_one and entry.op not in PLUMBING):
            return entry
        (found,) = read_by
        is_same_call = isinstance(found, TapeTracer) and self.recorded.calls.get(found) is call
        return found if is_same_call else entry

    def _ends_a_piece(self, entry: TapeTracer) -> bool:
        if entry.op in ("scan", "cond", "custom_gradient"):
            return True
        if entry.op == "dot":
            return not any(self._is_bias(user) for user in self.users[entry])
        if entry.op in PLUMBING:
            return False
        meets = self._is_meeting(entry) or any(map(self._is_meeting, self.users[entry]))
        return meets or self._is_bias(entry) or self._is_multiplied(entry)

    def _is_meeting(self, entry: TapeTracer) -> bool:
        """A sum of two ways, one of which parted from another: a residual connection."""
        operands = dict.fromkeys(entry.operands[k] for k in self.recorded.owed[entry])
        made = [x for x in operands if x in self.users]
        return entry.op == "add" and len(made) == 2 and any(len(self.users[x]) > 1 for x in made)

    def _is_bias(self, entry: TapeTracer) -> bool:
        """A product plus something that is a parameter."""
        if entry.op != "add":
            return False
        roots = [root_of(self.recorded, x) for x in entry.operands]
        products = [x for x in roots if isinstance(x, TapeTracer) and x.op == "dot"]
        others = [x for x in roots if not isinstance(x, TapeTracer) or x in self.inputs]
        return len(products) == 1 and len(others) == 1 and len(self.users[products[0]]) == 1

    def _is_multiplied(self, entry: TapeTracer) -> bool:
        """Whether a product reads it, moved about or as it is."""
        waiting = list(self.users[entry])
        for user in waiting:
            if user.op == "dot":
                return True
            waiting += self.users[user] if user.op in PLUMBING else []
        return False


def _users(recorded: Recorded) -> Mapping[TapeTracer, list[TapeTracer]]:
    """For each entry the entries that passed something back to it."""
    found: dict[TapeTracer, list[TapeTracer]] = {entry: [] for entry in recorded.entries}
    for entry in recorded.entries:
        for operand in dict.fromkeys(entry.operands[k] for k in recorded.owed[entry]):
            if operand in found:
                found[operand].append(entry)
    return found


# -- names -------------------------------------------------------------------------------------


def _named(recorded: Recorded, key: Any, entries: tuple[TapeTracer, ...], loss_name: str) -> Piece:
    if isinstance(key, Call):
        return Piece(key.path, layer_name(key.layer), entries)
    ends = entries[-1] is recorded.output
    if ends and recorded.calls.get(entries[-1]) is None and len(entries) > 1:
        return Piece("", loss_name, entries)
    call = recorded.calls.get(entries[-1])
    name = _leaf_name(recorded, entries) or (call.path if call else "")
    return Piece(name, _kind(recorded, entries), entries)


def _leaf_name(recorded: Recorded, entries: tuple[TapeTracer, ...]) -> str:
    """The parameter of a product, by what its layer is called: "layers.0" of "layers.0.weight"."""
    names = {x: name for name, x in recorded.inputs.items()}
    for entry in entries:
        if entry.op == "dot":
            found = [
                names[r]
                for x in entry.operands
                if isinstance(r := root_of(recorded, x), TapeTracer) and r in names
            ]
            return next((name for name in found if not is_data_name(name)), "")
    return ""


def _kind(recorded: Recorded, entries: tuple[TapeTracer, ...]) -> str:
    made = [entry for entry in entries if entry.op not in PLUMBING]
    if any(_is_rectifier(recorded, entry) for entry in made[-1:]):
        return "relu"
    if len(made) > 1 and (activation := _activation(recorded, entries)):
        return activation
    ops = list(dict.fromkeys(_word(entry) for entry in made)) or [entries[-1].op]
    if len(ops) > 3:
        return f"{ops[0]}, …, {ops[-1]} ({len(made)} operations)"
    return " + ".join(ops) if ops[0] == "dot" else ", ".join(ops)


def _word(entry: TapeTracer) -> str:
    is_square = entry.op == "multiply" and entry.operands[0] is entry.operands[1]
    return "square" if is_square else entry.op


def _is_rectifier(recorded: Recorded, entry: TapeTracer) -> bool:
    """Whether a choice is max(x, 0) of what it lets pass."""
    if entry.op not in ("where", "maximum"):
        return False
    values = [recorded.tape.value(x) for x in entry.operands]
    moved = [values[k] for k in recorded.owed[entry]]
    has_zeros = any(np.asarray(x).dtype.kind in "fi" and not np.any(x) for x in values)
    return has_zeros and any(
        np.array_equal(entry.value, np.maximum(x, 0), equal_nan=True) for x in moved
    )


def _activation(recorded: Recorded, entries: tuple[TapeTracer, ...]) -> str:
    """The one of our activations whose values these are; "" where none or several fit."""
    x = _only_source(recorded, entries)
    value = entries[-1].value
    if x is None or np.shape(x) != np.shape(value) or not np.size(value) or np.ndim(value) < 1:
        return ""
    rtol = 1e-5 if np.asarray(value).dtype == np.float32 else 1e-11
    with np.errstate(all="ignore"):
        fits = [
            name for name, f in ACTIVATIONS.items() if np.allclose(f(x), value, rtol, rtol / 100)
        ]
    return fits[0] if len(fits) == 1 else ""


def _only_source(recorded: Recorded, entries: tuple[TapeTracer, ...]) -> Any:
    """The value that all of a piece is made of; None if there are several."""
    inside = set(entries)
    read = {
        x: None for e in entries for k in recorded.owed[e] if (x := e.operands[k]) not in inside
    }
    return next(iter(read)).value if len(read) == 1 else None
