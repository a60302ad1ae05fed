"""L-BFGS: steps with a Hessian that is learnt from the last few gradients."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.optim.arguments import at_least, boolean, non_negative
from chainrule.optim.full_batch import Array, Flat, Minimum, check_start, objective
from chainrule.optim.line_search import ROUNDING, Trial, strong_wolfe
from chainrule.tracing.trees import Tree

#: Steps without a fall that is more than rounding, before it is the end.
IDLE: Final = 15


def lbfgs(
    f: Callable[..., Any],
    params: Tree,
    args: tuple[Any, ...] = (),
    *,
    tolerance: float = 1e-18,
    max_iterations: int = 2000,
    memory: int = 20,
    scaled: bool = True,
    compiled: bool = True,
) -> Minimum:
    """The nearest minimum of a function, by L-BFGS with a strong-Wolfe line search.

    Args:
        f: ``f(params, *args)`` in NumPy to one number; over all data at once.
        params: a tree of floating-point arrays to begin with. The work is done in float64.
        args: data for f; arrays here are read and not compiled in.
        tolerance: converged when the step to come promises less than this share of |f|:
            ½ gᵀ H g <= tolerance · |f|, H the learnt inverse of the Hessian. The test does not
            change with the units of f or of the parameters.
        max_iterations: steps.
        memory: how many of the last steps H is learnt from, from 1.
        scaled: measure each parameter in units of its first value (of 1 where that is 0).
        compiled: compile f and its gradient; False follows Python's control flow at each call.

    Returns:
        A ``Minimum``; ``converged`` is False, and the message says why, where steps ran out or
        no step descended.

    Raises:
        TrainingError: an argument outside of its range; f or its gradient is not finite at the
            start. TraceError, GradientError: as ``compile`` and ``grad`` raise them.

    Source:
        Liu & Nocedal 1989, On the Limited Memory BFGS Method; Nocedal & Wright 2006, Numerical
        Optimization, algorithms 7.4 and 7.5, with equation 7.20 for the first H.

    Example:
        >>> def rosenbrock(p):
        ...     return (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
        >>> found = lbfgs(rosenbrock, {"x": np.array(-1.2), "y": np.array(1.0)})
        >>> found.converged, found.params["x"].round(9), found.params["y"].round(9)
        (True, np.float64(1.0), np.float64(1.0))
    """
    tolerance = non_negative("lbfgs: tolerance", tolerance)
    max_iterations = at_least(0)("lbfgs: max_iterations", max_iterations)
    pairs = Pairs(at_least(1)("lbfgs: memory", memory))
    flat = Flat(params)
    unit = units(flat.start) if boolean("lbfgs: scaled", scaled) else np.ones_like(flat.start)
    evaluate = objective(f, flat, args, boolean("lbfgs: compiled", compiled))

    def at(point: Array, alpha: float, direction: Array) -> Trial:
        value, gradient = evaluate(point * unit)
        with np.errstate(all="ignore"):  # a step too far
            slope = float(gradient * unit @ direction)
        return Trial(alpha, value, slope, point, gradient * unit)

    now = at(flat.start / unit, 0.0, np.zeros_like(flat.start))
    check_start("lbfgs", now.value, now.gradient)
    patience, done = _Patience(), 0
    converged, message = False, f"{max_iterations} iterations were not enough"
    while True:
        direction, now = _direction(pairs, now)
        promised = -0.5 * now.slope
        if not now.gradient.any() or (pairs and promised <= tolerance * abs(now.value)):
            converged, message = True, f"the next step promises {promised:.3g} of {now.value:.6g}"
            break
        if done == max_iterations:
            break
        after = None if patience.ends(now.value, promised) else _searched(at, pairs, now, direction)
        if after is None and pairs and not patience.ended:  # what was learnt no longer fits
            pairs.clear()
            continue
        if after is None:
            converged = promised <= 1e-12 * abs(now.value)
            message = f"no step descends from {now.value:.6g}: rounding, or a gradient that jumps"
            break
        pairs.learn(after.point - now.point, after.gradient - now.gradient)
        now, done = after, done + 1
    return Minimum(
        flat.result(now.point * unit), now.value, float(np.max(np.abs(now.gradient / unit))),
        done, evaluate.counted.calls, converged, message,  # type: ignore[attr-defined]
    )  # fmt: skip


class _Patience:
    """Ends what only wanders: steps in which neither value nor promise falls, for rounding."""

    def __init__(self) -> None:
        self.value, self.promised, self.idle = math.inf, math.inf, 0
        self.ended = False

    def ends(self, value: float, promised: float) -> bool:
        """Whether that was the last of too many such steps."""
        falls = value < self.value - ROUNDING * abs(value)
        gains = promised < 0.5 * self.promised
        self.value, self.promised = min(self.value, value), min(self.promised, promised)
        self.idle = 0 if falls or gains else self.idle + 1
        self.ended = self.idle >= IDLE
        return self.ended


def units(start: Array) -> Array:
    """The size of each parameter's first value; 1 where that is 0."""
    return np.where(start == 0, 1.0, np.abs(start))


class Pairs:
    """The last few steps and what the gradient did along them: H."""

    def __init__(self, memory: int) -> None:
        self.pairs: deque[tuple[Array, Array, float]] = deque(maxlen=memory)

    def __len__(self) -> int:
        return len(self.pairs)

    def clear(self) -> None:
        """Forget all."""
        self.pairs.clear()

    def learn(self, step: Array, change: Array) -> None:
        """Keep a pair whose curvature is above 0."""
        curvature = float(step @ change)
        if curvature > 1e-16 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            self.pairs.append((step, change, 1 / curvature))

    def times(self, gradient: Array) -> Array:
        """H g by the two loops of algorithm 7.4."""
        q, shares = gradient.copy(), []
        for step, change, rho in reversed(self.pairs):
            share = rho * float(step @ q)
            q -= share * change
            shares.append(share)
        if self.pairs:
            step, change, rho = self.pairs[-1]
            q *= 1 / (rho * float(change @ change))
        for (step, change, rho), share in zip(self.pairs, reversed(shares), strict=True):
            q += step * (share - rho * float(change @ q))
        return q


def _direction(pairs: Pairs, now: Trial) -> tuple[Array, Trial]:
    """-H g, and the start of the line along it."""
    direction = -pairs.times(now.gradient)
    slope = float(now.gradient @ direction)
    if not slope < 0:  # rounding
        pairs.clear()
        direction = -now.gradient
        slope = float(now.gradient @ direction)
    return direction, Trial(0.0, now.value, slope, now.point, now.gradient)


def _searched(
    at: Callable[[Array, float, Array], Trial], pairs: Pairs, now: Trial, direction: Array
) -> Trial | None:
    first = 1.0 if pairs else min(1.0, 0.1 / float(np.max(np.abs(direction))))
    return strong_wolfe(lambda a: at(now.point + a * direction, a, direction), now, first)
