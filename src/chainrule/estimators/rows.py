"""Rows as a network takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.evaluation.examples import Examples
from chainrule.ir.types import BATCH, ArrayType
from chainrule.tracing.trees import flatten


@dataclass(frozen=True, eq=False)
class Rows:
    """Scaled inputs, encoded targets, weights or None.

    Shapes:
        x: (n, n_in). y: (n,) labels, or (n, n_out) numbers. w: (n,).
    """

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What there is, row-major."""
        given = (self.x, self.y) if self.w is None else (self.x, self.y, self.w)
        return tuple(np.ascontiguousarray(a) for a in given)

    @property
    def targets(self) -> ArrayType:
        """The type of y, with the batch in front."""
        return ArrayType(self.y.dtype, (BATCH, *self.y.shape[1:]))

    def examples(self) -> Examples:
        """As a compiled step reads them."""
        arrays = self.arrays
        return Examples(arrays, flatten(arrays)[1], len(self))
