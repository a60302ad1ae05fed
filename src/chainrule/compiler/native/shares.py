"""Each thread's part of an axis."""

from __future__ import annotations

from chainrule.compiler.lower.buffers import GRANULE
from chainrule.compiler.lower.schedule import Key, Schedule, partition
from chainrule.compiler.native.emit import I64, Emitter, Val
from chainrule.ir.types import BATCH, Size

Share = tuple[Val, Val]


def shares_of(e: Emitter, schedule: Schedule, batch: Val) -> dict[object, Share]:
    """The part of this thread for every length that is shared out."""
    keys = dict.fromkeys(partition(work) for phase in schedule.phases for work in phase)
    granules = {key: 1 if key in schedule.fine else GRANULE for key in keys}
    return {key: share(e, key, batch, granules[key]) for key in keys if key != "all"}


def share(e: Emitter, key: Key, batch: Val, granule: int) -> Share:
    """This thread's part of an axis: whole granules, the same for every nest over that length."""
    if key == "one":
        first = e.compare("eq", Val(I64, "%thread"), e.i64(0))
        return e.i64(0), e.convert(first, "i64")
    length = batch if key is BATCH else e.i64(key)  # type: ignore[arg-type]
    granules = _ceil_div(e, length, e.i64(granule))
    size = e.mul(_ceil_div(e, granules, Val(I64, "%threads")), e.i64(granule))
    low = e.smaller(e.mul(Val(I64, "%thread"), size), length)
    return low, e.smaller(e.add(low, size), length)


def alone(e: Emitter, size: Size, batch: Val) -> Share:
    """The whole of an axis for the first thread, nothing for the others."""
    length = batch if size is BATCH else e.i64(size)  # type: ignore[arg-type]
    first = e.compare("eq", Val(I64, "%thread"), e.i64(0))
    return e.i64(0), e.select(first, length, e.i64(0))


def _ceil_div(e: Emitter, x: Val, y: Val) -> Val:
    up = e.sub(e.add(x, y), e.i64(1))
    return e.define(I64, f"udiv i64 {up.text}, {y.text}")
