"""Each thread's part of an axis."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.compiler.lower.buffers import GRANULE
from chainrule.compiler.lower.schedule import Key, Work, partition
from chainrule.compiler.native.emit import I64, Emitter, Val
from chainrule.ir.types import BATCH

Share = tuple[Val, Val]


def shares_of(e: Emitter, works: Sequence[Work], batch: Val) -> dict[object, Share]:
    """The part of this thread for every length that is shared out."""
    keys = dict.fromkeys(partition(work) for work in works)
    return {key: share(e, key, batch) for key in keys if key != "all"}


def share(e: Emitter, key: Key, batch: Val) -> Share:
    """This thread's part of an axis: whole granules, the same for every nest over that length."""
    if key == "one":
        first = e.compare("eq", Val(I64, "%thread"), e.i64(0))
        return e.i64(0), e.convert(first, "i64")
    length = batch if key is BATCH else e.i64(key)  # type: ignore[arg-type]
    granules = _ceil_div(e, length, e.i64(GRANULE))
    size = e.mul(_ceil_div(e, granules, Val(I64, "%threads")), e.i64(GRANULE))
    low = e.smaller(e.mul(Val(I64, "%thread"), size), length)
    return low, e.smaller(e.add(low, size), length)


def _ceil_div(e: Emitter, x: Val, y: Val) -> Val:
    up = e.sub(e.add(x, y), e.i64(1))
    return e.define(I64, f"udiv i64 {up.text}, {y.text}")
