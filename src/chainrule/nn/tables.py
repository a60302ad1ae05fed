"""Layers for tables: embeddings of numbers and of categories, and many models in one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError, TrainingError
from chainrule.nn.activations import Activation, activation, relu
from chainrule.nn.dropout import check_rate, dropout
from chainrule.nn.initial import Fan, at_least_one, draw_array, floating_dtype
from chainrule.nn.lookup import embedding
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.trees import static, tree

Array: TypeAlias = Any


@tree
class Embedding:
    """A row of a table for each whole number, ``nn.embedding``.

    Shapes:
        i: whole numbers (...) below n -> (..., n_out). table: (n, n_out).

    Raises:
        DTypeError: i are no whole numbers. ShapeError: one outside of the table, where i is
            plain.

    Source:
        Bengio, Ducharme, Vincent & Jauvin 2003, A Neural Probabilistic Language Model.

    Example:
        >>> Embedding.init(10, 4, rng=0)(np.array([[1, 2, 9]])).shape
        (1, 3, 4)
    """

    table: Array

    @classmethod
    def init(
        cls, n: int, n_out: int, rng: int | np.random.Generator, dtype: Any = np.float32
    ) -> Embedding:
        """For n different whole numbers; the rows from N(0, 1)."""
        at_least_one("Embedding", n=n, n_out=n_out)
        drawn = np.random.default_rng(rng).normal(size=(n, n_out))
        return cls(drawn.astype(floating_dtype(dtype)))

    def __call__(self, i: Array) -> Array:
        return embedding(self.table, i)

    def __repr__(self) -> str:
        n, n_out = getattr(self.table, "shape", None) or ("?", "?")
        return f"Embedding({n} -> {n_out})"


@tree
class PeriodicEmbedding:
    """Each feature as sines and cosines of learned frequencies: [cos 2π c x, sin 2π c x].

    Shapes:
        x: (..., n_features) -> (..., n_features, 2 k). frequencies c: (n_features, k).

    Raises:
        ShapeError: x has not n_features.

    Source:
        Gorishniy, Rubachev & Babenko 2022, On Embeddings for Numerical Features in Tabular Deep
        Learning, 3.3.

    Example:
        >>> PeriodicEmbedding.init(3, 8, rng=0)(np.zeros((5, 3), np.float32)).shape
        (5, 3, 16)
    """

    frequencies: Array

    @classmethod
    def init(
        cls, n_features: int, k: int, rng: int | np.random.Generator, sigma: float = 0.1,
        dtype: Any = np.float32,
    ) -> PeriodicEmbedding:  # fmt: skip
        """k frequencies per feature from N(0, sigma²); sigma is worth tuning."""
        at_least_one("PeriodicEmbedding", n_features=n_features, k=k)
        drawn = np.random.default_rng(rng).normal(0.0, sigma, (n_features, k))
        return cls(drawn.astype(floating_dtype(dtype)))

    def __call__(self, x: Array) -> Array:
        x = _features(self, x, self.frequencies.shape[0])
        turns = (2 * np.pi) * x[..., None] * self.frequencies
        return np.concatenate([np.cos(turns), np.sin(turns)], axis=-1)

    def __repr__(self) -> str:
        n, k = getattr(self.frequencies, "shape", None) or ("?", "?")
        return f"PeriodicEmbedding({n} features, {k} frequencies)"


@tree
class PLREmbedding:
    """Periodic, then linear, then ReLU: an embedding of each number of a table by itself.

    ``nn.Sequential(nn.PLREmbedding.init(...), nn.Flatten(), nn.MLP(...))`` is a model of it.

    Shapes:
        x: (..., n_features) -> (..., n_features, n_out).
        weight: (n_features, 2 k, n_out); (2 k, n_out), the same for all, with ``lite``.

    Raises:
        ShapeError: x has not n_features.

    Source:
        Gorishniy, Rubachev & Babenko 2022, On Embeddings for Numerical Features in Tabular Deep
        Learning, 3.4; the shared form: Gorishniy et al. 2024, TabR.

    Example:
        >>> PLREmbedding.init(3, 24, rng=0)(np.zeros((5, 3), np.float32)).shape
        (5, 3, 24)
    """

    periodic: PeriodicEmbedding
    weight: Array
    bias: Array

    @classmethod
    def init(
        cls, n_features: int, n_out: int, rng: int | np.random.Generator, k: int = 48,
        sigma: float = 0.1, lite: bool = False, dtype: Any = np.float32,
    ) -> PLREmbedding:  # fmt: skip
        """k frequencies per feature from N(0, sigma²), and n_out numbers for each feature."""
        at_least_one("PLREmbedding", n_out=n_out)
        rng = np.random.default_rng(rng)
        periodic = PeriodicEmbedding.init(n_features, k, rng, sigma, dtype)
        lead = () if lite else (n_features,)
        weight = draw_array("torch", Fan((*lead, 2 * k, n_out), 2 * k, n_out), rng, dtype)
        return cls(periodic, weight, np.zeros((*lead, n_out), weight.dtype))

    def __call__(self, x: Array) -> Array:
        waves = self.periodic(x)
        if self.weight.ndim == 2:
            return relu(waves @ self.weight + self.bias)
        y = np.moveaxis(waves, -2, 0) if waves.ndim > 2 else waves[:, None]
        y = y @ self.weight  # feature by feature
        return relu((np.moveaxis(y, 0, -2) if waves.ndim > 2 else y[:, 0]) + self.bias)

    def __repr__(self) -> str:
        return f"PLREmbedding({self.periodic!r} -> {(np.shape(self.weight) or ('?',))[-1]})"


@tree
class BatchEnsemble:
    """k affine maps that share a matrix: member j has y = s_j (W (r_j x)) + b_j.

    Shapes:
        x: (..., k, n_in), each member's own, or (..., 1, n_in) for all -> (..., k, n_out).
        weight: (n_out, n_in), r: (k, n_in), s, bias: (k, n_out).

    Raises:
        ShapeError: x does not end in (k or 1, n_in).

    Source:
        Wen, Tran & Ba 2020, BatchEnsemble.

    Example:
        >>> layer = BatchEnsemble.init(3, 4, members=8, rng=0)
        >>> layer(np.zeros((5, 1, 3), np.float32)).shape
        (5, 8, 4)
    """

    weight: Array
    r: Array
    s: Array
    bias: Array

    @classmethod
    def init(
        cls, n_in: int, n_out: int, members: int, rng: int | np.random.Generator,
        signs: bool = True, dtype: Any = np.float32, scale: str = "he",
    ) -> BatchEnsemble:  # fmt: skip
        """For so many members.

        Args:
            n_in: numbers per example that go in.
            n_out: numbers per example and member that come out.
            members: k.
            rng: a seed or a generator.
            signs: r begins at ±1 at random, which makes the members different; else at 1.
            dtype: float32 or float64.
            scale: of the shared matrix, a name in ``nn.SCALES``.
        """
        at_least_one("BatchEnsemble", n_in=n_in, n_out=n_out, members=members)
        rng = np.random.default_rng(rng)
        weight = draw_array(scale, Fan((n_out, n_in), n_in, n_out), rng, dtype)
        r = rng.choice([-1.0, 1.0], (members, n_in)) if signs else np.ones((members, n_in))
        s, bias = np.ones((members, n_out), weight.dtype), np.zeros((members, n_out), weight.dtype)
        return cls(weight, r.astype(weight.dtype), s, bias)

    def __call__(self, x: Array) -> Array:
        x = as_array(x)
        k, n_in = self.r.shape
        if x.ndim < 2 or x.shape[-1] != n_in or x.shape[-2] not in (1, k):
            raise ShapeError(
                f"{self!r} at {user_line()}: {described(x)}; expected (..., {k} or 1, {n_in})",
                "x[:, None] gives all members the same rows",
            )
        return ((x * self.r) @ self.weight.T) * self.s + self.bias

    def __repr__(self) -> str:
        n_out, n_in = getattr(self.weight, "shape", None) or ("?", "?")
        k = (getattr(self.r, "shape", None) or ("?",))[0]
        return f"BatchEnsemble({n_in} -> {n_out}, {k} members)"


@tree
class TabM:
    """A network that is k networks in one: its hidden layers share their matrices.

    Each member sees x with signs of its own, has its own scales and biases, and its own last
    layer. Train it with ``losses.each_member(loss)``; the prediction is the mean of the members',
    which that loss's ``link`` gives.

    Shapes:
        x: (batch, sizes[0]) or (sizes[0],) -> (batch, members, sizes[-1]).
        head: (members, sizes[-2], sizes[-1]). head_bias: (members, sizes[-1]).

    Raises:
        ShapeError: fewer than three sizes; x is not as wide as sizes[0].
        TrainingError: an unknown activation or a rate outside of [0, 1).

    Source:
        Gorishniy, Kotelnikov & Babenko 2024, TabM: Advancing Tabular Deep Learning with
        Parameter-Efficient Ensembling, 3.3.

    Example:
        >>> TabM([3, 16, 2], members=8)(np.zeros((5, 3), np.float32)).shape
        (5, 8, 2)
    """

    layers: tuple[BatchEnsemble, ...]
    head: Array
    head_bias: Array
    activation: str | Activation = static()
    dropout: float = static()

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self, sizes: Sequence[int], members: int = 32, rng: int | np.random.Generator = 0,
        activation: str | Activation = "relu", dropout: float = 0.0, dtype: Any = np.float32,
    ) -> None:  # fmt: skip
        if len(sizes) < 3:
            raise ShapeError(f"TabM({list(sizes)}): expected at least three sizes")
        check_rate(f"TabM: dropout={dropout!r}", dropout)
        rng = np.random.default_rng(rng)
        layers = tuple(
            BatchEnsemble.init(a, b, members, rng, signs=k == 0, dtype=dtype)
            for k, (a, b) in enumerate(pairwise(sizes[:-1]))
        )
        fan = Fan((members, *sizes[-2:]), sizes[-2], sizes[-1])
        at_least_one("TabM", n_out=sizes[-1])
        head = draw_array("torch", fan, rng, dtype)
        values = (layers, head, np.zeros((members, sizes[-1]), head.dtype), activation, dropout)
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)
        _known(activation)

    def __call__(self, x: Array) -> Array:
        x = as_array(x)[..., None, :]
        for layer in self.layers:
            x = dropout(activation(self.activation)(layer(x)), self.dropout)
        if x.ndim == 2:  # a single example: (members, n)
            return (x[:, None] @ self.head)[:, 0] + self.head_bias
        return np.swapaxes(np.swapaxes(x, 0, 1) @ self.head, 0, 1) + self.head_bias

    def __repr__(self) -> str:
        first = "?" if not self.layers else repr(self.layers[0])
        return f"TabM({first} ... -> {(np.shape(self.head) or ('?',))[-1]})"


def _known(which: Any) -> None:
    activation(which)


def _features(layer: Any, x: Array, n: int) -> Array:
    x = as_array(x)
    if not x.ndim or x.shape[-1] != n:
        raise ShapeError(f"{layer!r} at {user_line()}: {described(x)}; expected (..., {n})")
    if x.dtype.kind != "f":
        raise TrainingError(
            f"{layer!r} at {user_line()}: {described(x)}; expected floats",
            "for categories use nn.Embedding",
        )
    return x
