"""Arrays of other libraries, as NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np


def taken_in(x: Any) -> Any:
    """An array that follows the array API standard or DLPack as NumPy's; all else as it is.

    Data frames, sparse matrices and lists are scikit-learn's to read. An Arrow table becomes a
    pandas data frame.
    """
    library = type(x).__module__.partition(".")[0]
    if library == "pyarrow":
        return x.to_pandas()
    if library in ("numpy", "pandas", "polars", "scipy") or not hasattr(x, "__dlpack__"):
        return x
    return np.from_dlpack(x.detach() if hasattr(x, "detach") else x)
