"""What a descent is told about itself: at the end of an epoch, and when its loss diverges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from chainrule.training.descent import Descent

#: Parameters of so many bytes are copied before each chunk, so that advice can be given on them.
_SMALL: Final = 1 << 22


@dataclass(eq=False)
class Advice:
    """Looks at the record, and at the loss around the last finite parameters.

    Attributes:
        diverged: (parameters as leaves, learning rate) -> what to try, in words.
        findings: (record, steps left) -> what is noticed, cheaply.
    """

    diverged: Callable[[list[np.ndarray], float], str] | None = None
    findings: Callable[[Mapping[str, np.ndarray], int], tuple[Any, ...]] | None = None
    _last: list[np.ndarray] = field(default_factory=list)

    def before(self, descent: Descent) -> None:
        """Remember small parameters before a chunk; of large ones the first must do."""
        params = descent.carried.params
        if self.diverged is None or sum(p.nbytes for p in params) > _SMALL:
            self._last = params
            return
        self._last = descent.leaves()[: len(params)]

    def on_divergence(self, descent: Descent, rate: float) -> str:
        """What to try, after a chunk in which the loss became NaN or infinite."""
        del descent
        return "" if self.diverged is None else self.diverged(self._last, rate)

    def at_epoch(self, descent: Descent) -> tuple[Any, ...]:
        """What is noticed at the end of an epoch."""
        if self.findings is None:
            return ()
        return self.findings(descent.record.since(0), descent.steps - descent.done)
