"""Convolutions of one to three spatial axes, and the moves between images and their windows."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.windows import (
    Sizes,
    channel_vector,
    image_axes,
    overlapped,
    padded,
    part,
    per_axis,
    widths_of,
    window_counts,
    windows,
)
from chainrule.ops import bind
from chainrule.tracing.contraction import common
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described

Array: TypeAlias = Any


def conv(
    x: Array, weight: Array, bias: Array | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Cross-correlation of images with kernels, of as many spatial axes as the kernels have.

    y[b, o, i] = bias[o] + Σ_c Σ_k weight[o, c, k] x[b, c, i · stride + k · dilation - padding]

    Args:
        x: (batch, channels, *spatial) or one image (channels, *spatial).
        weight: (n_out, channels / groups, *kernel).
        bias: (n_out,).
        stride: from one window to the next, one number or one per spatial axis.
        dilation: from one place within a window to the next, one number or one per spatial axis.
        padding: zeros at both ends, one number or one per axis; pairs (before, behind) per axis;
            ``"valid"`` for none; ``"same"`` for ⌈n / stride⌉ results.
        groups: the channels are taken apart in so many groups, each with its own kernels.

    Returns:
        (batch, n_out, *out), out = ⌊(n + padding - dilation (kernel - 1) - 1) / stride⌋ + 1.

    Raises:
        ShapeError: shapes that do not fit; a window larger than its axis.

    Source:
        Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning.

    Example:
        >>> conv(np.array([[[1.0, 2.0, 3.0, 4.0]]]), np.array([[[1.0, 10.0]]]))
        array([[[21., 32., 43.]]])
    """
    x, weight = common(x, weight)
    rank = _rank("conv", weight)
    if not image_axes("conv", x, rank, f"a weight {described(weight)}"):
        return conv(np.expand_dims(x, 0), weight, bias, stride, padding, dilation, groups)[0]
    _check_channels("conv", x, weight, groups, weight.shape[0], bias)
    kernel = weight.shape[2:]
    stride = per_axis("conv", "stride", stride, rank, 1)
    dilation = per_axis("conv", "dilation", dilation, rank, 1)
    widths = widths_of("conv", padding, x.shape[2:], kernel, stride, dilation)
    counts = window_counts("conv", x, kernel, stride, dilation, widths)
    view = windows(padded(x, widths), kernel, stride, dilation, counts)
    y = _correlated(view, weight, groups)
    return y if bias is None else y + channel_vector(bias, rank)


def _correlated(view: Array, weight: Array, groups: int) -> Array:
    """(*kernel, batch, channels, *out) with (n_out, channels / groups, *kernel)."""
    rank, n_out = weight.ndim - 2, weight.shape[0]
    channels, kernel_axes = rank + 1, tuple(range(rank))
    if groups == 1:
        y = bind(
            "dot", view, weight, a_axes=(channels, *kernel_axes), b_axes=tuple(range(1, rank + 2)),
            a_batch=(), b_batch=(),
        )  # fmt: skip
        return np.moveaxis(y, -1, 1)
    view = _grouped(view, channels, groups)
    weight = _grouped(weight, 0, groups)
    y = bind(
        "dot", view, weight, a_axes=(channels + 1, *kernel_axes),
        b_axes=tuple(range(2, rank + 3)), a_batch=(channels,), b_batch=(0,),
    )  # fmt: skip
    y = np.moveaxis(y, (0, -1), (1, 2))  # (groups, batch, *out, n_out / groups)
    return np.reshape(y, (y.shape[0], n_out, *y.shape[3:]))


