"""Layers without parameters that change shapes: pooling, flattening; and the residual one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.pooling import average_pool, max_pool
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.trees import static, tree

Array: TypeAlias = Any


def _fix(pool: Any) -> None:
    """Lists as tuples: options are part of the tree's structure, which is compared and hashed."""
    for name in ("kernel", "stride", "padding"):
        value = getattr(pool, name)
        object.__setattr__(pool, name, tuple(value) if isinstance(value, list) else value)


@tree
class MaxPool:
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

    kernel: Any = static()
    stride: Any = static(default=None)
    padding: Any = static(default=0)

    def __post_init__(self) -> None:
        _fix(self)

    def __call__(self, x: Array) -> Array:
        return max_pool(x, self.kernel, self.stride, self.padding)


@tree
class AveragePool:
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

    kernel: Any = static()
    stride: Any = static(default=None)
    padding: Any = static(default=0)

    def __post_init__(self) -> None:
        _fix(self)

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
