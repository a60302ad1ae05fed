"""Descents at several learning rates, drawn: losses, the bound, the paths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chainrule.explain.drawing import Axes, Figure
from chainrule.explain.geometry.plane import entries_plane
from chainrule.explain.words import apart, short

if TYPE_CHECKING:
    from chainrule.explain.geometry.descents import Descent
    from chainrule.explain.geometry.rates import LearningRates

#: Descents that are drawn.
_MOST = 7
#: Losses above the start are drawn up to this many times what lies below it; on a logarithmic
#: axis, up to this many times the first loss.
_ROOM, _LOG_ROOM = 2.0, 100.0


def rates_pictures(found: LearningRates) -> dict[str, str]:
    """SVG by name."""
    pictures = {"loss by step": _by_step(found)}
    if len(found.sweep):
        pictures["loss by rate"] = _by_rate(found)
    if len(found.start) == 1:
        pictures["paths"] = _on_curve(found)
    elif len(found.start) == 2:
        pictures["paths"] = _on_contours(found)
    return pictures


def _named(found: LearningRates) -> list[tuple[Descent, str]]:
    both = list(zip(found.descents, found.outcomes, strict=True))[:_MOST]
    rates = apart([d.rate for d, _ in both])
    return [(d, f"{rate}: {outcome}") for rate, (d, outcome) in zip(rates, both, strict=True)]


def _top(found: LearningRates, log: bool) -> float:
    """The highest loss drawn: descents that diverge leave the picture."""
    if log:
        return found.loss * _LOG_ROOM
    return found.loss + _ROOM * max(found.loss - found.lowest, 1e-3 * abs(found.loss), 1e-300)


def _is_log(found: LearningRates) -> bool:
    """Where the losses are positive and lie decades apart."""
    finite = [d.losses[np.isfinite(d.losses)] for d in found.descents]
    low = min(float(losses.min()) for losses in finite)
    return low > 0 and found.loss / low > 100


def _words(found: LearningRates) -> str:
    return "; ".join(f"learning rate {name}" for _, name in _named(found)) + "."


def _by_step(found: LearningRates) -> str:
    log = _is_log(found)
    figure = Figure(
        width=640, height=420, title="Loss by step at several learning rates",
        description=_words(found),
    )  # fmt: skip
    limits = _limits(found, log)
    ax = figure.axes(x="step", y="loss", y_scale="log" if log else "linear", y_range=limits)
    for k, (descent, name) in enumerate(_named(found)):
        shown = np.where(np.isfinite(descent.losses), descent.losses, np.nan)
        shown = shown[: _leaves(shown, limits[1]) + 1]
        ax.line(np.arange(len(shown)), shown, label=name, color=k)
    return figure.svg()


def _limits(found: LearningRates, log: bool) -> tuple[float, float]:
    """From below the lowest loss to above the highest, or to where diverging ones leave."""
    losses = np.concatenate([d.losses[np.isfinite(d.losses)] for d, _ in _named(found)])
    low, high = float(losses.min()), min(float(losses.max()), _top(found, log))
    if log:
        return low / 1.5, high * 1.5
    room = 0.05 * (high - low) or max(0.1 * abs(high), 1e-3)
    return low - room, high + room


def _leaves(losses: np.ndarray, high: float) -> int:
    """The first step at which a loss is above the picture; the last where none is."""
    above = np.flatnonzero(~(losses <= high))
    return int(above[0]) if len(above) else len(losses) - 1


def _by_rate(found: LearningRates) -> str:
    rates, last = found.sweep.T
    log = bool(np.nanmin(last) > 0)
    top = _top(found, log)
    good = np.isfinite(last) & (last <= top)
    bound = short(found.bound)
    figure = Figure(
        width=640, height=420, title=f"Loss after {found.steps} steps by learning rate",
        description=f"The loss after {found.steps} steps over the learning rate, with the bound"
        f" 2/λ_max = {bound}: below it falls with the rate, above it rises steeply.",
    )  # fmt: skip
    ax = figure.axes(
        x="learning rate", y=f"loss after {found.steps} steps", x_scale="log",
        y_scale="log" if log else "linear", x_range=(float(rates[0]), float(rates[-1]) * 3),
    )  # fmt: skip
    ax.line(rates[good], last[good], color="muted", width=1)
    ax.points(rates[good], last[good], label="every rate tried", color="muted", size=2)
    off = np.full(int(np.sum(~good)), top)
    if len(off):
        words = "above the picture, or not finite"
        ax.points(rates[~good], off, label=words, color="muted", size=4, marker="triangle")
    for k, (descent, name) in enumerate(_named(found)):
        end = float(descent.losses[-1])
        is_in = math.isfinite(end) and end <= top
        mark = "circle" if is_in else "triangle"
        ax.points([descent.rate], [end if is_in else top], label=name, color=k, size=5, marker=mark)
    ax.horizontal(found.loss, "at the start")
    if math.isfinite(found.bound):
        local = "" if found.is_quadratic else " (local)"
        ax.vertical(found.bound, f"2/λ_max = {bound}{local}", color="accent")
    return figure.svg()


def _shown_path(descent: Descent, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The iterates up to the first beyond the view."""
    with np.errstate(all="ignore"):
        outside = ~np.all((descent.path >= low) & (descent.path <= high), axis=1)
    away = np.flatnonzero(outside)
    return descent.path[: int(away[0]) if len(away) else None]


def _view(found: LearningRates) -> tuple[np.ndarray, np.ndarray]:
    """Around what the descents that do not diverge went through."""
    kept = [d.path for d, o in zip(found.descents, found.outcomes, strict=True) if o != "diverging"]
    points = np.concatenate([found.start[None], found.trial.path, *kept])
    points = points[np.isfinite(points).all(axis=1)]
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 0.2 * float(np.max(high - low)))
    size = np.where(size > 0, size, 1.0)
    middle = (low + high) / 2
    return middle - 0.9 * size, middle + 0.9 * size


def _on_curve(found: LearningRates) -> str:
    low, high = _view(found)
    x = np.linspace(low[0], high[0], 401)
    y = np.array([found._field.value(np.array([p])) for p in x])
    figure = Figure(width=640, height=420, title="The steps on the loss", description=_words(found))
    ax = figure.axes(x=found.names[0], y="loss")
    ax.line(x, y, color="muted", label="f", width=2)
    for k, (descent, name) in enumerate(_named(found)):
        path = _shown_path(descent, low, high)
        ax.line(path[:, 0], descent.losses[: len(path)], color=k, width=1)
        ax.points(path[:, 0], descent.losses[: len(path)], label=name, color=k, size=3)
    return figure.svg()


def _on_contours(found: LearningRates) -> str:
    low, high = _view(found)
    names = found.names[0], found.names[1]
    plane = entries_plane(found._field, found.start, names)
    a, b, z = plane.grid(low - found.start, high - found.start)
    figure = Figure(
        width=640, height=520, title="The paths of the descents", description=_words(found)
    )
    ax: Axes = figure.axes(
        x=names[0], y=names[1], x_range=(float(low[0]), float(high[0])),
        y_range=(float(low[1]), float(high[1])),
    )  # fmt: skip
    ax.contours(a + found.start[0], b + found.start[1], z, levels=12, label="loss")
    for k, (descent, name) in enumerate(_named(found)):
        path = _shown_path(descent, low, high)
        ax.line(path[:, 0], path[:, 1], color=k, width=2, label=name)
        ax.points(path[:, 0], path[:, 1], color=k, size=2)
    ax.points(
        found.start[:1], found.start[1:], label="start", color="text", size=5, marker="square"
    )
    return figure.svg()
