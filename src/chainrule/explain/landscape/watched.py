"""A descent as ``cr.train`` does it, step for step, stopped wherever one wants to look."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.compiler.native.threads import choose
from chainrule.training.job import Job
from chainrule.training.keys import noise_keys
from chainrule.training.rates import PlannedRates

#: Nothing of the descent beyond these, which are as of ``cr.train``.
_PLAIN: Final[dict[str, Any]] = {
    "validation": None, "metrics": (), "order": "reshuffle", "record": (), "stopping": None,
}  # fmt: skip


class Watched:
    """A descent whose weights can be looked at after any of its steps.

    The rows, rates and random bits are those of ``cr.train`` with the same arguments, so the
    weights are the same, bit for bit.

    Args:
        model, loss, data, optimizer, batch, epochs, seed: as for ``cr.train``.

    Attributes:
        done: updates so far. batch: examples of each. steps: updates in all.
    """

    def __init__(
        self, model: Any, loss: Any, data: tuple[Any, ...], optimizer: Any, batch: Any,
        epochs: int, seed: int = 0,
    ) -> None:  # fmt: skip
        job = Job.prepare(model, loss, data, optimizer=optimizer, batch=batch, seed=seed, **_PLAIN)
        self._descent, _ = job.begin(epochs, seed, None, "stop")
        cursor = self._descent.cursor
        first = self._descent.deciding.first_batch
        self._planned = PlannedRates(job.optimizer, cursor.all_left(self._descent.place, first))
        each = self._descent.step.executable.operations(first)
        self._threads = choose(None, each)
        self.batch, self.steps = first, self._descent.steps

    @property
    def done(self) -> int:
        """Updates made."""
        return self._descent.done

    def leaves(self) -> list[np.ndarray]:
        """The parameters as they are now, copies."""
        return [np.array(x) for x in self._descent.evaluated()]

    def to(self, step: int) -> dict[str, np.ndarray]:
        """Go on until so many updates are done; what was recorded of these steps.

        The losses are those of each step's batch, before its update; they end with one that is
        not finite.
        """
        parts: list[dict[str, np.ndarray]] = []
        while self.done < min(step, self.steps):
            parts.append(self._some(min(step, self.steps) - self.done))
            if not np.isfinite(parts[-1]["loss"]).all():
                break
        names = parts[0] if parts else {}
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def _some(self, most: int) -> dict[str, np.ndarray]:
        d = self._descent
        chunk = d.cursor.take(d.place, self.batch, most)
        planned = d.cursor.planned(chunk, self.batch)
        rates = np.asarray(self._planned.at(planned))
        losses, *_ = d.step.run(
            rates.astype(d.carried.dtype), noise_keys(d.cursor.seed, d.done, len(rates)),
            chunk.rows, chunk.examples or d.examples, chunk.batch, self._threads,
        )  # fmt: skip
        d.done, d.place = d.done + chunk.steps, chunk.after
        sizes = np.full(chunk.steps, chunk.batch)
        rate = rates if rates.ndim == 1 else rates[:, 0]
        return {"loss": losses.astype(np.float64), "learning_rate": rate, "batch": sizes}
