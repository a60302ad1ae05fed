"""The parts of a step: what each takes, what it would take at the machine's limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.compiler.lower.buffers import GRANULE
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.row_blocks import Blocks
from chainrule.compiler.lower.schedule import Gather, Work, accesses, partition
from chainrule.compiler.native.costs import Cost, Touch, cost_of
from chainrule.ir.types import BATCH
from chainrule.machine.limits import Level, Limits
from chainrule.profiling.measured import Measured
from chainrule.profiling.names import Named, Names
from chainrule.profiling.row import Row

#: What reading the clock costs a piece of work, at most: that many readings.
_READINGS = 2.5


@dataclass(frozen=True, eq=False)
class Setting:
    """What the parts of a step are held against.

    Attributes:
        plan, batch, threads: the step, its examples, its threads.
        data: bytes of the arrays whose rows are gathered, in their order.
        limits: by the number of threads: of all, and of one.
        reading: seconds that reading the clock takes.
    """

    plan: Plan
    batch: int
    threads: int
    data: Sequence[int]
    limits: Mapping[int, Limits]
    reading: float


def rows_of(measured: Measured, setting: Setting, names: Names) -> tuple[Row, ...]:
    """A row for each piece of work and each barrier, and one for the rest."""
    mean, busiest = _settled(measured, setting.reading)
    costs = _costs(setting)
    from_ = levels(setting, costs)
    found: list[Row] = []
    lap = 0
    for number, phase in enumerate(setting.plan.schedule.phases):
        for work in phase:
            times = float(mean[lap]), float(busiest[lap])
            limit = _limit(setting, work, costs[id(work)], from_[id(work)])
            found.append(_row(number, work, names.of(work), costs[id(work)], times, limit))
            lap += 1
        words = "waiting for the other threads" if setting.threads > 1 else "end of the phase"
        found.append(_plain(number, words, "waiting", float(mean[lap]), float(busiest[lap])))
        lap += 1
    rest = max(0.0, measured.plain - sum(row.seconds for row in found))
    last = len(setting.plan.schedule.phases)
    return _without_one_line(
        (*found, _plain(last, "between steps, interruptions", "rest", rest, rest))
    )


def _without_one_line(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Where all comes from one line, that line says nothing."""
    if len({row.where for row in rows} - {""}) > 1:
        return tuple(rows)
    return tuple(replace(row, where="") for row in rows)


def _settled(measured: Measured, reading: float) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of each lap, the mean and the most of the threads, as without the clock.

    What the readings took is taken off each lap alike, but no more than they can have taken;
    what is still too much belongs to a slower moment of the machine, and is taken off in
    proportion.
    """
    each = np.median(measured.laps, axis=1)
    total = float(each.mean(axis=0).sum()) + measured.between
    over = max(0.0, total - measured.plain) / each.shape[1]
    each = np.maximum(0.0, each - min(over, _READINGS * reading))
    total = float(each.mean(axis=0).sum())
    each = each * min(1.0, measured.plain / total) if total else each
    return each.mean(axis=0), each.max(axis=0)


def _costs(setting: Setting) -> dict[int, Cost]:
    works = [work for phase in setting.plan.schedule.phases for work in phase]
    return {id(work): cost_of(setting.plan, work, setting.batch) for work in works}


def _plain(phase: int, name: str, kind: str, seconds: float, busiest: float) -> Row:
    return Row(phase, name, kind, "", "", 0.0, 0.0, seconds, busiest, 0.0, "")


def _row(
    phase: int, work: Work, named: Named, cost: Cost, times: tuple[float, float],
    limit: tuple[float, str],
) -> Row:  # fmt: skip
    return Row(
        phase, named.name, named.kind, named.where, dtype_of(work), cost.flops, cost.bytes,
        *times, *limit,
    )  # fmt: skip


def dtype_of(work: Work) -> str:
    """The arithmetic of a piece of work: of its arrays, not of the step's numbers."""
    if isinstance(work, Gather):
        nodes = work.inputs
    else:
        nests = work.nests if isinstance(work, Blocks) else (work,)
        nodes = tuple(member for nest in nests for member in nest.members)
    arrays = [x for x in nodes if x.type.rank] or nodes
    wide = any(x.type.dtype == np.float64 for x in arrays)
    return "f64" if wide else "f32"


# -- the limit -----------------------------------------------------------------------------------


def _limit(setting: Setting, work: Work, cost: Cost, from_: Sequence[Level]) -> tuple[float, str]:
    """The least seconds that the machine could take, and what sets them."""
    limits = setting.limits[setting.threads if _workers(setting, work) > 1 else 1]
    seconds = {"FLOPs": cost.flops / limits.flops[dtype_of(work)].best}
    for touch, level in zip(cost.touches, from_, strict=True):
        rate = limits.named(level.name).rate.best
        seconds[level.name] = seconds.get(level.name, 0.0) + touch.bytes / rate
    bound = max(seconds, key=lambda name: seconds[name])
    return (seconds[bound], bound) if seconds[bound] else (0.0, "")


def _workers(setting: Setting, work: Work) -> int:
    """How many threads have a part in a piece of work."""
    key = partition(work)
    if isinstance(key, str):
        return 1 if key == "one" else setting.threads
    length = setting.batch if key is BATCH else key
    assert isinstance(length, int)
    return min(setting.threads, -(-length // GRANULE))


def levels(setting: Setting, costs: Mapping[int, Cost]) -> dict[int, list[Level]]:
    """Where each array comes from that a piece of work touches, in the order of its touches.

    From the nearest level that holds all that the thread has touched since it last touched the
    array, step after step; the rows that are gathered, from where all data fit.
    """
    works = [work for phase in setting.plan.schedule.phases for work in phase]
    recent: dict[int, float] = {}  # bytes of a thread's part by array, the latest last
    found: dict[int, list[Level]] = {}
    for work in (*works, *works):  # once to be in the middle of a run
        parts = _parts(setting, work)
        found[id(work)] = [
            _level(setting, recent, touch, parts) for touch in costs[id(work)].touches
        ]
    return found


def _level(
    setting: Setting, recent: dict[int, float], touch: Touch, parts: Mapping[int, bool]
) -> Level:
    own = touch.bytes / (setting.threads if parts.get(touch.array, True) else 1)
    if touch.array < 0:
        distance = float(setting.data[-1 - touch.array])
    else:
        names = list(recent)
        since = names[names.index(touch.array) :] if touch.array in recent else names
        distance = sum(recent[name] for name in since)
    before = recent.pop(touch.array, 0.0)
    recent[touch.array] = max(own, before)
    return setting.limits[setting.threads].level_of(max(distance, own))


def _parts(setting: Setting, work: Work) -> dict[int, bool]:
    """Whether each thread touches only its own part of an array."""
    plan = setting.plan
    found: dict[int, bool] = {}
    for access in accesses(plan.prepared, plan.memory, work):
        found[access.slot] = found.get(access.slot, True) and access.part is not None
    return found
