"""Telling callbacks where a descent stands, and hearing whether they want it to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.training.advice import Advice
from chainrule.training.descent import Descent
from chainrule.training.record import mean_loss
from chainrule.training.run import Callback, Progress


@dataclass(eq=False)
class Reporter:
    """The callbacks of a run.

    Attributes:
        wish: why a callback wants the descent to stop; "" while none does.
    """

    callbacks: tuple[Callback, ...]
    advice: Advice
    wish: str = ""
    _begun: int = 0
    _before: float = 0.0
    _told: int = 0

    def begin(self, descent: Descent) -> None:
        """The descent begins, or goes on, here."""
        self._begun, self._before = descent.done, descent.seconds
        self._told = len(descent.deciding.decisions)

    def report(
        self, descent: Descent, first: int, epoch: dict[str, Any] | None, store: Any
    ) -> None:
        """Tell each callback; if one fails, what was learnt is kept first."""
        findings = self.advice.at_epoch(descent) if epoch is not None else ()
        if not self.callbacks:
            return
        progress = self._progress(descent, first, epoch, findings)
        self._told = len(descent.deciding.decisions)
        try:
            for callback in self.callbacks:
                self.wish = callback(progress) or self.wish
        except BaseException:
            if store is not None:
                store.save(descent, "interrupted")
            raise

    def close(self) -> None:
        """The descent has ended."""
        for callback in self.callbacks:
            close = getattr(callback, "close", None)
            if close is not None:
                close()

    def _progress(
        self, descent: Descent, first: int, epoch: dict[str, Any] | None, findings: tuple[Any, ...]
    ) -> Progress:
        recorded, seconds = descent.record.since(first), descent.seconds - self._before
        rate = (descent.done - self._begun) / max(seconds, 1e-9)
        scores = {name: x for name, x in (epoch or {}).items() if name.startswith("validation_")}
        return Progress(
            epoch=len(descent.epochs) + (epoch is None), epochs=descent.cursor.epochs,
            step=descent.done, steps=descent.steps,
            loss=mean_loss(recorded["loss"], recorded["batch"]),
            learning_rate=float(recorded["learning_rate"][-1]),
            rows_per_second=float(recorded["batch"].mean()) * rate, seconds=descent.seconds,
            seconds_left=(descent.steps - descent.done) / max(rate, 1e-9),
            epoch_end=epoch is not None, validation_loss=scores.pop("validation_loss", None),
            batch=int(recorded["batch"][-1]), first_step=first, recorded=recorded, metrics=scores,
            decisions=tuple(descent.deciding.decisions[self._told :]), findings=findings,
            model=descent.model,
        )  # fmt: skip
