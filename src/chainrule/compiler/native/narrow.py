"""Products of few columns: lanes along the contracted axis, then folded so that each holds a row.

A rows nest begins with one: each element of the product is the sum of a vector, and the vectors of
as many rows as there are lanes are folded together to one, with which softmax and loss go on in
registers. The lanes of a row are joined as a tree of neighbours, the same wherever the row stands.
"""

from __future__ import annotations

from typing import Final

from chainrule.compiler.lower.contraction import source_loops
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import Emitter, NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW, lanes_over, store_rows
from chainrule.compiler.native.memory import Entry, Index, Lanes, Near, kind_of
from chainrule.compiler.native.operands import Operand
from chainrule.compiler.native.sums import interleaved
from chainrule.compiler.native.values import Body

#: Vectors of a row that are written out; more are looped over.
_WRITTEN_OUT: Final = 4
#: Rows whose sums are carried side by side.
_ROWS: Final = 4


def write_narrow(body: Body, nest: Nest, exact: bool) -> None:
    """Write the loop of a rows nest that begins with a product."""
    product = _Narrow(body, nest)

    def write(rows: Lanes) -> None:
        product.know(rows)
        store_rows(body, nest, rows)

    lanes_over(body, LOW, HIGH, None, exact, write)


class _Narrow:
    """The product that a rows nest begins with."""

    def __init__(self, body: Body, nest: Nest) -> None:
        assert nest.anchor is not None
        self.body = body
        self.node = nest.anchor
        sources = (source_loops(self.node, side) for side in (0, 1))
        self.a, self.b = (Operand(body.stored[source], terms) for source, terms in sources)
        inner, columns = self.a.buffer.type.shape[self.a.buffer.order[-1]], self.node.type.shape[1]
        assert isinstance(inner, int) and isinstance(columns, int)
        self.inner, self.columns = inner, columns
        self.type = NativeType(kind_of(self.node.type.dtype), body.lanes)

    def know(self, rows: Lanes) -> None:
        """Work out a vector of rows for each column."""
        e, vectors = self.body.e, list[list[Val]]()
        for first in range(0, self.body.lanes, _ROWS):
            count = min(_ROWS, self.body.lanes - first)
            vectors += self._sums([self._row(rows, first + q) for q in range(count)])
        for column, of_rows in enumerate(zip(*vectors, strict=True)):
            self.body.know(self.node, (rows, e.i64(column)), fold(e, list(of_rows)))

    def _row(self, rows: Lanes, q: int) -> Entry:
        """A row of the vector; one past the end of the caller's memory is the last one."""
        if self.a.buffer.roomy:
            return Near(rows.base, rows.plus + q)
        e = self.body.e
        at = e.add(rows.base, e.i64(rows.plus + q))
        return e.smaller(at, e.sub(HIGH, e.i64(1)))

    def _sums(self, rows: list[Entry]) -> list[list[Val]]:
        """For each row and column the vector whose lanes are to be added up."""
        e, lanes = self.body.e, self.body.lanes
        whole, rest = divmod(self.inner, lanes)
        sums: list[Val] = []
        if whole > _WRITTEN_OUT:
            zeros = [e.constant(0, self.type)] * (len(rows) * self.columns)

            def run(at: Val, carried: list[Val]) -> list[Val]:
                with self.body.block():
                    return self._add(rows, Lanes(at), carried)

            sums = e.loop(e.i64(0), e.i64(whole * lanes), lanes, run, zeros)
        else:
            for k in range(whole):
                sums = self._add(rows, Lanes(e.i64(k * lanes)), sums)
        if rest:
            sums = self._add(rows, Lanes(e.i64(whole * lanes), rest), sums)
        return [sums[k : k + self.columns] for k in range(0, len(sums), self.columns)]

    def _add(self, rows: list[Entry], at: Lanes, sums: list[Val]) -> list[Val]:
        """Take one run of the contracted axis into the sums; the first ones begin with it."""
        e = self.body.e
        of_columns = [self._load(self.b, 1, e.i64(k), at) for k in range(self.columns)]
        products = [
            (x, w) for x in (self._load(self.a, 0, r, at) for r in rows) for w in of_columns
        ]
        if not sums:
            return [e.mul(x, w) for x, w in products]
        return [e.fma(x, w, so_far) for (x, w), so_far in zip(products, sums, strict=True)]

    def _load(self, operand: Operand, loop: int, at: Entry, inner: Lanes) -> Val:
        """A run of a row, with zeros in lanes that do not exist: what lies there may be NaN."""
        index: Index = operand.index(self.body, {loop: at, ~0: inner})
        place = self.body.address(operand.buffer, index)
        return self.body.e.load_part(place, self.type, inner.valid)


def fold(e: Emitter, vectors: list[Val]) -> Val:
    """The sums of 2^k vectors: those of as many as each has lanes stand in the order of the lanes.

    Of fewer they are repeated.
    """
    span = 1
    while span < vectors[0].type.lanes:
        seconds = vectors[1::2] or vectors
        vectors = [
            e.add(*interleaved(e, a, b, span)) for a, b in zip(vectors[::2], seconds, strict=True)
        ]
        span *= 2
    return vectors[0]
