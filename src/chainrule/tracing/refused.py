"""NumPy's functions that cannot be traced, with the reason and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import TraceError
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import register_function

_SIZE = "has a size that depends on values, and a graph's sizes are fixed"
_PLACE = "changes an array in place"
_SET = "x = x.at[index].set(v) (or cr.at(x)[index].set(v)) gives a new array"

_COSINES = "x @ np.cos(2 * np.pi * np.outer(k, k) / n) and the same of np.sin are its two parts"

#: name: (why, what to write instead)
REFUSED: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(
        ("nonzero", "flatnonzero", "argwhere"),
        (_SIZE, "np.where(condition, a, b) chooses; np.sum(x, where=condition) skips"),
    ),
    **dict.fromkeys(
        ("unique", "unique_all", "unique_counts", "unique_inverse", "unique_values",
         "union1d", "intersect1d", "setdiff1d", "setxor1d", "trim_zeros"),
        (_SIZE, "np.sort(x) and comparisons of neighbours have fixed sizes"),
    ),
    "extract": (_SIZE, "np.where(condition, x, 0) keeps the shape"),
    **dict.fromkeys(
        ("histogram", "histogram2d", "histogramdd", "histogram_bin_edges"),
        ("counts, and counts have no derivative",
         "np.sum(np.searchsorted(edges, x)[:, None] == np.arange(n), axis=0) counts"),
    ),
    **dict.fromkeys(("roots", "poly"), ("needs eigenvalues of a matrix that is not symmetric", "")),
    "polyfit": ("solves for coefficients", "np.linalg.lstsq(np.vander(x, n), y)"),
    "bincount": (_SIZE, "cr.at(np.zeros(n))[i].add(weights) adds into n bins"),
    **dict.fromkeys(
        ("put", "place", "putmask", "copyto", "put_along_axis", "fill_diagonal"), (_PLACE, _SET)
    ),
    "piecewise": (_PLACE, "np.select(conditions, [f(x), g(x)]) gives a new array"),
    "array2string": ("needs values", "return the value and print the result"),
    "array_str": ("needs values", "return the value and print the result"),
    "array_repr": ("needs values", "return the value and print the result"),
    **dict.fromkeys(
        ("nanmedian", "nanquantile", "nanpercentile"),
        ("takes as many elements as are numbers, which depends on values",
         "np.median(x) where there is no NaN"),
    ),
    "lexsort": ("sorts by several keys", "np.argsort of one key after the other, the last first"),
    "shares_memory": ("asks for memory, which a traced value has not", ""),
    "may_share_memory": ("asks for memory, which a traced value has not", ""),
}  # fmt: skip


def _refuse(name: str, why: str, hint: str) -> Callable[..., Any]:
    def refused(*args: Any, **options: Any) -> Any:
        raise TraceError(f"np.{name} at {user_line()} {why}", hint)

    return refused


for _name in ("fft", "ifft", "rfft", "irfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn",
              "rfftn", "irfftn", "hfft", "ihfft"):  # fmt: skip
    register_function(
        getattr(np.fft, _name),
        _refuse(f"fft.{_name}", "makes complex numbers, which graphs do not hold", _COSINES),
    )
for _name, (_why, _hint) in REFUSED.items():
    if hasattr(np, _name):
        register_function(getattr(np, _name), _refuse(_name, _why, _hint))
