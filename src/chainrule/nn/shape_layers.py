"""Layers without parameters that change shapes: pooling, flattening; and the residual one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.pooling import average_pool, max_pool
from chainrule.nn.windows import fixed
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.trees import STATIC, static, tree

Array: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class _Pool:
    """The windows of a pooling layer."""

    kernel: Any = field(metadata=STATIC)
    stride: Any = field(default=None, metadata=STATIC)
    padding: Any = field(default=0, metadata=STATIC)

    def __post_init__(self) -> None:
        for name in ("kernel", "stride", "padding"):
            object.__setattr__(self, name, fixed(getattr(self, name)))


@tree
class MaxPool(_Pool):
    """The largest number of each window, ``nn.max_pool``.

    Shapes:
        x: (batch, channels, *spatial) -> (batch, channels, *out). A single image too, where
        ``kernel`` is a tuple with a size per spatial axis.

    Raises:
        ShapeError: shapes that do not fit.

    Example:
        >>> MaxPool(2)(np.zeros((5, 3, 8, 8))).shape
        (5, 3, 4, 4)
    """

    def __call__(self, x: Array) -> Array:
        return max_pool(x, self.kernel, self.stride, self.padding)


@tree
class AveragePool(_Pool):
    """The mean of each window, ``nn.average_pool``.

    Shapes:
        x: (batch, channels, *spatial) -> (batch, channels, *out). A single image too, where
        ``kernel`` is a tuple with a size per spatial axis.

    Raises:
        ShapeError: shapes that do not fit.

    Example:
        >>> AveragePool(2)(np.array([[[1.0, 3.0, 2.0, 5.0]]]))
        array([[[2. , 3.5]]])
    """

    def __call__(self, x: Array) -> Array:
        return average_pool(x, self.kernel, self.stride, self.padding)


@tree
class Flatten:
    """All axes but the first ``axes_kept`` as one: images as rows of numbers.

    Shapes:
        x: (batch, *rest) -> (batch, product of rest).

    Example:
        >>> Flatten()(np.zeros((5, 3, 8, 8))).shape
        (5, 192)
    """

    axes_kept: int = static(default=1)

    def __call__(self, x: Array) -> Array:
        x = as_array(x)
        kept = x.shape[: self.axes_kept]
        return np.reshape(x, (*kept, int(np.prod(x.shape[self.axes_kept :]))))


@tree
class Residual:
    """x + layer(x), or shortcut(x) + layer(x) where the layer changes the shape.

    Shapes:
        x: what the layer takes and returns.

    Raises:
        ShapeError: the layer changes the shape and there is no shortcut that does so too.

    Source:
        He, Zhang, Ren & Sun 2016, Deep Residual Learning for Image Recognition, 3.2.

    Example:
        >>> from chainrule import nn
        >>> block = Residual(nn.Sequential(nn.relu, nn.Linear.init(4, 4, rng=0)))
        >>> block(np.zeros((2, 4), np.float32)).shape
        (2, 4)
    """

    layer: Callable[[Array], Array]
    shortcut: Callable[[Array], Array] | None = None

    def __call__(self, x: Array) -> Array:
        x = as_array(x)
        y, past = self.layer(x), x if self.shortcut is None else self.shortcut(x)
        if y.shape != past.shape:
            raise ShapeError(
                f"Residual at {user_line()}: the layer turns {described(x)} into {described(y)}; "
                f"beside it goes {described(past)}",
                "Residual(layer, shortcut=nn.Linear.init(...)) brings x to the layer's shape",
            )
        return past + y
