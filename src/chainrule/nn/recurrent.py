"""Recurrent layers: one step per place in time, ``cr.scan`` over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.initial import Fan, at_least_one, draw_array
from chainrule.ops.scipy_special import special
from chainrule.tracing.control import scan
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.trees import STATIC, tree

Array: TypeAlias = Any


@dataclass(frozen=True, eq=False, repr=False)
class _Recurrent:
    """The weights of all gates one below the other, and the run over time."""

    weight: Array
    recurrent: Array
    bias: Array
    recurrent_bias: Array
    last: bool = field(default=False, metadata=STATIC)
    reverse: bool = field(default=False, metadata=STATIC)

    @classmethod
    def _drawn(
        cls, gates: int, n_in: int, n: int, rng: Any, dtype: Any
    ) -> tuple[Array, Array, Array, Array]:
        at_least_one(cls.__name__, n_in=n_in, n=n)
        rng = np.random.default_rng(rng)
        weight = draw_array("torch", Fan((gates * n, n_in), n, n), rng, dtype)
        parts = [draw_array("orthogonal", Fan((n, n), n, n), rng, dtype) for _ in range(gates)]
        zeros = np.zeros(gates * n, weight.dtype)
        return weight, np.concatenate(parts), zeros, zeros.copy()

    def _run(self, step: Any, x: Array, first: Any) -> Array:
        """The states of all steps, or the last one."""
        x, n_in = as_array(x), self.weight.shape[1]
        if x.ndim < 2 or x.shape[-1] != n_in:
            raise ShapeError(
                f"{self!r} at {user_line()}: {described(x)}; expected (batch, time, {n_in})"
            )
        into = np.moveaxis(x @ self.weight.T + self.bias, -2, 0)  # of all steps at once
        # Zeros of the batch's size that stand in the graph with it.
        h = np.zeros_like(into[0][..., : self.recurrent.shape[1]])
        h = h + np.zeros(self.recurrent.shape[1], h.dtype)
        _, states = scan(step, first(h), into, reverse=self.reverse)
        if self.last:
            return states[0] if self.reverse else states[-1]
        return np.moveaxis(states, 0, -2)

    def __repr__(self) -> str:
        n_in = (getattr(self.weight, "shape", None) or ("?", "?"))[1]
        n = (getattr(self.recurrent, "shape", None) or ("?", "?"))[1]
        return f"{type(self).__name__}({n_in} -> {n})"


@tree
class GRU(_Recurrent):
    """Gated recurrent unit: a state h that each step renews in part.

    r = σ(Wr x + br + Ur h + cr), z = σ(Wz x + bz + Uz h + cz),
    c = tanh(Wc x + bc + r (Uc h + cc)), h' = (1 - z) c + z h.

    Shapes:
        x: (batch, time, n_in), or one series (time, n_in) -> (batch, time, n), the state after
        each step; (batch, n), after the last, with ``last``.
        weight: (3 n, n_in), recurrent: (3 n, n), bias, recurrent_bias: (3 n,), in the order
        r, z, c. The first state is 0.

    Raises:
        ShapeError: x is no series, or not of n_in numbers.

    Source:
        Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder. Definition:
        ``torch.nn.GRU``.

    Example:
        >>> GRU.init(3, 8, rng=0)(np.zeros((2, 20, 3), np.float32)).shape
        (2, 20, 8)
    """

    __repr__ = _Recurrent.__repr__

    @classmethod
    def init(
        cls, n_in: int, n: int, rng: int | np.random.Generator, last: bool = False,
        reverse: bool = False, dtype: Any = np.float32,
    ) -> GRU:  # fmt: skip
        """Weights from U(-1/√n, 1/√n), as PyTorch's, and orthogonal ones for the state.

        Args:
            n_in: numbers per step that go in.
            n: numbers of the state.
            rng: a seed or a generator.
            last: return the last state alone.
            reverse: begin with the last step; "last" is then the first in time.
            dtype: float32 or float64.
        """
        return cls(*cls._drawn(3, n_in, n, rng, dtype), last, reverse)

    def __call__(self, x: Array) -> Array:
        n = self.recurrent.shape[1]

        def step(h: Array, part: Array) -> tuple[Array, Array]:
            u = h @ self.recurrent.T + self.recurrent_bias
            gates = special.expit(part[..., : 2 * n] + u[..., : 2 * n])
            r, z = gates[..., :n], gates[..., n:]
            c = np.tanh(part[..., 2 * n :] + r * u[..., 2 * n :])
            h = c + z * (h - c)
            return h, h

        return self._run(step, x, lambda h: h)


@tree
class LSTM(_Recurrent):
    """Long short-term memory: a state h read out of a cell c that is kept, forgotten and written.

    i, f, o = σ(W x + b + U h + d) each, g = tanh(Wg x + bg + Ug h + dg),
    c' = f c + i g, h' = o tanh(c').

    Shapes:
        x: (batch, time, n_in), or one series (time, n_in) -> (batch, time, n), the state after
        each step; (batch, n), after the last, with ``last``.
        weight: (4 n, n_in), recurrent: (4 n, n), bias, recurrent_bias: (4 n,), in the order
        i, f, g, o. The first state and cell are 0.

    Raises:
        ShapeError: x is no series, or not of n_in numbers.

    Source:
        Hochreiter & Schmidhuber 1997, Long Short-Term Memory; the forget gate: Gers, Schmidhuber
        & Cummins 2000, Learning to Forget. Definition: ``torch.nn.LSTM``.

    Example:
        >>> LSTM.init(3, 8, rng=0, last=True)(np.zeros((2, 20, 3), np.float32)).shape
        (2, 8)
    """

    __repr__ = _Recurrent.__repr__

    @classmethod
    def init(
        cls, n_in: int, n: int, rng: int | np.random.Generator, last: bool = False,
        reverse: bool = False, dtype: Any = np.float32,
    ) -> LSTM:  # fmt: skip
        """As ``GRU.init``; the forget gate's bias begins at 1, so that the cell is kept at first.

        Source:
            Jozefowicz, Zaremba & Sutskever 2015, An Empirical Exploration of Recurrent Network
            Architectures (the bias).
        """
        weight, recurrent, bias, more = cls._drawn(4, n_in, n, rng, dtype)
        bias[n : 2 * n] = 1
        return cls(weight, recurrent, bias, more, last, reverse)

    def __call__(self, x: Array) -> Array:
        n = self.recurrent.shape[1]

        def step(carry: tuple[Array, Array], part: Array) -> tuple[tuple[Array, Array], Array]:
            h, c = carry
            u = part + (h @ self.recurrent.T + self.recurrent_bias)
            i, f, o = (special.expit(u[..., k * n : (k + 1) * n]) for k in (0, 1, 3))
            c = f * c + i * np.tanh(u[..., 2 * n : 3 * n])
            h = o * np.tanh(c)
            return (h, c), h

        return self._run(step, x, lambda h: (h, h))
