"""Images of another size, by the nearest pixel or by polynomials between pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import ShapeError
from chainrule.nn.windows import Sizes, image_axes, per_axis
from chainrule.tracing.lines import user_line
from chainrule.tracing.norms import floating
from chainrule.tracing.shaping import described

Array: TypeAlias = Any

_MODES: Final = {
    "nearest": "nearest", "linear": "linear", "bilinear": "linear", "trilinear": "linear",
    "cubic": "cubic", "bicubic": "cubic",
}  # fmt: skip
#: The cubic kernel's slope at distance 1, as image libraries have it (Keys takes -0.5).
_SLOPE: Final = -0.75


def interpolate(
    x: Array,
    size: Any = None,
    scale: Any = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Array:
    """Images of another size.

    Args:
        x: (batch, channels, *spatial), one to three spatial axes.
        size: of the result, one number or one per axis.
        scale: in place of ``size``: the result has ⌊n · scale⌋ pixels.
        mode: ``"nearest"``, ``"linear"`` (also ``"bilinear"``, ``"trilinear"``), ``"cubic"``
            (also ``"bicubic"``).
        align_corners: the middles of the corner pixels stay where they are; else the image's
            edges do.

    Returns:
        (batch, channels, *size).

    Raises:
        ShapeError: neither or both of size and scale; an unknown mode; sizes that do not fit.

    Source:
        Keys 1981, Cubic convolution interpolation for digital image processing.

    Example:
        >>> interpolate(np.array([[[0.0, 1.0]]]), size=4, mode="linear")
        array([[[0.  , 0.25, 0.75, 1.  ]]])
    """
    x = floating(x)
    rank = x.ndim - 2
    if mode not in _MODES or not 1 <= rank <= 3 or (size is None) == (scale is None):
        raise ShapeError(
            f"interpolate at {user_line()}: {described(x)} with size={size!r}, scale={scale!r}, "
            f"mode={mode!r}; expected (batch, channels, *spatial), one of size and scale, and a "
            f"mode of {', '.join(_MODES)}"
        )
    image_axes("interpolate", x, rank, "a size")
    sizes, ratios = _sizes(x.shape[2:], size, scale, rank)
    for j, (count, ratio) in enumerate(zip(sizes, ratios, strict=True)):
        x = _along(x, j + 2, count, ratio, _MODES[mode], align_corners)
    return x


def _sizes(spatial: Sizes, size: Any, scale: Any, rank: int) -> tuple[Sizes, list[float]]:
    """(sizes of the result, pixels of the image per pixel of the result)."""
    if size is not None:
        sizes = per_axis("interpolate", "size", size, rank, 1)
        return sizes, [n / m for n, m in zip(spatial, sizes, strict=True)]
    scales = tuple(scale) if isinstance(scale, Sequence) else (scale,) * rank
    if len(scales) != rank or min(scales) <= 0:
        raise ShapeError(
            f"interpolate at {user_line()}: scale={scale!r}; expected 1 or {rank} positive numbers"
        )
    found = tuple(int(n * float(s)) for n, s in zip(spatial, scales, strict=True))
    return per_axis("interpolate", "size", found, rank, 1), [1.0 / float(s) for s in scales]


def _along(x: Array, axis: int, count: int, ratio: float, mode: str, align_corners: bool) -> Array:
    n = x.shape[axis]
    if count == n and ratio == 1.0:
        return x
    if mode == "nearest":
        if count % n == 0 and ratio * count == n:
            return np.repeat(x, count // n, axis=axis)
        return np.take(x, _nearest(n, count, ratio), axis=axis)
    places, weights = _taps(n, _positions(n, count, ratio, align_corners), mode)
    shape = (-1, *(1 for _ in range(x.ndim - axis - 1)))
    total = None
    for i, w in zip(places, weights, strict=True):
        term = np.take(x, i, axis=axis) * w.astype(x.dtype).reshape(shape)
        total = term if total is None else total + term
    return total


def _nearest(n: int, count: int, ratio: float) -> np.ndarray:
    i = np.arange(count)
    exact = i * n // count if ratio == n / count else np.floor(i * ratio).astype(np.int64)
    return np.minimum(exact, n - 1)


def _positions(n: int, count: int, ratio: float, align_corners: bool) -> np.ndarray:
    """Where in the image the middle of each new pixel lies."""
    i = np.arange(count)
    if align_corners:
        return i * ((n - 1) / (count - 1)) if count > 1 else i * 0.0
    return (i + 0.5) * ratio - 0.5


def _taps(n: int, at: np.ndarray, mode: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pixels that each position reads, and their weights."""
    at = np.maximum(at, 0.0) if mode == "linear" else at
    first = np.floor(at).astype(np.int64)
    t = at - first
    if mode == "linear":
        weights = {0: 1 - t, 1: t}
    else:
        weights = {-1: _far(1 + t), 0: _near(t), 1: _near(1 - t), 2: _far(2 - t)}
    return [np.clip(first + k, 0, n - 1) for k in weights], [*weights.values()]


def _near(d: Array) -> Array:
    """The cubic kernel up to distance 1."""
    return ((_SLOPE + 2) * d - (_SLOPE + 3)) * d * d + 1


def _far(d: Array) -> Array:
    """The cubic kernel from distance 1 to 2."""
    return ((_SLOPE * d - 5 * _SLOPE) * d + 8 * _SLOPE) * d - 4 * _SLOPE
