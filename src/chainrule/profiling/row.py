"""One part of a training step: what it computes, what it takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One part of a step.

    Attributes:
        phase: between which barriers it stands, from 0.
        name: what it is in the terms of the model.
        kind: "gather", "product", "rows", "sum", "elementwise", "check", "loop", "NumPy",
            "waiting" at a barrier, "rest".
        where: the line that it comes from; "" where all come from one.
        dtype: "f32" or "f64": the arithmetic whose peak is its limit.
        flops: floating-point operations that its results need.
        bytes: of the arrays that it reads and writes, each once.
        seconds: of a step's, the mean of the threads, the median of the steps.
        busiest: the same of the thread that takes longest.
        limit: seconds that the machine's limits allow at least; 0 where none applies.
        bound: what sets that limit: "FLOPs", or the level from which bytes come: "L1", "L2",
            "L3", "memory".
    """

    phase: int
    name: str
    kind: str
    where: str
    dtype: str
    flops: float
    bytes: float
    seconds: float
    busiest: float
    limit: float
    bound: str

    @property
    def share(self) -> float | None:
        """The part of the limit that is reached: 1 is as fast as the machine can be."""
        return self.limit / self.busiest if self.limit and self.busiest else None

    @property
    def flops_per_second(self) -> float:
        return self.flops / self.busiest if self.busiest else 0.0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.busiest if self.busiest else 0.0

    @property
    def intensity(self) -> float:
        """Floating-point operations for each byte."""
        return self.flops / self.bytes if self.bytes else 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it, what follows from it included."""
        return {
            **asdict(self),
            "flops_per_second": self.flops_per_second,
            "bytes_per_second": self.bytes_per_second,
            "intensity": self.intensity,
            "share_of_limit": self.share,
        }
