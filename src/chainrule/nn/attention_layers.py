"""Attention as layers: many heads, and the transformer's block."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.activations import Activation, activation
from chainrule.nn.dropout import check_rate, dropout
from chainrule.nn.initial import at_least_one
from chainrule.nn.linear import Linear
from chainrule.nn.normalization import LayerNorm
from chainrule.nn.scaled_dot_product import attention
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.trees import static, tree

Array: TypeAlias = Any


@tree
class MultiHeadAttention:
    """Scaled dot-product attention in several subspaces side by side.

    Shapes:
        x: (..., time, n) -> (..., time, n); context: (..., keys, n), x itself by default.
        mask: as in ``nn.attention``, (..., heads, time, keys) or what broadcasts to it.

    Raises:
        ShapeError: shapes that do not fit.

    Source:
        Vaswani et al. 2017, Attention Is All You Need, 3.2.2.

    Example:
        >>> layer = MultiHeadAttention.init(8, heads=2, rng=0)
        >>> layer(np.zeros((3, 5, 8), np.float32)).shape
        (3, 5, 8)
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    heads: int = static()
    causal: bool = static(default=False)

    @classmethod
    def init(
        cls, n: int, heads: int, rng: int | np.random.Generator, causal: bool = False,
        dtype: Any = np.float32, scale: str = "glorot",
    ) -> MultiHeadAttention:  # fmt: skip
        """For n numbers per place, n / heads of them for each head.

        Raises:
            ShapeError: the heads do not divide n. TrainingError: an unknown scale.
        """
        at_least_one("MultiHeadAttention", n=n, heads=heads)
        if n % heads:
            raise ShapeError(f"MultiHeadAttention: {heads} heads do not divide n={n}")
        rng = np.random.default_rng(rng)
        q, k, v, output = (Linear.init(n, n, rng, dtype, scale) for _ in range(4))
        return cls(q, k, v, output, heads, causal)

    def __call__(self, x: Array, context: Array | None = None, mask: Array | None = None) -> Array:
        x = as_array(x)
        if x.ndim < 2:
            raise ShapeError(
                f"MultiHeadAttention at {user_line()}: {described(x)}; expected (..., time, n)"
            )
        context = x if context is None else context
        q = self._parted(self.query(x))
        k, v = self._parted(self.key(context)), self._parted(self.value(context))
        y = np.swapaxes(attention(q, k, v, mask, self.causal), -2, -3)
        return self.output(np.reshape(y, x.shape))

    def _parted(self, x: Array) -> Array:
        """(..., time, n) -> (..., heads, time, n / heads)."""
        parts = np.reshape(x, (*x.shape[:-1], self.heads, x.shape[-1] // self.heads))
        return np.swapaxes(parts, -2, -3)

    def __repr__(self) -> str:
        n = (getattr(getattr(self.query, "weight", None), "shape", None) or ("?",))[0]
        return f"MultiHeadAttention({n}, {self.heads} heads)"


@tree
class TransformerBlock:
    """Attention and a small network at each place, each beside a residual path, norms in front.

    x = x + dropout(attention(norm(x))), then x + dropout(network(norm(x))).

    Shapes:
        x: (..., time, n) -> (..., time, n).

    Raises:
        ShapeError: shapes that do not fit.

    Source:
        Vaswani et al. 2017, Attention Is All You Need; the norm in front: Xiong et al. 2020, On
        Layer Normalization in the Transformer Architecture.

    Example:
        >>> block = TransformerBlock.init(8, heads=2, rng=0)
        >>> block(np.zeros((3, 5, 8), np.float32)).shape
        (3, 5, 8)
    """

    attention_norm: LayerNorm
    attention: MultiHeadAttention
    network_norm: LayerNorm
    expand: Linear
    contract: Linear
    activation: str | Activation = static(default="gelu")
    dropout: float = static(default=0.0)

    def __post_init__(self) -> None:
        check_rate(f"TransformerBlock: dropout={self.dropout!r}", self.dropout)
        activation(self.activation)

    @classmethod
    def init(
        cls, n: int, heads: int, rng: int | np.random.Generator, hidden: int | None = None,
        activation: str | Activation = "gelu", dropout: float = 0.0, causal: bool = False,
        dtype: Any = np.float32,
    ) -> TransformerBlock:  # fmt: skip
        """For n numbers per place.

        Args:
            n: numbers per place.
            heads: of the attention.
            rng: a seed or a generator.
            hidden: numbers in the middle of the network at each place; 4 n by default.
            activation: of that network.
            dropout: the rate for what is added to the residual path.
            causal: whether a place looks only at itself and those before.
            dtype: float32 or float64.
        """
        rng, hidden = np.random.default_rng(rng), 4 * n if hidden is None else hidden
        attend = MultiHeadAttention.init(n, heads, rng, causal, dtype)
        expand = Linear.init(n, hidden, rng, dtype, "glorot")
        contract = Linear.init(hidden, n, rng, dtype, "glorot")
        norms = LayerNorm.init(n, dtype=dtype), LayerNorm.init(n, dtype=dtype)
        return cls(norms[0], attend, norms[1], expand, contract, activation, dropout)

    def __call__(self, x: Array, mask: Array | None = None) -> Array:
        attended = self.attention(self.attention_norm(x), mask=mask)
        x = x + dropout(attended, self.dropout)
        inner = activation(self.activation)(self.expand(self.network_norm(x)))
        return x + dropout(self.contract(inner), self.dropout)

    def __repr__(self) -> str:
        return f"TransformerBlock({self.attention!r})"
