"""How finely a length is shared out to threads.

Threads take whole granules of rows, so that lanes along the rows never run over into another
thread's share. Where an example is a matrix or an image, a batch has few rows and each is much
work: there single rows are shared out, and what has its lanes along them (a softmax of few numbers
a row) is done by the first thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from chainrule.compiler.lower.contraction import rows_axes
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.passes.contractions import sides
from chainrule.ir.types import BATCH, Size, sized

#: An axis this short fills no tile; the most rows of a tile that runs over several.
_SHORT: Final = 4
_TILE: Final = 16


def share_finely(nests: Iterable[Nest]) -> frozenset[Size]:
    """The lengths of which single rows are shared out; nests that cannot are left to one thread."""
    by_length: dict[Size, list[Nest]] = {}
    for nest in nests:
        nest.alone = nest.kind == "dot" and nest.order[0] in flat_rows(nest)
        if nest.shares:
            by_length.setdefault(nest.shape[nest.order[0]], []).append(nest)
    fine = frozenset(size for size, found in by_length.items() if _is_fine(size, found))
    for size in fine:
        for nest in by_length[size]:
            nest.alone = _has_lanes_along_rows(nest)
    return fine


def _is_fine(size: Size, nests: list[Nest]) -> bool:
    """Whether each row is much work, and what has lanes along the rows is little."""
    if not any(nest.kind == "dot" and len(nest.order) > 2 for nest in nests):
        return False
    return all(map(_is_little, filter(_has_lanes_along_rows, nests))) and not any(
        size is not BATCH and nest.kind == "dot" and _tiles_along_rows(nest) for nest in nests
    )


def _has_lanes_along_rows(nest: Nest) -> bool:
    if nest.kind == "rows":
        return True
    if nest.kind == "map" and len(nest.order) == 2:
        return nest.order == (1, 0)
    return nest.kind in ("map", "reduce") and len(nest.order) == 1 and not nest.is_across


def _is_little(nest: Nest) -> bool:
    return nest.kind == "rows" or (nest.kind == "map" and len(nest.order) == 1)


def _tiles_along_rows(nest: Nest) -> bool:
    """Whether a product's tiles, of heights chosen for whole granules, run along the rows."""
    assert nest.anchor is not None
    return rows_axes(nest.anchor, nest.order)[-1] == nest.order[0]


def flat_rows(nest: Nest) -> tuple[int, ...]:
    """The short axes over which the rows of one tile run together; none: they run along one axis.

    So it is where all rows are few and the last axis alone would fill no tile: the gradient of the
    kernels of a convolution's first layer.
    """
    assert nest.anchor is not None
    axes = rows_axes(nest.anchor, nest.order)
    sizes = [nest.shape[k] for k in axes]
    if nest.sums or len(axes) < 2 or not all(isinstance(n, int) for n in sizes):
        return ()
    count, last = math.prod(sized(tuple(sizes))), sized((sizes[-1],))[0]
    short = 0 < last <= _SHORT and count <= _TILE and set(axes) | {nest.order[-1]} == {*nest.order}
    return axes if short and len(sides(nest.anchor)[0].inner) > 1 else ()
