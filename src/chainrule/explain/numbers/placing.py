"""Places for the boxes of a graph without loops: in ranks, with few crossings, none overlapping.

The method of Sugiyama, Tagawa & Toda 1981 (Methods for Visual Understanding of Hierarchical System
Structures): ranks by the longest way, a place kept free in each rank that a line passes, each rank
sorted by the mean place of its neighbours, then moved towards them as far as others let it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_SWEEPS: Final = 12
Pair = tuple[int, int]


@dataclass(frozen=True)
class Placed:
    """Where boxes stand.

    Attributes:
        rank: of each box, 0 for those that come first.
        across: the middle of each box along its rank, from 0.
        ways: for each edge its places between the ranks: (rank, across) where it passes a rank.
        extent: how long the longest rank is.
    """

    rank: tuple[int, ...]
    across: tuple[float, ...]
    ways: Mapping[Pair, tuple[tuple[int, float], ...]]
    extent: float


def placed(sizes: Sequence[float], edges: Sequence[Pair], gap: float) -> Placed:
    """Boxes 0 ... n-1 of these sizes along the ranks, for edges (from, to) without a loop."""
    rank = _ranks(len(sizes), edges)
    widths, chains = list(sizes), {}
    ranks = list(rank)
    links: list[Pair] = []
    for edge in dict.fromkeys(edges):
        chain = [edge[0]]
        for between in range(rank[edge[0]] + 1, rank[edge[1]]):
            chain.append(len(widths))
            widths.append(0.35 * gap)
            ranks.append(between)
        chain.append(edge[1])
        chains[edge] = chain
        links += pairwise(chain)
    rows = _ordered(ranks, links)
    across = _moved(rows, widths, links, gap)
    ways = {
        edge: tuple((ranks[k], across[k]) for k in chain[1:-1]) for edge, chain in chains.items()
    }
    extent = max((across[k] + widths[k] / 2 for k in range(len(widths))), default=0.0)
    return Placed(tuple(rank), tuple(across[: len(sizes)]), ways, extent)


def _ranks(count: int, edges: Sequence[Pair]) -> list[int]:
    """By the longest way from a source; then sources are pulled up to what reads them."""
    rank = [0] * count
    for _ in range(count):
        before = list(rank)
        for a, b in edges:
            rank[b] = max(rank[b], rank[a] + 1)
        if rank == before:
            break
    sources = set(range(count)) - {b for _, b in edges}
    for k in sources:
        rank[k] = min((rank[b] for a, b in edges if a == k), default=1) - 1
    return rank


def _ordered(ranks: Sequence[int], links: Sequence[Pair]) -> list[list[int]]:
    """Each rank's boxes from one side to the other: the best of some sweeps to and fro."""
    rows: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for k, rank in enumerate(ranks):
        rows[rank].append(k)
    before, after = _neighbours(len(ranks), links)
    best, fewest = [list(row) for row in rows], _crossings(rows, after)
    for sweep in range(_SWEEPS):
        sides = before if sweep % 2 == 0 else after
        for row in rows if sweep % 2 == 0 else reversed(rows):
            place = {k: float(i) for each in rows for i, k in enumerate(each)}
            row.sort(key=lambda k: _mean([place[j] for j in sides[k]], place[k]))
        crossings = _crossings(rows, after)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _neighbours(count: int, links: Sequence[Pair]) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in links:
        after[a].append(b)
        before[b].append(a)
    return before, after


def _crossings(rows: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> int:
    place = {k: i for row in rows for i, k in enumerate(row)}
    total = 0
    for row in rows:
        ends = [place[b] for a in row for b in sorted(after[a], key=place.__getitem__)]
        total += sum(x > y for i, x in enumerate(ends) for y in ends[i + 1 :])
    return total


def _moved(
    rows: Sequence[Sequence[int]], widths: Sequence[float], links: Sequence[Pair], gap: float
) -> list[float]:
    """Along each rank, as near to the neighbours' mean as the others in it let a box be."""
    across = [0.0] * len(widths)
    for row in rows:
        _spread(row, widths, gap, across, [0.0] * len(row))
    before, after = _neighbours(len(widths), links)
    for sweep in range(_SWEEPS):
        sides = before if sweep % 2 == 0 else after
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wished = [_mean([across[j] for j in sides[k]], across[k]) for k in row]
            _spread(row, widths, gap, across, wished)
    lowest = min((across[k] - widths[k] / 2 for k in range(len(widths))), default=0.0)
    return [x - lowest for x in across]


def _spread(
    row: Sequence[int], widths: Sequence[float], gap: float, across: list[float],
    wished: Sequence[float],
) -> None:  # fmt: skip
    """The places nearest to those wished for, in their order and apart.

    Neighbours that meet become one block at the mean of what they wish (pool adjacent violators).
    """
    offsets, offset = [], 0.0
    for i, k in enumerate(row):
        if i:
            offset += (widths[row[i - 1]] + widths[k]) / 2 + gap
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for wish, own in zip(wished, offsets, strict=True):
        blocks.append((wish - own, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, m), (b, n) = blocks[-2:]
            blocks[-2:] = [((a * m + b * n) / (m + n), m + n)]
    starts = [start for start, count in blocks for _ in range(count)]
    for k, start, own in zip(row, starts, offsets, strict=True):
        across[k] = start + own


def _mean(places: Sequence[float], default: float) -> float:
    return sum(places) / len(places) if places else default
