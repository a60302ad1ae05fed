"""Convolutions as layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.convolution import conv, conv_transpose
from chainrule.nn.initial import Fan, at_least_one, draw_array
from chainrule.nn.windows import fixed
from chainrule.tracing.trees import STATIC, tree

Array: TypeAlias = Any


@dataclass(frozen=True, eq=False, repr=False)
class _Kernels:
    """Kernels and a bias per channel that comes out."""

    weight: Array
    bias: Array | None

    rank: ClassVar[int]

    @classmethod
    def _drawn(
        cls, n_in: int, n_out: int, groups: int, kernel: Any, rng: Any, scale: str, dtype: Any
    ) -> Array:
        """Weights (n_out, n_in / groups, *kernel) in groups of the channels that come out."""
        at_least_one(cls.__name__, n_in=n_in, n_out=n_out, groups=groups)
        if n_in % groups or n_out % groups:
            raise ShapeError(f"{cls.__name__}({n_in} -> {n_out}): {groups} groups divide not both")
        sizes = cls._sizes(kernel)
        area, each = int(np.prod(sizes)), n_in // groups
        fan = Fan((n_out, each, *sizes), each * area, n_out // groups * area)
        return draw_array(scale, fan, rng, dtype)

    @classmethod
    def _sizes(cls, kernel: Any) -> tuple[int, ...]:
        """The kernel's size along each axis."""
        one = isinstance(kernel, int | np.integer)
        sizes: tuple[int, ...] = (kernel,) * cls.rank if one else tuple(kernel)
        if len(sizes) != cls.rank:
            raise ShapeError(
                f"{cls.__name__}: kernel={kernel!r}; expected one size or {cls.rank} sizes"
            )
        for n in sizes:
            at_least_one(cls.__name__, kernel=n)
        return sizes

    @classmethod
    def _made(cls, weight: Array, n_out: int, has_bias: bool, *options: Any) -> Self:
        zeros = np.zeros(n_out, weight.dtype) if has_bias else None
        return cls(weight, zeros, *map(fixed, options))

    def _name(self, n_in: Any, n_out: Any) -> str:
        sizes = "×".join(map(str, getattr(self.weight, "shape", ("?", "?", "?"))[2:]))
        return f"{type(self).__name__}({n_in} -> {n_out}, kernel {sizes})"


