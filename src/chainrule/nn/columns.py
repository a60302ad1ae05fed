"""The first layer of a network for tables: numbers pass, categories are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.initial import at_least_one, floating_dtype
from chainrule.nn.lookup import embedding
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.tracer import cast
from chainrule.tracing.trees import tree

Array: TypeAlias = Any


@tree
class EmbedColumns:
    """The last columns of x are places in tables; each is replaced by its table's row.

    So a table's rows stay one array of floats, categories among the numbers. Whole numbers up to
    2²⁴ are exact in float32. The gradient adds up at the rows that were read.

    Shapes:
        x: (..., width), width ≥ k; the last k columns whole numbers below n_j
            -> (..., width - k + Σ_j d_j). tables[j]: (n_j, d_j), k of them.

    Raises:
        ShapeError: x has fewer columns than there are tables; a place outside of its table, where
            x is plain.

    Source:
        Guo & Berkhahn 2016, Entity Embeddings of Categorical Variables.

    Example:
        >>> layer = EmbedColumns((np.array([[0.0, 0.5], [7.0, 8.0]]),))
        >>> layer(np.array([[1.5, 1.0], [2.5, 0.0]]))
        array([[1.5, 7. , 8. ],
               [2.5, 0. , 0.5]])
    """

    tables: tuple[Array, ...]

    @classmethod
    def init(
        cls, sizes: Sequence[tuple[int, int]], rng: int | np.random.Generator,
        dtype: Any = np.float32,
    ) -> EmbedColumns:  # fmt: skip
        """Tables of so many rows and columns each.

        The rows are drawn from N(0, 1/d), so that a row is about as long as a one-hot row; row 0,
        for what training has not seen, begins at zeros.
        """
        rng, dtype = np.random.default_rng(rng), floating_dtype(dtype)
        return cls(tuple(_drawn(n, n_out, rng, dtype) for n, n_out in sizes))

    def __call__(self, x: Array) -> Array:
        x = as_array(x)
        first = (x.shape[-1] if x.ndim else 0) - len(self.tables)
        if first < 0:
            raise ShapeError(
                f"{self!r} at {user_line()}: {described(x)}; expected {len(self.tables)} columns "
                "or more, the last of them places in the tables"
            )
        places = cast(x[..., first:], np.dtype(np.int32))
        rows = [embedding(table, places[..., j]) for j, table in enumerate(self.tables)]
        return np.concatenate([x[..., :first], *rows], axis=-1)

    def __repr__(self) -> str:
        shapes = (getattr(table, "shape", None) or ("?", "?") for table in self.tables)
        return f"EmbedColumns({', '.join(f'{n} -> {d}' for n, d in shapes)})"


def _drawn(n: int, n_out: int, rng: np.random.Generator, dtype: Any) -> Array:
    at_least_one("EmbedColumns", n=n, n_out=n_out)
    table = rng.normal(0.0, n_out**-0.5, (n, n_out)).astype(dtype)
    table[0] = 0.0
    return table