def _grouped(x: Array, axis: int, groups: int) -> Array:
    """One axis as (groups, rest)."""
    n = x.shape[axis]
    return np.reshape(x, (*x.shape[:axis], groups, n // groups, *x.shape[axis + 1 :]))


def conv_transpose(
    x: Array, weight: Array, bias: Array | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """The adjoint of ``conv``: every number of x lays a kernel into the result, and they add up.

    Args:
        x: (batch, channels, *spatial) or one image (channels, *spatial).
        weight: (channels, n_out / groups, *kernel), as ``conv`` has it for the way back.
        bias: (n_out,).
        stride: that of the ``conv`` that this turns round.
        padding: that of the ``conv``; so much is cut off at both ends.
        output_padding: more at the end of each axis, below the stride or the dilation: ``conv``
            maps so many sizes to one.
        dilation: that of the ``conv``.
        groups: those of the ``conv``.

    Returns:
        (batch, n_out, *out), out = (n - 1) stride - 2 padding + dilation (kernel - 1)
        + output_padding + 1.

    Raises:
        ShapeError: shapes that do not fit.

    Source:
        Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning, chapter 4.

    Example:
        >>> conv_transpose(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]]), stride=2)
        array([[[ 1., 10.,  2., 20.]]])
    """
    x, weight = common(x, weight)
    rank = _rank("conv_transpose", weight)
    if not image_axes("conv_transpose", x, rank, f"a weight {described(weight)}"):
        x = np.expand_dims(x, 0)
        return conv_transpose(x, weight, bias, stride, padding, output_padding, dilation, groups)[0]
    _check_channels("conv_transpose", x, weight, groups, weight.shape[1] * groups, bias)
    op, kernel = "conv_transpose", weight.shape[2:]
    stride, dilation = (
        per_axis(op, "stride", stride, rank, 1),
        per_axis(op, "dilation", dilation, rank, 1),
    )
    more = per_axis(op, "output_padding", output_padding, rank, 0)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ShapeError(
            f"{op} at {user_line()}: output_padding={output_padding!r}; expected less than the "
            f"stride {stride} or the dilation {dilation}"
        )
    widths = widths_of(op, padding, x.shape[2:], kernel, stride, dilation)
    places = zip(x.shape[2:], stride, kernel, dilation, strict=True)
    full = tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in places)
    sizes = tuple(f + m - a - b for f, m, (a, b) in zip(full, more, widths, strict=True))
    if min(sizes) < 1:
        raise ShapeError(
            f"{op} at {user_line()}: {described(x)} with padding={padding!r}: nothing is left"
        )
    starts = tuple(a for a, _ in widths)
    room = tuple(max(f, a + n) for f, a, n in zip(full, starts, sizes, strict=True))
    y = part(overlapped(_laid(x, weight, groups), kernel, stride, dilation, room), starts, sizes)
    return y if bias is None else y + channel_vector(bias, rank)


def _laid(x: Array, weight: Array, groups: int) -> Array:
    """Each number of x times each kernel: (*kernel, batch, n_out, *spatial)."""
    rank = weight.ndim - 2
    if groups == 1:
        y = bind("dot", weight, x, a_axes=(0,), b_axes=(1,), a_batch=(), b_batch=())
        return np.moveaxis(y, (0, rank + 1), (rank + 1, rank))  # (n_out, *kernel, batch, *spatial)
    y = bind(
        "dot", _grouped(weight, 0, groups), _grouped(x, 1, groups),
        a_axes=(1,), b_axes=(2,), a_batch=(0,), b_batch=(1,),
    )  # fmt: skip
    y = np.moveaxis(y, (0, 1, rank + 2), (rank + 1, rank + 2, rank))
    n_out = y.shape[rank + 1] * y.shape[rank + 2]
    return np.reshape(y, (*y.shape[: rank + 1], n_out, *y.shape[rank + 3 :]))


def _rank(op: str, weight: Array) -> int:
    if weight.ndim not in (3, 4, 5):
        raise ShapeError(
            f"{op} at {user_line()}: a weight {described(weight)}; expected (n_out, channels, "
            "*kernel) with one to three spatial axes"
        )
    return int(weight.ndim - 2)


def _check_channels(
    op: str, x: Array, weight: Array, groups: int, n_out: int, bias: Array | None
) -> None:
    """Channels, groups and bias must fit.

    In ``conv`` axis 1 of the weight has the channels of one group, in ``conv_transpose`` axis 0
    those of all.
    """
    channels = x.shape[1]
    expected = weight.shape[1] * groups if op == "conv" else weight.shape[0]
    if groups < 1 or channels != expected or channels % groups or n_out % groups:
        raise ShapeError(
            f"{op} at {user_line()}: {described(x)} with a weight {described(weight)} and "
            f"groups={groups}: {channels} channels, expected {expected}, and groups that divide "
            f"{channels} and {n_out}"
        )
    if bias is not None and np.shape(bias) != (n_out,):
        raise ShapeError(f"{op} at {user_line()}: a bias of {np.shape(bias)}; expected ({n_out},)")


def unfold(x: Array, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    """The windows of images as columns (im2col).

    Shapes:
        x: (batch, channels, *spatial) -> (batch, channels · Π kernel, number of windows).

    Raises:
        ShapeError: shapes that do not fit; a window larger than its axis.

    Example:
        >>> unfold(np.array([[[1.0, 2.0, 3.0]]]), kernel=2)
        array([[[1., 2.],
                [2., 3.]]])
    """
    x = as_array(x)
    rank = x.ndim - 2
    kernel, stride, dilation = _window("unfold", rank, kernel, stride, dilation)
    widths = widths_of("unfold", padding, x.shape[2:], kernel, stride, dilation)
    counts = window_counts("unfold", x, kernel, stride, dilation, widths)
    view = windows(padded(x, widths), kernel, stride, dilation, counts)
    inside = tuple(range(rank))
    view = np.transpose(view, (rank, rank + 1, *inside, *range(rank + 2, view.ndim)))
    columns = x.shape[1] * math.prod(kernel)
    return np.reshape(view, (x.shape[0], columns, math.prod(counts)))


def fold(
    x: Array, size: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    """Columns back into images of ``size``; what overlaps is added (col2im, unfold's adjoint).

    Shapes:
        x: (batch, channels · Π kernel, number of windows) -> (batch, channels, *size).

    Raises:
        ShapeError: as many windows do not fit on images of this size.

    Example:
        >>> fold(np.array([[[1.0, 2.0], [2.0, 3.0]]]), size=(3,), kernel=2)
        array([[[1., 4., 3.]]])
    """
    x = as_array(x)
    size = tuple(size)
    kernel, stride, dilation = _window("fold", len(size), kernel, stride, dilation)
    widths = widths_of("fold", padding, size, kernel, stride, dilation)
    whole = tuple(a + n + b for n, (a, b) in zip(size, widths, strict=True))
    image = np.broadcast_to(np.zeros((), x.dtype), (1, 1, *size))
    counts = window_counts("fold", image, kernel, stride, dilation, widths)
    inside = math.prod(kernel)
    if x.ndim != 3 or x.shape[1] % inside or x.shape[2] != math.prod(counts):
        raise ShapeError(
            f"fold at {user_line()}: {described(x)}; expected (batch, channels · {inside}, "
            f"{math.prod(counts)}) for size={size}, kernel={kernel}"
        )
    rank = len(size)
    y = np.reshape(x, (x.shape[0], x.shape[1] // inside, *kernel, *counts))
    y = np.transpose(y, (*range(2, rank + 2), 0, 1, *range(rank + 2, y.ndim)))
    return part(overlapped(y, kernel, stride, dilation, whole), tuple(a for a, _ in widths), size)


def _window(
    op: str, rank: int, kernel: Any, stride: Any, dilation: Any
) -> tuple[Sizes, Sizes, Sizes]:
    if not 1 <= rank <= 3:
        raise ShapeError(f"{op} at {user_line()}: {rank} spatial axes; expected one to three")
    return (
        per_axis(op, "kernel", kernel, rank, 1),
        per_axis(op, "stride", stride, rank, 1),
        per_axis(op, "dilation", dilation, rank, 1),
    )
