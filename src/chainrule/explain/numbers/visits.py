"""Backpropagation operation by operation: what arrives, what is passed on, and by what Jacobian."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

import numpy as np

from chainrule.explain.numbers.jacobians import Jacobian, is_elementwise, jacobian_of
from chainrule.explain.numbers.norms import norm
from chainrule.explain.numbers.pieces import Piece
from chainrule.explain.numbers.recorded import Recorded
from chainrule.gradients.tape import TapeTracer, sum_of
from chainrule.tracing.lines import Place, line_text

Array = Any


@dataclass(frozen=True, eq=False)
class Passed:
    """What a result passes on to one operand: δ_operand += Jᵀ δ.

    Attributes:
        to: the operand: a leaf's name, or ``#3`` for the result of visit 3.
        places: of the operand among those of the operation, two of them in x · x.
        shape: of the operand.
        gradient: the cotangent passed on, of that shape, exactly as ``cr.grad`` has it.
    """

    to: str
    places: tuple[int, ...]
    shape: tuple[int, ...]
    gradient: Array
    _recorded: Recorded
    _entry: TapeTracer

    @cached_property
    def jacobian(self) -> Jacobian:
        """∂result/∂operand by its structure."""
        return jacobian_of(self._recorded.tape, self._entry, self.places)

    @cached_property
    def error(self) -> float | None:
        """|Jᵀ δ − gradient| / (|J| |δ|), with J by its structure; None where J is not formed."""
        delta = self._recorded.cotangents[self._entry]
        with np.errstate(all="ignore"):
            pulled = None if isinstance(delta, dict) else self.jacobian.pull(np.asarray(delta))
            if pulled is None:
                return None
            differs = ~np.isclose(pulled, self.gradient, rtol=0, atol=0, equal_nan=True)
            wrong = np.where(differs, np.asarray(pulled, np.float64) - self.gradient, 0.0)
        length = (self.jacobian.frobenius or 0.0) * norm(delta)
        return norm(wrong) / length if length else norm(wrong)


@dataclass(frozen=True, eq=False)
class Visit:
    """One operation, as backpropagation comes by.

    Attributes:
        number: 1 for the first that is visited, the loss itself.
        op: the operation, as in a graph's text.
        where: the user's line, ``model.py:14``; "" where none is known.
        source: what stands on that line.
        name: the variable that the line assigns it to; "" where there is none.
        layer: title of the layer that it belongs to.
        shape, dtype: of the result.
        value: the result; a tuple of an operation with several.
        delta: the cotangent ∂loss/∂result that arrives; by number of an operation with several.
        passed: what is passed on, to each operand that is differentiated.
    """

    number: int
    op: str
    where: str
    source: str
    name: str
    layer: str
    shape: tuple[int, ...]
    dtype: str
    value: Array
    delta: Array
    passed: tuple[Passed, ...]

    @property
    def word(self) -> str:
        """The operation as a person calls it: x · x is a square."""
        is_square = self.op == "multiply" and any(len(p.places) == 2 for p in self.passed)
        return "square" if is_square else self.op

    @property
    def delta_norm(self) -> float:
        """The length of the cotangent."""
        return norm(self.delta)


def visits_of(
    recorded: Recorded, pieces: tuple[Piece, ...], door: Place
) -> tuple[Visit, ...]:  # fmt: skip
    """Every visit, the loss first. ``door`` is the line that asked for the explanation."""
    numbers = {entry: k + 1 for k, entry in enumerate(reversed(recorded.entries))}
    names = {x: name for name, x in recorded.inputs.items()}
    titles = {entry: piece.title for piece in pieces for entry in piece.entries}
    assigned = _assigned(recorded, door)
    found = []
    for entry, number in numbers.items():
        where = None if entry.where == door else entry.where
        value = entry.value
        passed = tuple(
            Passed(
                names.get(x) or f"#{numbers[x]}", places, _shape(x.value), gradient, recorded, entry
            )
            for x, places, gradient in _by_operand(recorded, entry)
        )
        found.append(
            Visit(
                number, entry.op, line_text(where) if where else "", source_of(where),
                assigned.get(entry, ""), titles[entry], _shape(value), _dtype(value), value,
                recorded.cotangents[entry], passed,
            )
        )  # fmt: skip
    return tuple(found)


def _by_operand(
    recorded: Recorded, entry: TapeTracer
) -> Iterator[tuple[TapeTracer, tuple[int, ...], Array]]:
    """Each operand with its places and what is passed on to it: x · x has one operand, twice."""
    places: dict[TapeTracer, list[int]] = {}
    for k in recorded.owed[entry]:
        places.setdefault(entry.operands[k], []).append(k)
    for x, found in places.items():
        if len(found) > 1 and not is_elementwise(entry):
            yield from ((x, (k,), recorded.owed[entry][k]) for k in found)
        else:
            parts = [recorded.owed[entry][k] for k in found]
            yield x, tuple(found), functools.reduce(sum_of, parts)


def source_of(where: Place) -> str:
    """What stands on a line, if its file can be read."""
    return linecache.getline(*where).strip() if where and where[1] else ""


def _assigned(recorded: Recorded, door: Place) -> Mapping[TapeTracer, str]:
    """The variable that a line assigns its last result to."""
    found = {}
    for entry, after in zip_longest(recorded.entries, recorded.entries[1:]):
        is_last = after is None or after.where != entry.where
        if is_last and entry.where != door and (name := _target(source_of(entry.where))):
            found[entry] = name
    return found


def _target(line: str) -> str:
    try:
        (statement,) = ast.parse(line).body
    except (SyntaxError, ValueError):
        return ""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        target = statement.target
    else:
        return ""
    return target.id if isinstance(target, ast.Name) else ""


def _shape(value: Any) -> tuple[int, ...]:
    return (len(value),) if isinstance(value, tuple) else tuple(np.shape(value))


def _dtype(value: Any) -> str:
    return "several" if isinstance(value, tuple) else str(np.asarray(value).dtype)
