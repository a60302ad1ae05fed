"""Windows on the spatial axes of images: what convolution, pooling and unfolding have in common.

Images are (batch, channels, *spatial). The places within a window stand in front, so that a sum or
a maximum over them runs over whole images: (*kernel, batch, channels, *out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ops import bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import described

Array: TypeAlias = Any
Sizes: TypeAlias = tuple[int, ...]
#: Zeros before and behind each spatial axis.
Widths: TypeAlias = tuple[tuple[int, int], ...]


def fixed(option: Any) -> Any:
    """Lists as tuples: an option is part of the tree's structure, which is compared and hashed."""
    return tuple(map(fixed, option)) if isinstance(option, list | tuple) else option


def per_axis(op: str, name: str, value: Any, rank: int, least: int) -> Sizes:
    """One whole number per spatial axis; a single one stands for all.

    Raises:
        ShapeError: not as many numbers as axes, or one below ``least``.
    """
    numbers = value if isinstance(value, Sequence) else (value,) * rank
    sizes = tuple(int(n) for n in numbers)
    if len(sizes) != rank or min(sizes, default=least) < least or list(sizes) != list(numbers):
        raise ShapeError(
            f"{op} at {user_line()}: {name}={value!r} for {rank} spatial axes; expected one or "
            f"{rank} whole numbers of at least {least}"
        )
    return sizes


def widths_of(
    op: str, padding: Any, n: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> Widths:
    """Zeros to add: a number, one per axis, a pair per axis, ``"valid"`` (none) or ``"same"``.

    ``"same"`` gives ⌈n / stride⌉ windows, an odd zero behind.
    """
    if padding == "valid":
        return ((0, 0),) * len(n)
    if padding == "same":
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        total = [
            max((-(-size // s) - 1) * s + span - size, 0)
            for size, s, span in zip(n, stride, spans, strict=True)
        ]
        return tuple((t // 2, t - t // 2) for t in total)
    if isinstance(padding, Sequence) and len(padding) == len(n) and not isinstance(padding, str):
        pairs = [p if isinstance(p, Sequence) else (p, p) for p in padding]
        if all(len(p) == 2 for p in pairs):
            return tuple((int(a), int(b)) for a, b in _not_negative(op, padding, pairs))
    if isinstance(padding, str):
        raise ShapeError(
            f"{op} at {user_line()}: padding={padding!r}; expected numbers, 'same' or 'valid'"
        )
    return tuple((p, p) for p in per_axis(op, "padding", padding, len(n), 0))


def _not_negative(op: str, padding: Any, pairs: Any) -> Any:
    if any(int(n) < 0 for pair in pairs for n in pair):
        raise ShapeError(f"{op} at {user_line()}: padding={padding!r} is negative")
    return pairs


def padded(x: Array, widths: Widths) -> Array:
    """Zeros around the last axes, one pair of widths for each."""
    if not any(a or b for a, b in widths):
        return x
    lead = x.ndim - len(widths)
    starts = (*(0 for _ in range(lead)), *(a for a, _ in widths))
    sizes = (a + n + b for (a, b), n in zip(widths, x.shape[lead:], strict=True))
    return bind("pad", x, starts=starts, shape=(*x.shape[:lead], *sizes), steps=(1,) * x.ndim)


def window_counts(
    op: str, x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, widths: Widths
) -> Sizes:
    """How many whole windows fit on each padded spatial axis.

    Raises:
        ShapeError: a window is longer than the axis.
    """
    spatial = x.shape[x.ndim - len(kernel) :]
    counts = []
    for n, k, s, d, (a, b) in zip(spatial, kernel, stride, dilation, widths, strict=True):
        count = (a + n + b - (k - 1) * d - 1) // s + 1
        if count < 1:
            raise ShapeError(
                f"{op} at {user_line()}: a window of {(k - 1) * d + 1} does not fit on an axis of "
                f"{a + n + b} ({described(x)} and its padding)",
                "more padding, a smaller kernel or dilation",
            )
        counts.append(count)
    return tuple(counts)


def windows(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, counts: Sizes) -> Array:
    """(batch, channels, *spatial) -> (*kernel, batch, channels, *counts): a view, no copy."""
    rank = len(kernel)
    for j in reversed(range(rank)):
        axis = x.ndim - rank + j
        x = _window_axis(x, axis, kernel[j], stride[j], dilation[j], counts[j])
    return x


def _window_axis(x: Array, axis: int, k: int, stride: int, dilation: int, count: int) -> Array:
    """Windows of one axis, the places within them along a new first axis."""
    if _beside(k, stride, dilation):  # nothing overlaps: the axis is cut into pieces
        x = _first(x, axis, count * k)
        x = np.reshape(x, (*x.shape[:axis], count, k, *x.shape[axis + 1 :]))
        return np.moveaxis(x, axis + 1, 0)
    repeated = bind("broadcast", x, shape=(k, *x.shape), axes=tuple(range(1, x.ndim + 1)))
    return bind(
        "shear", repeated, axis=axis + 1, along=0, stride=stride, dilation=dilation, size=count
    )


def _beside(k: int, stride: int, dilation: int) -> bool:
    return k == stride and (dilation == 1 or k == 1)


def _first(x: Array, axis: int, n: int) -> Array:
    return x if x.shape[axis] == n else x[(slice(None),) * axis + (slice(0, n),)]


def overlapped(y: Array, kernel: Sizes, stride: Sizes, dilation: Sizes, spatial: Sizes) -> Array:
    """The adjoint of ``windows``, from (*kernel, batch, channels, *counts) to images.

    Each window goes back to its place, and what overlaps is added up.
    """
    rank = len(kernel)
    for j in range(rank):
        axis = y.ndim - rank + j
        y = _overlapped_axis(y, axis, kernel[j], stride[j], dilation[j], spatial[j])
    return y


def _overlapped_axis(y: Array, axis: int, k: int, stride: int, dilation: int, n: int) -> Array:
    if _beside(k, stride, dilation):
        y = np.moveaxis(y, 0, axis)
        count = y.shape[axis - 1]
        y = np.reshape(y, (*y.shape[: axis - 1], count * k, *y.shape[axis + 1 :]))
        lead, behind = axis - 1, y.ndim - axis
        return padded(y, ((0, 0),) * lead + ((0, n - count * k),) + ((0, 0),) * behind)
    wide = bind("unshear", y, axis=axis, along=0, stride=stride, dilation=dilation, size=n)
    return bind("sum", wide, axes=(0,))


def part(x: Array, starts: Sizes, sizes: Sizes) -> Array:
    """A box of the last axes."""
    lead = x.ndim - len(sizes)
    if sizes == x.shape[lead:]:
        return x
    return bind(
        "slice", x, starts=((0,) * lead + starts), shape=(*x.shape[:lead], *sizes),
        steps=(1,) * x.ndim,
    )  # fmt: skip


def image_axes(op: str, x: Array, rank: int, why: str) -> bool:
    """Whether x has a batch axis; an image alone has one axis less.

    Raises:
        ShapeError: x is neither (batch, channels, *spatial) nor (channels, *spatial).
    """
    if x.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{op} at {user_line()}: {described(x)} with {why}; expected (batch, channels, "
            f"*spatial) with {rank} spatial axes, or one image without the batch"
        )
    return bool(x.ndim == rank + 2)


def channel_vector(bias: Array, rank: int) -> Array:
    """One number per channel, ready to be added to images."""
    return np.reshape(bias, (-1, *(1 for _ in range(rank))))
