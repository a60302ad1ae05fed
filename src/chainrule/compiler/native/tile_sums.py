"""Sums along the rows of a tile: a number for each row, whatever the tile that it falls in.

The vectors of a row are added to one another, and the lanes of many rows' vectors are then folded
together: each fold joins two vectors that hold 2^k rows to one that holds 2^(k + 1), so that a
row costs about one shuffle. Where a row has several strips each adds to what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import Val
from chainrule.compiler.native.memory import Entry, Lanes
from chainrule.compiler.native.sums import interleaved
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node


@dataclass(eq=False)
class RowSums:
    """The sums of one tile, row after row.

    ``pending`` holds for each sum the vectors that wait for a neighbour, with how often each was
    folded; ``full`` those that hold as many rows as there are lanes.
    """

    body: Body
    nest: Nest
    pending: list[list[tuple[int, Val]]] = field(default_factory=list)
    full: list[list[Val]] = field(default_factory=list)
    rows: int = 0

    def __post_init__(self) -> None:
        self.pending = [[] for _ in self.nest.sums]
        self.full = [[] for _ in self.nest.sums]

    def add(self, sums: list[Val]) -> None:
        """The next row: for each sum a vector whose lanes are to be added up."""
        self.rows += 1
        for k, (node, value) in enumerate(zip(self.nest.sums, sums, strict=True)):
            waiting, level = self.pending[k], 0
            while waiting and waiting[-1][0] == level:
                value = self._fold(node, waiting.pop()[1], value, level)
                level += 1
            self._keep(k, level, value)

    def _keep(self, k: int, level: int, value: Val) -> None:
        if 1 << level == self.body.lanes:
            self.full[k].append(value)
        else:
            self.pending[k].append((level, value))

    def _fold(self, node: Node, a: Val, b: Val | None, level: int) -> Val:
        """Lane i of a belongs to row i mod 2^level; afterwards to row i mod 2^(level + 1)."""
        e, lanes, span = self.body.e, range(self.body.lanes), 1 << level
        if b is None:
            return self.body.join(node, a, e.shuffle(a, a, [i ^ span for i in lanes]))
        return self.body.join(node, *interleaved(e, a, b, span))

    def _finished(self, k: int, node: Node) -> list[Val]:
        """The vectors of a sum, one lane for each row."""
        waiting = self.pending[k]
        while waiting:
            level, value = waiting.pop()
            if waiting and waiting[-1][0] == level:
                value = self._fold(node, waiting.pop()[1], value, level)
            else:
                value = self._fold(node, value, None, level)
            self._keep(k, level + 1, value)
        return self.full[k]

    def store(self, row: Entry, entries: dict[int, Entry], axis: int, first: Val) -> None:
        """Write the rows' sums from ``row`` on, or add them where a strip was before.

        ``first``: the first column of this strip. ``axis``: the domain's axis of the rows.
        """
        body, lanes = self.body, self.body.lanes
        for k, node in enumerate(self.nest.sums):
            for number, value in enumerate(self._finished(k, node)):
                base = body.positions(row)
                valid = min(lanes, self.rows - number * lanes)
                here = {**entries, axis: Lanes(base, valid, number * lanes)}
                index = tuple(here[a] for a in sorted(self.nest.order[:-1]))
                if first.text != "0":
                    before = body.load(body.stored[node], index)
                    if first.text.startswith("%"):
                        begun = body.e.compare("gt", first, body.e.i64(0))
                        before = body.e.select(
                            begun, before, body.e.splat(body.neutral(node), lanes)
                        )
                    value = body.join(node, before, value)
                body.store(body.stored[node], index, value, beside=True)
