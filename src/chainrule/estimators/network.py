"""The network of an estimator: what it is, its first weights, its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule import nn

Array: TypeAlias = Any
Norm: TypeAlias = Literal["batch", "layer"] | None

#: scikit-learn's names for activations beside ours.
_ALIASES: Final = {"logistic": "sigmoid"}


def activation_name(name: str) -> str:
    """Our name of an activation: scikit-learn says "logistic" where we say "sigmoid"."""
    return _ALIASES.get(name, name)


@dataclass(frozen=True)
class Network:
    """Layers of sizes n_in, hidden..., n_out; all that a compiled step depends on.

    Its parameters are ``{"coefs": [(n_in, n_out), ...], "intercepts": [(n_out,), ...], "norms":
    [...]}``, in scikit-learn's shapes.

    Example:
        >>> network = Network((3, 4, 1), "relu", "float64")
        >>> [w.shape for w in network.start(np.random.RandomState(0))["coefs"]]
        [(3, 4), (4, 1)]
    """

    sizes: tuple[int, ...]
    activation: str
    dtype: str
    dropout: float = 0.0
    norm: Norm = None

    def start(self, random: np.random.RandomState) -> dict[str, Any]:
        """First weights and biases, drawn as scikit-learn draws them.

        Source:
            Glorot & Bengio 2010, Understanding the Difficulty of Training Deep Feedforward Neural
            Networks, equation 16; ``sklearn.neural_network`` has a third of it for "logistic".
        """
        factor = 2.0 if activation_name(self.activation) == "sigmoid" else 6.0
        coefs, intercepts = [], []
        for n_in, n_out in pairwise(self.sizes):
            bound = np.sqrt(factor / (n_in + n_out))
            coefs.append(random.uniform(-bound, bound, (n_in, n_out)).astype(self.dtype))
            intercepts.append(random.uniform(-bound, bound, n_out).astype(self.dtype))
        return {"coefs": coefs, "intercepts": intercepts, "norms": self._norms()}

    def _norms(self) -> list[Any]:
        hidden, dtype = self.sizes[1:-1], np.dtype(self.dtype)
        if self.norm == "batch":
            return [nn.BatchNorm.init(n, dtype=dtype) for n in hidden]
        if self.norm == "layer":
            return [nn.LayerNorm.init(n, dtype=dtype) for n in hidden]
        return []

    def outputs(self, params: dict[str, Any], x: Array) -> Array:
        """The last layer's sums, (batch, n_in) -> (batch, n_out); plain NumPy or traced."""
        activate = nn.ACTIVATIONS[activation_name(self.activation)]
        last = len(self.sizes) - 2
        for k, (w, b) in enumerate(zip(params["coefs"], params["intercepts"], strict=True)):
            x = x @ w + b
            if k < last:
                x = params["norms"][k](x) if params["norms"] else x
                x = activate(x)
                x = nn.dropout(x, self.dropout) if self.dropout else x
        return x

    @property
    def work(self) -> int:
        """Multiplications of one row."""
        return sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))
