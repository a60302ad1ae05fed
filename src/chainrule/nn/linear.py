"""The affine layer."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError, TrainingError
from chainrule.ir.types import ArrayType
from chainrule.nn.gaussians import discriminants
from chainrule.nn.initial import draw, floating_dtype
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import tree

Array: TypeAlias = Any


@tree
class Linear:
    """Affine map ``y = x Wᵀ + b``, one row per example.

    Shapes:
        x: (batch, n_in) -> y: (batch, n_out); a single example (n_in,) -> (n_out,) too.
        weight: (n_out, n_in), weight[j, i] carries input i to output j. bias: (n_out,), or None
        for none.

    Raises:
        ShapeError: the last axis of x is not n_in; weight and bias do not fit together.

    Example:
        >>> layer = Linear(weight=np.array([[1.0, 2.0]]), bias=np.array([0.5]))
        >>> layer(np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[11.5],
               [ 0.5]])
        >>> layer
        Linear(2 -> 1, float64)
    """

    weight: Array
    bias: Array | None

    # Two layers are the same one or they are not: `==` of their arrays has no single truth.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __post_init__(self) -> None:
        weight = np.shape(self.weight)
        bias = weight[:1] if self.bias is None else np.shape(self.bias)
        if len(weight) != 2 or bias != weight[:1]:
            raise ShapeError(
                f"Linear: weight is {weight}, bias is {bias}; expected (n_out, n_in) and (n_out,)"
            )

    @classmethod
    def init(
        cls,
        n_in: int,
        n_out: int,
        rng: int | np.random.Generator,
        dtype: Any = np.float32,
        scale: str = "he",
        bias: bool = True,
    ) -> Linear:
        """A layer with random weights and a bias of zeros.

        Args:
            n_in: numbers per example that go in.
            n_out: numbers per example that come out.
            rng: a seed or a generator.
            dtype: float32 or float64.
            scale: how the weights are drawn: ``"he"`` N(0, 2/n_in), for ReLU and its kin;
                ``"lecun"`` N(0, 1/n_in); ``"glorot"`` uniform of variance 2/(n_in + n_out), for
                tanh and the sigmoid; the others of ``nn.SCALES``.
            bias: whether there is one.

        Raises:
            TrainingError, ShapeError, DTypeError: an unknown scale, a size below 1, another dtype.

        Source:
            He et al. 2015; LeCun et al. 1998; Glorot & Bengio 2010: see ``nn.initial``.

        Example:
            >>> layer = Linear.init(3, 2, rng=0)
            >>> layer(np.zeros((5, 3), np.float32)).shape
            (5, 2)
        """
        weight = draw(scale, n_in, n_out, rng, dtype)
        return cls(weight, np.zeros(n_out, weight.dtype) if bias else None)

    @classmethod
    def from_gaussians(
        cls, x: Array, y: Array, logistic: bool = False, shrinkage: float = 0.0, dtype: Any = None
    ) -> Linear:
        """The softmax model that follows from a Gaussian for each class, all of one covariance.

        By Bayes' rule log p(class k | x) is, but for what all classes share, the linear function
        with weights Σ⁻¹ μ_k and bias -½ μ_kᵀ Σ⁻¹ μ_k + log π_k. Means μ_k, covariance Σ and
        shares π_k are those of maximum likelihood, so there is nothing to descend: a model to
        start from, or to compare a trained one with. Known as linear discriminant analysis.

        Args:
            x: (n, n_in). Where Σ has no inverse the shortest weights are taken.
            y: labels 0 ... k - 1, (n,); each class has some.
            logistic: for two classes: one output, the log-odds of class 1, for
                ``losses.binary_cross_entropy``, in place of one output per class.
            shrinkage: in [0, 1]; this share of Σ is replaced by a multiple of the identity of the
                same trace, for few examples of many features.
            dtype: float32 or float64; x's own by default.

        Raises:
            ShapeError, DataError: x and y do not fit together or are no numbers and labels.
            TrainingError: ``logistic`` with more than two classes.

        Source:
            Fisher 1936, The Use of Multiple Measurements in Taxonomic Problems; Bishop 2006,
            Pattern Recognition and Machine Learning, 4.2.1. Shrinkage: Ledoit & Wolf 2004.

        Example:
            >>> x = np.array([[0.0], [2.0], [4.0], [6.0]])
            >>> layer = Linear.from_gaussians(x, np.array([0, 0, 1, 1]), logistic=True)
            >>> layer(np.array([[3.0]]))  # half way between the means 1 and 5
            array([[0.]])
        """
        weight, bias = discriminants(x, y, shrinkage)
        if logistic and len(bias) != 2:
            raise TrainingError(f"from_gaussians: logistic=True with {len(bias)} classes; needs 2")
        if logistic:
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        own = np.asarray(x).dtype
        dtype = floating_dtype(
            (own if own == np.float32 else np.float64) if dtype is None else dtype
        )
        return cls(weight.astype(dtype), bias.astype(dtype))

    def __call__(self, x: Array) -> Array:
        n_in = self.weight.shape[1]
        if np.shape(x)[-1:] != (n_in,):
            raise _wrong_input(self, x, n_in)
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        # The leaves may be anything a tree is filled with: names, flags, another tree's arrays.
        n_out, n_in = getattr(self.weight, "shape", None) or ("?", "?")
        return f"Linear({n_in} -> {n_out}, {getattr(self.weight, 'dtype', '?')})"


def _wrong_input(layer: Linear, x: Array, n_in: int) -> ShapeError:
    shape = np.shape(x)
    last = f"its last axis is {shape[-1]}" if shape else "a single number"
    message = f"{layer!r}: x is {_kind(x)}, {last}; expected (batch, {n_in})"
    if len(shape) > 2 and int(np.prod(shape[1:])) == n_in:
        return ShapeError(message, f"one row per example: x.reshape(-1, {n_in})")
    if len(shape) == 2 and shape[0] == n_in:
        return ShapeError(message, "examples are rows here: x.T fits")
    return ShapeError(message)


def _kind(x: Array) -> str:
    x = x if isinstance(x, Tracer) else np.asarray(x)
    return str(ArrayType(x.dtype, x.shape))
