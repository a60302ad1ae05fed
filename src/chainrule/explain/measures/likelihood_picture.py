"""A cross-entropy drawn: the curve over p, the prediction on it, the step along it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from chainrule.explain.drawing import Axes, Figure
from chainrule.explain.words import short

#: Probability, target and loss before a step; probability and loss behind it.
Before = tuple[np.ndarray, np.ndarray, float]
After = tuple[np.ndarray, float]
_TOP: Final = 5.0
_BARS: Final = 20
_LEAST: Final = 1e-4


def picture(
    is_binary: bool, before: Before, after: After, gradient: np.ndarray, names: Sequence[str]
) -> str:
    """The picture as SVG."""
    p, y, loss = before
    said = f"Cross-entropy {short(loss)} nats"
    fig = Figure(720, 380 if is_binary else 760, said, _told(p, y, loss, after))
    high = 1.0 if is_binary else 0.5
    _curve(fig, is_binary, before, after, (0.0, 0.0, 1.0, high))
    if not is_binary:
        _bars(fig, p, y, after[0], gradient, names)
    return fig.svg()


def _told(p: np.ndarray, y: np.ndarray, loss: float, after: After) -> str:
    k = int(np.argmax(y))
    return (
        f"Probability {short(p[k])} has the loss {short(loss)} nats; behind one step it is"
        f" {short(after[0][k])}, and the loss {short(after[1])}."
    )


def _curve(
    fig: Figure, is_binary: bool, before: Before, after: After,
    box: tuple[float, float, float, float],
) -> None:  # fmt: skip
    p, y, loss = before
    k = int(np.argmax(y))
    is_soft = bool(np.any((y > 0) & (y < 1)))
    known = [x for x in (loss, after[1]) if np.isfinite(x)]
    top = max(_TOP, 1.1 * max(known, default=_TOP))
    name = "p of the class 1" if is_binary else "p of the true class"
    ax = fig.axes(name, "loss (nats)", x_range=(-0.02, 1.02), y_range=(0.0, top), box=box)
    at = np.concatenate([np.geomspace(1e-12, 0.02, 80), np.linspace(0.02, 0.98, 200)])
    at = np.concatenate([at, 1 - at[:80][::-1]])
    if is_binary:
        _binary(ax, at, float(y[0]), is_soft)
    else:
        ax.line(at, -np.log(at), "−log p", color=0)
    if not is_binary and is_soft:
        return  # the loss is no function of one probability
    _points(ax, float(p[k]), loss, float(after[0][k]), after[1])


def _binary(ax: Axes, at: np.ndarray, y: float, is_soft: bool) -> None:
    ax.line(at, -np.log(at), "y = 1: −log p", color=0, dash=y == 0.0, width=2)
    ax.line(at, -np.log1p(-at), "y = 0: −log(1 − p)", color=1, dash=y == 1.0, width=2)
    if is_soft:
        mixed = -y * np.log(at) - (1 - y) * np.log1p(-at)
        ax.line(at, mixed, f"y = {short(y, 3)}", color=2)


def _points(ax: Axes, p: float, loss: float, p_after: float, loss_after: float) -> None:
    if np.isfinite(loss_after):
        ax.points([p_after], [loss_after], "after one step", color=2, size=5, marker="square")
    if np.isfinite(loss):
        ax.points([p], [loss], "the prediction", color="text", size=5)
    if np.isfinite(loss + loss_after) and abs(p_after - p) + abs(loss_after - loss) > _LEAST:
        ax.arrow(p, loss, p_after, loss_after, color="text", width=1.5)


def _bars(
    fig: Figure, p: np.ndarray, y: np.ndarray, p_after: np.ndarray, gradient: np.ndarray,
    names: Sequence[str],
) -> None:  # fmt: skip
    """Probabilities of the classes, and by how much each logit is moved."""
    kept = np.sort(np.argsort(-np.abs(gradient), kind="stable")[:_BARS])
    shown = [names[k] for k in kept]
    at = np.arange(len(kept), dtype=float)
    note = f" ({len(kept)} of {len(p)})" if len(kept) < len(p) else ""
    ax = fig.axes(
        f"class{note}", "probability", x_names=shown, box=(0.0, 0.5, 0.5, 0.5), y_range=(0.0, 1.0),
        title="Before and after the step",
    )  # fmt: skip
    ax.bars(at - 0.26, y[kept], "y", color="muted", width=0.24)
    ax.bars(at, p[kept], "p", color=0, width=0.24)
    ax.bars(at + 0.26, p_after[kept], "p after", color=2, width=0.24)
    ax = fig.axes(
        f"class{note}", "p − y", x_names=shown, box=(0.5, 0.5, 0.5, 0.5),
        title="Gradient by each logit",
    )  # fmt: skip
    ax.bars(at, gradient[kept], color=1, width=0.6)
    ax.horizontal(0.0)
