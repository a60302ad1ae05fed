"""The atoms of a proof: parts of θ, nonlinear functions of linear forms, and their curvature."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from chainrule.explain.proofs.forms import Forms, collected, single, stacked
from chainrule.explain.proofs.intervals import Interval

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Block:
    """Atoms that were made together, numbered from ``start`` on.

    Attributes:
        kind: the function: "theta", "exp", "power", "log_sum_exp", ...; "unknown".
        convex, concave: (count,), what is proved of each as a function of θ; affine is both.
        arguments: forms with one row per atom; of ``groups`` (log-sum-exp, max) one with many.
        groups: (count + 1,), rows groups[i] ... groups[i + 1] - 1 are the arguments of atom i.
        parameter: the exponent of a power, δ of Huber's function.
        range: the enclosure of the first argument.
        where: the user's line.
        law: why it has its curvature.
    """

    kind: str
    start: int
    convex: Array
    concave: Array
    arguments: tuple[Forms, ...] = ()
    groups: Array | None = None
    parameter: float = 0.0
    range: Interval | None = None
    where: str = ""
    law: str = ""

    @property
    def count(self) -> int:
        return len(self.convex)

    def rows_of(self, i: int) -> Array:
        """The numbers of the argument rows of atom i of the block."""
        if self.groups is None:
            return np.array([i])
        return np.arange(self.groups[i], self.groups[i + 1])


@dataclass(eq=False)
class Atoms:
    """All atoms so far."""

    blocks: list[Block] = field(default_factory=list)
    seen: dict[Any, int] = field(default_factory=dict)
    convex: Array = field(default_factory=lambda: np.zeros(0, bool))
    concave: Array = field(default_factory=lambda: np.zeros(0, bool))
    #: For each atom the number of its block.
    block: Array = field(default_factory=lambda: np.zeros(0, np.int32))
    #: Blocks of opaque affine maps: how to write them by parts of θ.
    expand: dict[int, Callable[[Array], Forms]] = field(default_factory=dict)

    def new(
        self, kind: str, convex: Array, concave: Array, *arguments: Forms, **more: Any
    ) -> Forms:
        """New atoms, one row for each."""
        start = len(self.convex)
        block = Block(kind, start, convex, concave, arguments, **more)
        self.blocks.append(block)
        self.convex = np.concatenate([self.convex, convex])
        self.concave = np.concatenate([self.concave, concave])
        number = np.full(block.count, len(self.blocks) - 1, np.int32)
        self.block = np.concatenate([self.block, number])
        return single(np.arange(start, start + block.count))

    def is_kind(self, forms: Forms, kind: str) -> Array:
        """For each entry whether its atom is of this kind."""
        kinds = np.array([block.kind == kind for block in self.blocks], bool)
        return kinds[self.block[forms.atom]] if forms.atom.size else np.zeros(0, bool)

    def of(self, atom: int) -> tuple[Block, int]:
        """The block of an atom and its number in it."""
        block = self.blocks[self.block[atom]]
        return block, int(atom) - block.start

    def arguments_of(self, atoms: Array, which: int = 0) -> Forms:
        """The argument of each of some atoms of one kind that have one row each."""
        parts, places = [], []
        for number in np.unique(self.block[atoms]):
            at = np.flatnonzero(self.block[atoms] == number)
            block = self.blocks[number]
            parts.append(block.arguments[which].take(atoms[at] - block.start))
            places.append(at)
        order = np.argsort(np.concatenate(places), kind="stable")
        return stacked(parts).take(order)

    def curvature(self, forms: Forms) -> tuple[Array, Array]:
        """For each row whether it is convex, whether concave: the rule of sums."""
        sign = forms.sign()
        convex, concave = self.convex[forms.atom], self.concave[forms.atom]
        affine = convex & concave
        up = affine | ((sign > 0) & convex) | ((sign < 0) & concave)
        low = affine | ((sign > 0) & concave) | ((sign < 0) & convex)
        finite = np.isfinite(forms.constant)
        known = np.isfinite(forms.value)
        return forms.all_entries(up & known) & finite, forms.all_entries(low & known) & finite

    def affine(self, forms: Forms) -> Array:
        """For each row whether it is affine."""
        convex, concave = self.curvature(forms)
        return np.asarray(convex & concave)

    def by_theta(self, forms: Forms) -> Forms:
        """Affine rows with every opaque atom written by parts of θ."""
        for _ in range(len(self.blocks) + 1):
            opaque = [k for k in np.unique(self.block[forms.atom]) if int(k) in self.expand]
            if not opaque:
                return forms
            forms = self._opened(forms, int(max(opaque)))
        raise AssertionError("an affine map stands for itself")

    def _opened(self, forms: Forms, number: int) -> Forms:
        """One block's atoms replaced by what they stand for."""
        block = self.blocks[number]
        chosen = self.block[forms.atom] == number
        entry = np.flatnonzero(chosen)
        inner = self.expand[number](forms.atom[entry] - block.start)
        factor, factor_error = forms.value[entry], forms.error[entry]
        scaled = inner.scaled(factor)
        error = scaled.error + np.abs(inner.value) * factor_error[inner.row]
        rows = forms.row[entry]
        constant = forms.constant + np.bincount(rows, scaled.constant, forms.size)
        kept = ~chosen
        return collected(
            constant,
            np.concatenate([forms.row[kept], rows[scaled.row]]),
            np.concatenate([forms.atom[kept], scaled.atom]),
            np.concatenate([forms.value[kept], scaled.value]),
            np.concatenate([forms.error[kept], error]),
        )

    def reachable(self, forms: Forms) -> Iterator[Block]:
        """The blocks that some forms are made of, in the order in which they were made."""
        needed: set[int] = set()
        waiting = set(np.unique(self.block[forms.atom]).tolist())
        while waiting:
            number = waiting.pop()
            needed.add(number)
            for argument in self.blocks[number].arguments:
                below = set(np.unique(self.block[argument.atom]).tolist())
                waiting |= below - needed
        return (self.blocks[number] for number in sorted(needed))
