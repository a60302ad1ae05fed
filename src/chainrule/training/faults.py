"""What is done about a loss that is not finite: stop, skip the update, or roll back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.errors import TrainingError

Policy: TypeAlias = Literal["stop", "skip", "roll back"]
POLICIES: Final = ("stop", "skip", "roll back")
#: What a roll back multiplies the learning rate by, and how often it may.
FACTOR: Final = 0.5
MOST: Final = 20
#: Updates skipped one after the other, after which it is no longer a bad batch.
MOST_SKIPPED: Final = 100
_KEPT: Final = 4


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A descent as it stood at a check point: all of it that a later step changes."""

    leaves: list[np.ndarray]
    position: dict[str, Any]
    epochs: int
    best: list[np.ndarray] | None = None


@dataclass(eq=False)
class Faults:
    """The policy, and what it needs.

    Attributes:
        policy: "stop", "skip" or "roll back".
        count: how often it has rolled back.
        skipped: updates skipped one after the other, up to now.
        reached: the furthest step, from 0, whose loss was not finite; -1 before the first.
    """

    policy: Policy = "stop"
    count: int = 0
    skipped: int = 0
    reached: int = -1
    _snapshots: list[Snapshot] = field(default_factory=list)

    @property
    def keeps(self) -> bool:
        """Whether snapshots are wanted."""
        return self.policy == "roll back"

    @property
    def has_kept(self) -> bool:
        """Whether there is one to go back to."""
        return bool(self._snapshots)

    def position(self) -> dict[str, Any]:
        """Plain values from which a resumed run falls back to the same places."""
        kept = [{"position": s.position, "epochs": s.epochs} for s in self._snapshots]
        counted = {"count": self.count, "skipped": self.skipped, "reached": self.reached}
        return {**counted, "snapshots": kept}

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of the snapshots, by name."""
        found: dict[str, np.ndarray] = {}
        for k, snapshot in enumerate(self._snapshots):
            found |= {f"snapshot{k}/{i}": leaf for i, leaf in enumerate(snapshot.leaves)}
            found |= {f"snapshot{k}-best/{i}": leaf for i, leaf in enumerate(snapshot.best or ())}
        return found

    def restore(self, position: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Stand where ``position`` and ``arrays`` were taken."""
        self.count, self.skipped = int(position["count"]), int(position["skipped"])
        self.reached = int(position["reached"])
        self._snapshots = []
        for k, kept in enumerate(position["snapshots"]):
            leaves, best = (_numbered(arrays, f"snapshot{k}{part}/") for part in ("", "-best"))
            place = kept["position"], int(kept["epochs"])
            self._snapshots.append(Snapshot(leaves, *place, best or None))

    def keep(self, snapshot: Snapshot) -> None:
        """One to go back to, if it is finite and lies beyond all that went wrong.

        The first stays: by the time a loss overflows, the last few may be past saving. So may be
        those on the way to where it did; without them the next one to go back to is earlier.
        """
        if snapshot.position["step"] <= self.reached:
            return
        if all(np.isfinite(leaf).all() for leaf in snapshot.leaves if leaf.dtype.kind == "f"):
            self._snapshots = [*self._snapshots[:1], *self._snapshots[1:][2 - _KEPT :], snapshot]

    def take(self, at: int) -> Snapshot:
        """The last one, after a loss at step ``at`` that was not finite; each time an earlier one.

        Only the first is given again and again.
        """
        self.count, self.reached = self.count + 1, max(self.reached, at)
        return self._snapshots.pop() if len(self._snapshots) > 1 else self._snapshots[0]

    def note_skipped(self, skipped: np.ndarray, first: int) -> None:
        """Count the updates that were skipped at the end of a chunk.

        Raises:
            TrainingError: too many one after the other.
        """
        done = np.flatnonzero(~skipped)
        run = len(skipped) - 1 - done[-1] if len(done) else self.skipped + len(skipped)
        self.skipped = int(run)
        if self.skipped >= MOST_SKIPPED:
            raise TrainingError(
                f"the loss or a gradient was not finite at {self.skipped} steps one after the "
                f"other, up to step {first + len(skipped)}: all of them were skipped",
                'look at the data and the learning rate, or use on_nan="roll back"',
            )


def _numbered(arrays: Mapping[str, np.ndarray], start: str) -> list[np.ndarray]:
    """Those whose names are this start and a number, in order."""
    names = [name for name in arrays if name.startswith(start)]
    return [arrays[f"{start}{i}"] for i in range(len(names))]


def first_bad(losses: np.ndarray) -> int | None:
    """The first step of a chunk whose loss is not finite."""
    finite = np.isfinite(losses)
    return None if finite.all() else int(np.argmin(finite))


def stop_error(at: int, steps: int, rate: float, became: str, advice: str = "") -> TrainingError:
    """The error of the policy "stop"; steps count from 0."""
    if at == 0:
        return TrainingError(
            f"{became} before the first update",
            advice or "look for NaN, infinite or very large values in the data and first weights",
        )
    return TrainingError(
        f"{became} at step {at + 1} of {steps}, learning rate {rate:.3g}",
        advice or f"try a learning rate of {min(rate / 10, 0.1):.1g}",
    )
