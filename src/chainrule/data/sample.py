"""A sample of a table that is read in blocks: rows drawn by their numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.blocks import Blocks, Tell, release, silent
from chainrule.data.extras import Table, need
from chainrule.data.parts import draws
from chainrule.data.text_blocks import TypesChanged
from chainrule.errors import DataError

#: The random stream that samples are drawn from; see ``training.keys`` for the others.
SAMPLE_STREAM: Final = 5
#: Above every draw but the very last number.
ALL: Final = (1 << 64) - 1


@dataclass(frozen=True, eq=False, slots=True)
class Sample:
    """Rows of a table, in their order.

    Attributes:
        table: the rows.
        drawn: the draw of each, uint64.
        rows: of the whole table.
        bound: a row is in the sample if its draw is below this.
        seed: of the draws.
        types: see ``Blocks.types``.
    """

    table: Table
    drawn: NDArray[np.uint64]
    rows: int
    bound: int
    seed: int
    types: dict[str, Any]

    def holds(self, first: int, last: int) -> NDArray[np.bool_]:
        """Which of the rows from ``first`` to before ``last`` are in it."""
        return draws(self.seed, first, last, SAMPLE_STREAM) < np.uint64(self.bound)

    def thinned(self, most: int) -> Sample:
        """A sample of so many rows at most, out of these."""
        if len(self.drawn) <= most:
            return self
        bound = int(np.partition(self.drawn, most)[most])
        table, drawn = _below(bound, [self.table], [self.drawn])
        return replace(self, table=table, drawn=drawn, bound=bound)


def draw_sample(
    blocks: Blocks, most: int, most_bytes: int, seed: int, tell: Tell = silent,
    bound: int = ALL,
) -> Sample:  # fmt: skip
    """Draw so many rows at random, all rows where there are fewer; by one pass over the file.

    Args:
        blocks: the table.
        most: rows, at most.
        most_bytes: of the sample, at most.
        seed: the same seed draws the same rows.
        tell: told how far it is.
        bound: only rows whose draws are below it: of an earlier sample, its own rows.

    Raises:
        DataError: the file is damaged or has no rows.
    """
    while True:
        try:
            return _drawn(blocks, most, most_bytes, seed, tell, bound)
        except TypesChanged as change:
            blocks = blocks.retyped(change.types)


def _drawn(blocks: Blocks, most: int, most_bytes: int, seed: int, tell: Tell, bound: int) -> Sample:
    pa, row = need("pyarrow"), 0
    kept: list[Table] = []
    drawn: list[NDArray[np.uint64]] = []
    for table in blocks.tables(tell):
        mine = draws(seed, row, row + table.num_rows, SAMPLE_STREAM)
        row += table.num_rows
        inside = mine < np.uint64(bound)
        kept.append(table.filter(pa.array(inside)))
        drawn.append(mine[inside])
        count = sum(map(len, drawn))
        least = min(most, count * most_bytes // max(1, sum(t.nbytes for t in kept)))
        if count > 2 * least:  # thinned now and then, not with each block
            bound = int(np.partition(np.concatenate(drawn), least)[least])
            table, draw = _below(bound, kept, drawn)
            kept, drawn = [table], [draw]
    if not kept:
        raise DataError(f"{blocks.path}: no rows")
    release()
    size = sum(t.nbytes for t in kept)
    found = Sample(pa.concat_tables(kept), np.concatenate(drawn), row, bound, seed, blocks.types)
    return found.thinned(min(most, len(found.drawn) * most_bytes // max(1, size)))


def _below(
    bound: int, tables: list[Table], drawn: list[NDArray[np.uint64]]
) -> tuple[Table, NDArray[np.uint64]]:
    """The rows whose draws are below the bound, as one table of their own."""
    pa = need("pyarrow")
    together = np.concatenate(drawn)
    inside = together < np.uint64(bound)
    table = pa.concat_tables(tables).filter(pa.array(inside)).combine_chunks()
    return table, together[inside]
