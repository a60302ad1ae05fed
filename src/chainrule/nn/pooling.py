"""Pooling: the largest number or the mean of each window of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.windows import (
    Sizes,
    Widths,
    image_axes,
    padded,
    per_axis,
    widths_of,
    window_counts,
    windows,
)
from chainrule.tracing.lines import user_line
from chainrule.tracing.norms import floating
from chainrule.tracing.shaping import as_array, described

Array: TypeAlias = Any


def max_pool(
    x: Array, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:  # fmt: skip
    """The largest number of each window; padding is lower than every number.

    Where several are largest they share the gradient equally.

    Args:
        x: (batch, channels, *spatial) or one image (channels, *spatial), with as many spatial
            axes as ``kernel`` has numbers (a single one: all axes behind the channels of a batch).
        kernel: the size of a window, one number or one per spatial axis.
        stride: from one window to the next; the kernel's size by default.
        padding: at both ends, one number or one per axis; or pairs, ``"same"``, ``"valid"``.
        dilation: from one place within a window to the next.
        ceil_mode: round up: the last window may begin within the image and end outside.

    Returns:
        (batch, channels, *out), out = ⌊(n + padding - dilation (kernel - 1) - 1) / stride⌋ + 1.

    Raises:
        ShapeError: shapes that do not fit; a window that holds padding alone.

    Example:
        >>> max_pool(np.array([[[1.0, 3.0, 2.0, 5.0]]]), kernel=2)
        array([[[3., 5.]]])
    """
    x = as_array(x)
    pool = _Pool.of("max_pool", x, kernel, stride, padding, dilation, ceil_mode)
    if not pool.is_batch:
        return max_pool(x[None], pool.kernel, stride, padding, dilation, ceil_mode)[0]
    if any(0 in held for held in pool.held(include_padding=False)):
        raise ShapeError(
            f"max_pool at {user_line()}: padding={padding!r}, kernel={kernel!r}: a window holds "
            "padding alone",
            "padding of at most half a kernel",
        )
    wide = padded(x, pool.widths)
    if wide is not x:
        wide = np.where(_is_image(pool), wide, _lowest(x.dtype))
    return np.max(pool.view(wide), axis=tuple(range(pool.rank)))


def average_pool(
    x: Array, kernel: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:  # fmt: skip
    """The mean of each window.

    Args:
        x: (batch, channels, *spatial) or one image (channels, *spatial), as in ``max_pool``.
        kernel: the size of a window, one number or one per spatial axis.
        stride: from one window to the next; the kernel's size by default.
        padding: zeros at both ends, one number or one per axis; or pairs, ``"same"``, ``"valid"``.
        ceil_mode: round up: the last window may begin within the image and end outside.
        count_include_pad: whether the zeros around the image count in the mean.

    Raises:
        ShapeError: shapes that do not fit; a window that holds nothing that counts.

    Example:
        >>> average_pool(np.array([[[1.0, 3.0, 2.0, 5.0]]]), kernel=2)
        array([[[2. , 3.5]]])
    """
    x = floating(x)
    pool = _Pool.of("average_pool", x, kernel, stride, padding, 1, ceil_mode)
    if not pool.is_batch:
        return average_pool(x[None], pool.kernel, stride, padding, ceil_mode, count_include_pad)[0]
    held = pool.held(count_include_pad)
    if any(0 in line for line in held):
        raise ShapeError(
            f"average_pool at {user_line()}: padding={padding!r} with kernel={kernel!r}: a window "
            "holds padding alone",
            "padding of at most half a kernel",
        )
    total = np.sum(pool.view(padded(x, pool.widths)), axis=tuple(range(pool.rank)))
    return total / _product(held, x.dtype)


def adaptive_average_pool(x: Array, size: Any) -> Array:
    """Means of windows that divide the image into ``size`` parts, overlapping where they must.

    Part i of s on an axis of n is from ⌊i n / s⌋ to ⌈(i + 1) n / s⌉.

    Shapes:
        x: (batch, channels, *spatial) or (channels, *spatial) -> (batch, channels, *size).

    Example:
        >>> adaptive_average_pool(np.array([[[1.0, 3.0, 2.0]]]), 2)
        array([[[2. , 2.5]]])
    """
    x = floating(x)
    return _each_axis("adaptive_average_pool", x, size, _mean_parts)


def adaptive_max_pool(x: Array, size: Any) -> Array:
    """The largest numbers of windows as those of ``adaptive_average_pool``.

    Example:
        >>> adaptive_max_pool(np.array([[[1.0, 3.0, 2.0]]]), 2)
        array([[[3., 3.]]])
    """
    x = as_array(x)
    sizes = _adaptive_sizes("adaptive_max_pool", x, size)
    inside = []
    for j, parts in enumerate(sizes):  # the places within a part stand behind each axis
        axis = x.ndim - len(sizes) + j
        x = _taken_parts(x, axis, parts)
        inside.append(axis + 1)
        x = np.moveaxis(x, axis + 1, 0)
    return np.max(x, axis=tuple(range(len(sizes))))


class _Pool:
    """The windows of one call."""

    def __init__(
        self, x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, around: Widths,
        widths: Widths, counts: Sizes, is_batch: bool,
    ) -> None:  # fmt: skip
        self.spatial: Sizes = x.shape[x.ndim - len(kernel) :]
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        self.around, self.widths, self.counts = around, widths, counts
        self.is_batch = is_batch
        self.rank = len(kernel)

    @classmethod
    def of(
        cls, op: str, x: Array, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool
    ) -> _Pool:
        rank = len(kernel) if isinstance(kernel, Sequence) else x.ndim - 2
        if not 1 <= rank <= 3:
            raise ShapeError(
                f"{op} at {user_line()}: {described(x)}; expected one to three spatial axes"
            )
        kernel = per_axis(op, "kernel", kernel, rank, 1)
        stride = kernel if stride is None else per_axis(op, "stride", stride, rank, 1)
        dilation = per_axis(op, "dilation", dilation, rank, 1)
        is_batch = image_axes(op, x, rank, f"kernel={kernel}")
        around = widths_of(op, padding, x.shape[x.ndim - rank :], kernel, stride, dilation)
        counts = window_counts(op, x, kernel, stride, dilation, around)
        pool = cls(x, kernel, stride, dilation, around, around, counts, is_batch)
        if ceil:
            pool._round_up()
        return pool

    def _round_up(self) -> None:
        """One more window on an axis where it begins before the zeros behind the image."""
        counts, widths = list(self.counts), list(self.widths)
        for j, (n, (a, b)) in enumerate(zip(self.spatial, self.around, strict=True)):
            span = (self.kernel[j] - 1) * self.dilation[j] + 1
            start = counts[j] * self.stride[j]
            if start + span - self.stride[j] < a + n + b and start < a + n:
                counts[j] += 1
                widths[j] = (a, max(b, start + span - a - n))
        self.counts, self.widths = tuple(counts), tuple(widths)

    def view(self, x: Array) -> Array:
        return windows(x, self.kernel, self.stride, self.dilation, self.counts)

    def held(self, include_padding: bool) -> list[np.ndarray]:
        """For each axis how many places of each window count."""
        lines = []
        for j, (n, (a, b)) in enumerate(zip(self.spatial, self.around, strict=True)):
            begins = np.arange(self.counts[j])[:, None] * self.stride[j]
            places = begins + np.arange(self.kernel[j]) * self.dilation[j]
            low, high = (0, a + n + b) if include_padding else (a, a + n)
            lines.append(np.sum((places >= low) & (places < high), axis=1))
        return lines


def _product(lines: list[np.ndarray], dtype: np.dtype) -> Array:
    """The number of elements of each window; one number if all are alike."""
    if all((line == line[0]).all() for line in lines):
        return dtype.type(math.prod(int(line[0]) for line in lines))
    counts = np.ones((), dtype)
    for line in lines:
        counts = counts[..., None] * line.astype(dtype)
    return counts


def _is_image(pool: _Pool) -> np.ndarray:
    """Where the padded image is image and not padding."""
    inside = np.ones(pool.spatial, bool)
    return np.pad(inside, pool.widths)


def _lowest(dtype: np.dtype) -> Any:
    return dtype.type(-np.inf if dtype.kind == "f" else np.iinfo(dtype).min)


def _adaptive_sizes(op: str, x: Array, size: Any) -> Sizes:
    rank = len(size) if isinstance(size, Sequence) else x.ndim - 2
    sizes = per_axis(op, "size", size, rank, 1)
    image_axes(op, x, rank, f"size={sizes}")
    return sizes


def _each_axis(op: str, x: Array, size: Any, pool: Callable[[Array, int, int], Array]) -> Array:
    sizes = _adaptive_sizes(op, x, size)
    for j, parts in enumerate(sizes):
        x = pool(x, x.ndim - len(sizes) + j, parts)
    return x


def _bounds(n: int, parts: int) -> tuple[np.ndarray, np.ndarray]:
    i = np.arange(parts)
    return i * n // parts, -(-(i + 1) * n // parts)


def _mean_parts(x: Array, axis: int, parts: int) -> Array:
    n = x.shape[axis]
    if n % parts == 0:
        return np.mean(_cut(x, axis, parts), axis=axis + 1)
    first, last = _bounds(n, parts)
    places = np.arange(n)
    held = (places >= first[:, None]) & (places < last[:, None])
    weights = held.astype(x.dtype) / (last - first)[:, None].astype(x.dtype)
    return np.moveaxis(np.tensordot(x, weights, axes=((axis,), (1,))), -1, axis)


def _cut(x: Array, axis: int, parts: int) -> Array:
    """One axis as (parts, rest)."""
    n = x.shape[axis]
    return np.reshape(x, (*x.shape[:axis], parts, n // parts, *x.shape[axis + 1 :]))


def _taken_parts(x: Array, axis: int, parts: int) -> Array:
    """One axis as (parts, longest part); shorter parts name their last element again."""
    n = x.shape[axis]
    if n % parts == 0:
        return _cut(x, axis, parts)
    first, last = _bounds(n, parts)
    longest = int(np.max(last - first))
    places = np.minimum(first[:, None] + np.arange(longest), last[:, None] - 1)
    return np.take(x, places, axis=axis)
