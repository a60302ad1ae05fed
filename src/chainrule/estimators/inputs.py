"""What is done with X before the network sees it: columns encoded, gaps filled, numbers scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from chainrule.data import Columns
from chainrule.data.extras import need
from chainrule.data.statistics import quantiles
from chainrule.errors import DataError
from chainrule.estimators.scaling import Scaling, fit_scaling

#: Bytes of a sparse matrix that may be written out whole.
MOST_DENSE = 1 << 28


@dataclass(frozen=True, eq=False)
class Gaps:
    """Missing values take the median; a column that missed some in training gets a marker.

    Shapes:
        fill: (n,) medians. marked: (k,) the columns with a marker.
    """

    fill: np.ndarray
    marked: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, w: np.ndarray | None) -> Gaps:
        """Medians of the weighted rows; 0 for a column without a value."""
        seen = np.ones(len(x), bool) if w is None else w > 0
        medians = [_median(x[seen, k], None if w is None else w[seen]) for k in range(x.shape[1])]
        marked = np.flatnonzero(np.isnan(x[seen]).any(axis=0))
        return cls(np.array(medians), marked)

    def filled(self, x: np.ndarray) -> np.ndarray:
        """(rows, n) -> (rows, n) without NaN."""
        return np.asarray(np.where(np.isnan(x), self.fill.astype(x.dtype), x))

    def markers(self, x: np.ndarray) -> np.ndarray:
        """(rows, n) -> (rows, k), 1 where a value is missing."""
        return np.asarray(np.isnan(x[:, self.marked]), x.dtype)


def _median(column: np.ndarray, w: np.ndarray | None) -> float:
    there = ~np.isnan(column)
    if not there.any():
        return 0.0
    values = column[there].astype(np.float64)
    return float(quantiles(values, (0.5,), None if w is None else w[there])[0])


@dataclass(frozen=True, eq=False)
class Inputs:
    """All that was learnt of the inputs; applied in the same way by ``fit`` and ``predict``.

    Attributes:
        columns: of a table with text, categories or dates: its columns' encoders.
        gaps: of numbers with missing values.
        scaling: of numbers.
    """

    columns: Columns | None = None
    gaps: Gaps | None = None
    scaling: Scaling | None = None

    @classmethod
    def fit(cls, x: Any, w: np.ndarray | None, kind: str | None) -> Inputs:
        """Learn from rows: a numeric array, a sparse matrix, or a mixed table."""
        if is_mixed(x):
            scale = "standard" if kind is None else kind
            return cls(Columns.fit(_arrow(x), scale=scale, weights=w))
        if kind is None:
            return cls()
        if sparse.issparse(x):
            if is_large(x):
                return cls(scaling=_sparse_scaling(x, w))
            x = x.toarray()
        gaps = Gaps.fit(x, w) if np.isnan(x).any() else None
        return cls(None, gaps, fit_scaling(gaps.filled(x) if gaps else x, w, kind))

    def apply(self, x: Any, dtype: str) -> np.ndarray:
        """(rows, n) -> (rows, width), dense."""
        if self.columns is not None:
            return self.columns.encode(_arrow(x), dtype)
        x = x.toarray() if sparse.issparse(x) else x
        x = x.astype(dtype, copy=False)
        gaps = self.gaps
        if gaps is None and np.isnan(x).any():  # none in training: the median of what was seen
            gaps = Gaps(np.zeros(x.shape[1]) if self.scaling is None else self.scaling.center,
                        np.zeros(0, np.int64))  # fmt: skip
        made = gaps.filled(x) if gaps else x
        made = made if self.scaling is None else self.scaling.apply(made)
        return np.hstack([made, gaps.markers(x)]) if gaps and len(gaps.marked) else made

    def apply_sparse(self, x: Any, dtype: str) -> Any:
        """A sparse matrix scaled and still sparse; its columns are not centred."""
        x = x.tocsr().astype(dtype)
        if self.scaling is None:
            return x
        return (x @ sparse.diags_array(1 / self.scaling.scale)).tocsr().astype(dtype)

    @property
    def keeps_sparse(self) -> bool:
        """Whether zeros stay zeros."""
        scaling = self.scaling
        if self.columns is not None or self.gaps is not None:
            return False
        return scaling is None or not (np.any(scaling.center) or scaling.scores)

    def width(self, n_features: int) -> int:
        """How many numbers the network gets for a row."""
        if self.columns is not None:
            return self.columns.width
        return n_features + (0 if self.gaps is None else len(self.gaps.marked))


def is_large(x: Any) -> bool:
    """Whether a sparse matrix is too large to be written out whole."""
    return bool(sparse.issparse(x)) and 8 * int(x.shape[0]) * int(x.shape[1]) > MOST_DENSE


def _sparse_scaling(x: Any, w: np.ndarray | None) -> Scaling:
    """Variance 1 and no centring, which would fill the matrix."""
    _, variance = mean_variance_axis(x.tocsr(), axis=0, weights=w)
    spread = np.sqrt(np.asarray(variance, np.float64))
    return Scaling(np.zeros(len(spread)), np.where(spread > 0, spread, 1.0))


def is_mixed(x: Any) -> bool:
    """Whether x is a data frame or Arrow table with a column that is no number."""
    if type(x).__module__.partition(".")[0] not in ("pandas", "polars", "pyarrow"):
        return False
    if hasattr(x, "schema") and not hasattr(x, "dtypes"):  # Arrow
        types = need("pyarrow").types
        return not all(_is_arrow_number(types, field.type) for field in x.schema)
    if not hasattr(x, "columns"):  # one column is no table: scikit-learn says so
        return False
    kinds = getattr(x, "dtypes", ())
    return not all(_is_number(kind) for kind in kinds)


def _is_arrow_number(types: Any, kind: Any) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _is_number(kind: Any) -> bool:
    """Of a pandas or polars dtype."""
    if hasattr(kind, "is_numeric"):
        return bool(kind.is_numeric()) or str(kind) == "Boolean"
    if getattr(kind, "name", "") == "category":
        return False
    return getattr(kind, "kind", "O") in "fiub"


def _arrow(x: Any) -> Any:
    """A data frame as an Arrow table."""
    pa = need("pyarrow")
    if isinstance(x, pa.Table):
        return x
    if hasattr(x, "to_arrow"):
        return x.to_arrow()
    try:
        return pa.Table.from_pandas(x, preserve_index=False)
    except pa.ArrowException as error:  # it names the column
        raise DataError(". ".join(map(str, error.args)), "values of one kind, or text") from error
