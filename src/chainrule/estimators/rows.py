"""Rows as a network takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from chainrule.evaluation.examples import Examples
from chainrule.ir.types import BATCH, ArrayType
from chainrule.tracing.trees import flatten


@dataclass(frozen=True, eq=False)
class Rows:
    """Scaled inputs, encoded targets, weights or None.

    Shapes:
        x: (n, n_in), dense or a CSR matrix. y: (n,) labels, or (n, n_out) numbers. w: (n,).
    """

    x: Any
    y: np.ndarray
    w: np.ndarray | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def is_sparse(self) -> bool:
        """Whether x is a sparse matrix, of which blocks are written out."""
        return bool(sparse.issparse(self.x))

    @property
    def targets(self) -> ArrayType:
        """The type of y, with the batch in front."""
        return ArrayType(self.y.dtype, (BATCH, *self.y.shape[1:]))

    def taken(self, chosen: np.ndarray) -> Rows:
        """The rows of these numbers."""
        return Rows(self.x[chosen], self.y[chosen], None if self.w is None else self.w[chosen])

    def examples(self) -> Examples:
        """As a compiled step reads them: row-major, dense."""
        x = self.x.toarray() if self.is_sparse else self.x
        given = (x, self.y) if self.w is None else (x, self.y, self.w)
        arrays = tuple(np.ascontiguousarray(a) for a in given)
        return Examples(arrays, flatten(arrays)[1], len(self))