@dataclass(frozen=True, eq=False, repr=False)
class _Conv(_Kernels):
    stride: Any = field(default=1, metadata=STATIC)
    padding: Any = field(default=0, metadata=STATIC)
    dilation: Any = field(default=1, metadata=STATIC)
    groups: int = field(default=1, metadata=STATIC)

    @classmethod
    def init(
        cls, n_in: int, n_out: int, kernel: int | Sequence[int],
        rng: int | np.random.Generator, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
        groups: int = 1, bias: bool = True, dtype: Any = np.float32, scale: str = "he",
    ) -> Self:  # fmt: skip
        """Random kernels and a bias of zeros.

        Args:
            n_in: channels that go in.
            n_out: channels that come out.
            kernel: the size of a window, one number or one per spatial axis.
            rng: a seed or a generator.
            stride: from one window to the next, as in ``nn.conv``.
            padding: zeros at both ends, numbers, ``"same"`` or ``"valid"``.
            dilation: from one place within a window to the next.
            groups: the channels are taken apart in so many groups.
            bias: whether a number is added per channel.
            dtype: float32 or float64.
            scale: a name in ``nn.SCALES``; its fan-in is n_in / groups times the kernel's size.

        Raises:
            ShapeError: sizes that do not fit. TrainingError: an unknown scale.
        """
        weight = cls._drawn(n_in, n_out, groups, kernel, rng, scale, dtype)
        return cls._made(weight, n_out, bias, stride, padding, dilation, groups)

    def __call__(self, x: Array) -> Array:
        return conv(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def __repr__(self) -> str:
        n_out, n_in = getattr(self.weight, "shape", ("?", 1))[:2]
        return self._name(n_in * self.groups, n_out)


@tree
class Conv1d(_Conv):
    """Cross-correlation along one axis, ``nn.conv``.

    Shapes:
        x: (batch, n_in, length) -> (batch, n_out, out), or one example without the batch.
        weight: (n_out, n_in / groups, kernel). bias: (n_out,) or None.

    Raises:
        ShapeError: shapes that do not fit.

    Source:
        LeCun et al. 1989, Backpropagation Applied to Handwritten Zip Code Recognition.

    Example:
        >>> Conv1d.init(3, 8, kernel=5, rng=0, padding="same")(np.zeros((2, 3, 20))).shape
        (2, 8, 20)
    """

    __repr__ = _Conv.__repr__
    rank = 1


@tree
class Conv2d(_Conv):
    """Cross-correlation of images with kernels, ``nn.conv``.

    Shapes:
        x: (batch, n_in, height, width) -> (batch, n_out, *out), or one image without the batch.
        weight: (n_out, n_in / groups, *kernel). bias: (n_out,) or None.

    Raises:
        ShapeError: shapes that do not fit.

    Source:
        LeCun et al. 1989, Backpropagation Applied to Handwritten Zip Code Recognition.

    Example:
        >>> layer = Conv2d.init(1, 8, kernel=3, rng=0, padding="same")
        >>> layer
        Conv2d(1 -> 8, kernel 3×3)
        >>> layer(np.zeros((2, 1, 28, 28), np.float32)).shape
        (2, 8, 28, 28)
    """

    __repr__ = _Conv.__repr__
    rank = 2


@dataclass(frozen=True, eq=False, repr=False)
class _ConvTranspose(_Kernels):
    stride: Any = field(default=1, metadata=STATIC)
    padding: Any = field(default=0, metadata=STATIC)
    output_padding: Any = field(default=0, metadata=STATIC)
    dilation: Any = field(default=1, metadata=STATIC)
    groups: int = field(default=1, metadata=STATIC)

    @classmethod
    def init(
        cls, n_in: int, n_out: int, kernel: int | Sequence[int],
        rng: int | np.random.Generator, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True,
        dtype: Any = np.float32, scale: str = "he",
    ) -> Self:  # fmt: skip
        """Random kernels and a bias of zeros; the arguments are those of ``nn.conv_transpose``.

        Raises:
            ShapeError: sizes that do not fit. TrainingError: an unknown scale.
        """
        # As many kernels overlap at a number that comes out as the stride leaves room for.
        weight = cls._drawn(n_in, n_out, groups, kernel, rng, scale, dtype)
        parts = weight.reshape(groups, n_out // groups, n_in // groups, *weight.shape[2:])
        weight = np.swapaxes(parts, 1, 2).reshape(n_in, n_out // groups, *weight.shape[2:])
        options = (stride, padding, output_padding, dilation, groups)
        return cls._made(np.ascontiguousarray(weight), n_out, bias, *options)

    def __call__(self, x: Array) -> Array:
        return conv_transpose(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding,
            self.dilation, self.groups,
        )  # fmt: skip

    def __repr__(self) -> str:
        n_in, n_out = getattr(self.weight, "shape", ("?", 1))[:2]
        return self._name(n_in, n_out * self.groups)


@tree
class ConvTranspose1d(_ConvTranspose):
    """The adjoint of a ``Conv1d`` with the same options, ``nn.conv_transpose``.

    Shapes:
        x: (batch, n_in, length) -> (batch, n_out, out), or one example without the batch.
        weight: (n_in, n_out / groups, kernel). bias: (n_out,) or None.

    Raises:
        ShapeError: shapes that do not fit.

    Example:
        >>> ConvTranspose1d.init(3, 8, kernel=4, rng=0, stride=2)(np.zeros((2, 3, 5))).shape
        (2, 8, 12)
    """

    __repr__ = _ConvTranspose.__repr__
    rank = 1


@tree
class ConvTranspose2d(_ConvTranspose):
    """The adjoint of a ``Conv2d`` with the same options, ``nn.conv_transpose``.

    Shapes:
        x: (batch, n_in, height, width) -> (batch, n_out, *out), or one image without the batch.
        weight: (n_in, n_out / groups, *kernel). bias: (n_out,) or None.

    Raises:
        ShapeError: shapes that do not fit.

    Source:
        Zeiler, Krishnan, Taylor & Fergus 2010, Deconvolutional Networks.

    Example:
        >>> layer = ConvTranspose2d.init(8, 1, kernel=2, rng=0, stride=2)
        >>> layer(np.zeros((2, 8, 7, 7), np.float32)).shape
        (2, 1, 14, 14)
    """

    __repr__ = _ConvTranspose.__repr__
    rank = 2
