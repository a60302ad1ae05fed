"""Normalisation: mean 0 and variance 1 over the batch, the features, groups of channels."""

from __future__ import annotations

from dataclasses import field
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError, TrainingError
from chainrule.nn.initial import at_least_one, floating_dtype
from chainrule.nn.mode import STATISTIC, Training, mode
from chainrule.tracing.functions import stop_gradient
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.trees import static, tree

Array: TypeAlias = Any


@tree
class BatchNorm:
    """Each channel with mean 0 and variance 1 over the batch, then scaled and shifted.

    In training y = (x - mean) / √(var + eps) · weight + bias with this batch's own mean and
    (biased) variance; the running ones move to this batch's mean and unbiased variance by the
    share ``momentum``. In evaluation the running ones take their place. The running statistics
    are leaves of the model that training carries on and no optimiser changes.

    Shapes:
        x: (batch, n), (batch, n, *spatial) -> the same; in evaluation a single (n,) too.
        weight, bias, running_mean, running_var: (n,).

    Raises:
        ShapeError: x has not n channels at axis 1; in training, there is no batch.

    Source:
        Ioffe & Szegedy 2015, Batch Normalization: Accelerating Deep Network Training by Reducing
        Internal Covariate Shift. Definition: ``torch.nn.BatchNorm1d``.

    Example:
        >>> layer = BatchNorm.init(2, dtype=np.float64)
        >>> x = np.array([[1.0, 0.0], [3.0, 4.0]])
        >>> layer(x)[0].round(4)  # evaluation: the running statistics are still 0 and 1
        array([1., 0.])
        >>> from chainrule import nn
        >>> with nn.training() as mode:
        ...     layer(x)[0].round(4)
        array([-1., -1.])
        >>> mode.updated(layer).running_mean
        array([0.2, 0.2])
    """

    weight: Array
    bias: Array
    running_mean: Array = field(metadata=STATISTIC)
    running_var: Array = field(metadata=STATISTIC)
    momentum: float = static(default=0.1)
    eps: float = static(default=1e-5)

    @classmethod
    def init(
        cls, n: int, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = np.float32
    ) -> BatchNorm:
        """For n channels: weight 1, bias 0, running mean 0 and variance 1."""
        at_least_one("BatchNorm", n=n)
        _check_eps("BatchNorm", eps)
        if not 0 <= momentum <= 1:
            raise TrainingError(f"BatchNorm: momentum={momentum!r}; expected a number from 0 to 1")
        ones, zeros = np.ones(n, floating_dtype(dtype)), np.zeros(n, dtype)
        return cls(ones, zeros, zeros.copy(), ones.copy(), momentum, eps)

    def __call__(self, x: Array) -> Array:
        x, step = as_array(x), mode()
        n = self.weight.shape[0]
        if x.shape != (n,) and (x.ndim < 2 or x.shape[1] != n):
            raise _wrong_channels("BatchNorm", n, x)
        mean, var = self._statistics(x, step)
        scale = self.weight / np.sqrt(var + self.eps)
        return (x - _along(mean, x)) * _along(scale, x) + _along(self.bias, x)

    def _statistics(self, x: Array, step: Training | None) -> tuple[Array, Array]:
        if step is None:
            return stop_gradient(self.running_mean), stop_gradient(self.running_var)
        if x.ndim < 2:
            raise ShapeError(
                f"BatchNorm at {user_line()}: {described(x)} in training; expected a batch"
            )
        axes = (0, *range(2, x.ndim))
        mean = np.mean(x, axis=axes)
        var = np.mean((x - _along(mean, x)) ** 2, axis=axes)
        # The number of values stands in the graph, where a batch's size may follow its data.
        count = np.where(var >= 0, *(2 * [var.dtype.type(x.size // var.size)]))
        self._move(step, self.running_mean, mean)
        self._move(step, self.running_var, var * (count / np.maximum(count - 1, 1)))
        return mean, var

    def _move(self, step: Training, leaf: Array, value: Array) -> None:
        step.update(leaf, (1 - self.momentum) * step.statistic(leaf) + self.momentum * value)

    def __repr__(self) -> str:
        return f"BatchNorm({_size(self.weight)})"


@tree
class LayerNorm:
    """Each example's last axes with mean 0 and variance 1, then scaled and shifted.

    Shapes:
        x: (..., *shape) -> the same, where weight and bias are of ``shape``.

    Raises:
        ShapeError: x does not end in ``shape``.

    Source:
        Ba, Kiros & Hinton 2016, Layer Normalization.

    Example:
        >>> LayerNorm.init(2, dtype=np.float64)(np.array([[1.0, 3.0]])).round(4)
        array([[-1.,  1.]])
    """

    weight: Array
    bias: Array
    eps: float = static(default=1e-5)

    @classmethod
    def init(
        cls, shape: int | tuple[int, ...], eps: float = 1e-5, dtype: Any = np.float32
    ) -> LayerNorm:
        """For the last axis, or as many last axes as the tuple names: weight 1, bias 0."""
        sizes = _sizes("LayerNorm", shape)
        _check_eps("LayerNorm", eps)
        return cls(np.ones(sizes, floating_dtype(dtype)), np.zeros(sizes, dtype), eps)

    def __call__(self, x: Array) -> Array:
        x = _ending(self, as_array(x))
        axes = tuple(range(-self.weight.ndim, 0))
        distance = x - np.mean(x, axis=axes, keepdims=True)
        var = np.mean(distance * distance, axis=axes, keepdims=True)
        return distance / np.sqrt(var + self.eps) * self.weight + self.bias

    def __repr__(self) -> str:
        return f"LayerNorm({_size(self.weight)})"


@tree
class RMSNorm:
    """Each example's last axes over their root mean square, then scaled.

    Shapes:
        x: (..., *shape) -> the same, where weight is of ``shape``.

    Raises:
        ShapeError: x does not end in ``shape``.

    Source:
        Zhang & Sennrich 2019, Root Mean Square Layer Normalization.

    Example:
        >>> RMSNorm.init(2, dtype=np.float64)(np.array([[1.0, 7.0]])).round(4)
        array([[0.2, 1.4]])
    """

    weight: Array
    eps: float = static(default=1e-6)

    @classmethod
    def init(
        cls, shape: int | tuple[int, ...], eps: float = 1e-6, dtype: Any = np.float32
    ) -> RMSNorm:
        """For the last axis, or as many last axes as the tuple names: weight 1."""
        _check_eps("RMSNorm", eps)
        return cls(np.ones(_sizes("RMSNorm", shape), floating_dtype(dtype)), eps)

    def __call__(self, x: Array) -> Array:
        x = _ending(self, as_array(x))
        axes = tuple(range(-self.weight.ndim, 0))
        return x / np.sqrt(np.mean(x * x, axis=axes, keepdims=True) + self.eps) * self.weight

    def __repr__(self) -> str:
        return f"RMSNorm({_size(self.weight)})"


@tree
class GroupNorm:
    """Groups of an example's channels with mean 0 and variance 1, then each channel scaled.

    One group is the normalisation of the whole example, as many as channels is instance
    normalisation.

    Shapes:
        x: (batch, n), (batch, n, *spatial) -> the same. weight, bias: (n,).

    Raises:
        ShapeError: x has not n channels at axis 1; the groups do not divide them.

    Source:
        Wu & He 2018, Group Normalization.

    Example:
        >>> layer = GroupNorm.init(groups=2, n=4, dtype=np.float64)
        >>> layer(np.array([[1.0, 3.0, 0.0, 8.0]])).round(3)
        array([[-1.,  1., -1.,  1.]])
    """

    weight: Array
    bias: Array
    groups: int = static()
    eps: float = static(default=1e-5)

    @classmethod
    def init(cls, groups: int, n: int, eps: float = 1e-5, dtype: Any = np.float32) -> GroupNorm:
        """For n channels in so many groups: weight 1, bias 0."""
        at_least_one("GroupNorm", groups=groups, n=n)
        _check_eps("GroupNorm", eps)
        if n % groups:
            raise ShapeError(f"GroupNorm: {groups} groups do not divide {n} channels")
        return cls(np.ones(n, floating_dtype(dtype)), np.zeros(n, dtype), groups, eps)

    def __call__(self, x: Array) -> Array:
        x, n = as_array(x), self.weight.shape[0]
        if x.ndim < 2 or x.shape[1] != n:
            raise _wrong_channels("GroupNorm", n, x)
        parts = np.reshape(x, (x.shape[0], self.groups, -1))
        distance = parts - np.mean(parts, axis=-1, keepdims=True)
        var = np.mean(distance * distance, axis=-1, keepdims=True)
        y = np.reshape(distance / np.sqrt(var + self.eps), x.shape)
        return y * _along(self.weight, x) + _along(self.bias, x)

    def __repr__(self) -> str:
        return f"GroupNorm({self.groups} groups of {_size(self.weight)})"


def _along(v: Array, x: Array) -> Array:
    """A number per channel, to be broadcast with x: axis 1, or axis 0 of one example."""
    return np.reshape(v, (-1, *(1,) * (x.ndim - 2))) if x.ndim > 2 else v


def _ending(layer: Any, x: Array) -> Array:
    shape = layer.weight.shape
    if x.shape[x.ndim - len(shape) :] != shape or x.ndim < len(shape):
        raise ShapeError(f"{layer!r} at {user_line()}: {described(x)}; expected (..., {shape})")
    return x


def _wrong_channels(name: str, n: int, x: Array) -> ShapeError:
    last = x.ndim > 2 and x.shape[-1] == n
    return ShapeError(
        f"{name}({n}) at {user_line()}: {described(x)}; expected (batch, {n}, ...)",
        f"channels stand in front of the spatial axes: np.moveaxis(x, -1, 1) has {n} there"
        if last else "",
    )  # fmt: skip


def _sizes(name: str, shape: int | tuple[int, ...]) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    for n in sizes:
        at_least_one(name, shape=n)
    return sizes


def _check_eps(name: str, eps: Any) -> None:
    if isinstance(eps, bool) or not isinstance(eps, float | int) or not 0 <= eps < np.inf:
        raise TrainingError(
            f"{name}: eps={eps!r}; expected a number from 0",
            f"the dtype is named: {name}.init(n, dtype=np.float64)",
        )


def _size(weight: Array) -> str:
    return "×".join(map(str, getattr(weight, "shape", ("?",))))
