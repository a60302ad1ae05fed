"""``check_grad``: is a derivative what differences of the values say it is? If not, whose fault?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import GradientError
from chainrule.gradients.blame import Line, blame, rounding_of
from chainrule.gradients.differences import Slope, differ, sides, slope
from chainrule.gradients.leaves import arguments, as_array, flatten_all, names_of
from chainrule.gradients.report import GradReport, Mismatch
from chainrule.gradients.reverse import as_input
from chainrule.gradients.tape import Tape
from chainrule.gradients.vjp import vjp
from chainrule.tracing.trees import unflatten

Arrays = list[Any]
Function = Callable[[Arrays], Arrays]
#: Of all elements of an argument this many are looked at one by one.
_ONE_BY_ONE: Final = 64
_F32: Final = np.dtype(np.float32)


def check_grad(
    f: Callable[..., Any],
    *args: Any,
    order: int = 1,
    tolerance: float | None = None,
    seed: int = 0,
) -> GradReport:
    """Compare the derivatives of f at these arguments with differences of its values.

    Along random directions, by central differences with Richardson's extrapolation in float64. If
    they do not agree, it looks for the element where they differ most and for the operation whose
    rule does not agree with its own values at the numbers that it was given. At a kink there is no
    derivative to agree with: the report fails and says so.

    Args:
        f: from trees of arrays to a tree of arrays; of several results a weighted sum is checked.
            It may hold a ``custom_gradient``.
        args: where. float32 is promoted to float64, integers and booleans stay as they are.
        order: 2 checks the derivative of the gradient too, 3 that of the second derivative.
        tolerance: the largest relative difference; by default 1e-6, and 1e-3 if f computes in
            float32 inside.
        seed: of the directions and weights.

    Returns:
        A report that is true if all agree, and prints what it found.

    Raises:
        GradientError: no argument or no result is a floating-point number, or an operation has
            no derivative (as ``grad`` raises it).

    Source:
        Ridders 1982 for the extrapolation; Griewank & Walther 2008, 3.3, for <w, J v> = <Jᵀ w, v>.

    Example:
        >>> check_grad(np.sin, 0.5).passed
        True
    """
    leaves, structure = flatten_all(args)
    places = [k for k, x in enumerate(leaves) if x is not None and as_array(x).dtype.kind == "f"]
    names = names_of(args, arguments(len(args)))
    points = [np.array(leaves[k], np.float64) for k in places]
    if not points:
        raise GradientError("check_grad: no argument is a floating-point number")

    def of_floats(xs: Arrays) -> Arrays:
        replaced = dict(zip(places, xs, strict=True))
        given = [replaced.get(k, x) for k, x in enumerate(leaves)]
        found = [y for y in flatten_all(f(*unflatten(structure, given)))[0] if y is not None]
        return [y for y in map(as_array, found) if y.dtype.kind == "f"]

    rng = np.random.default_rng(seed)
    notes = [
        f"{names[k]} is {as_array(leaves[k]).dtype}; it is checked in float64"
        for k in places
        if as_array(leaves[k]).dtype != np.float64
    ]
    return _report(of_floats, points, [names[k] for k in places], order, tolerance, rng, notes)


def _report(
    f: Function,
    points: Arrays,
    names: list[str],
    order: int,
    tolerance: float | None,
    rng: np.random.Generator,
    notes: list[str],
) -> GradReport:
    error, allowed = 0.0, tolerance or 0.0
    for k in range(1, order + 1):
        with np.errstate(all="ignore"):  # the steps may leave the domain
            check = _prepare(f, points, names, tolerance, rng)
            error, allowed = max(error, check.largest(rng)), check.tolerance
            failure = check.mismatch(k) if error > allowed else None
        if check.rounding > 1e-10:
            notes = [*notes, "f computes in float32 inside, so less is asked of it"]
        if failure:
            return GradReport(k, allowed, error, tuple(notes), failure)
        f = _gradient(f, check.weights)
    return GradReport(order, allowed, error, tuple(notes), None)


def _gradient(f: Function, weights: Arrays) -> Function:
    return lambda xs: vjp(f, xs)[1](weights)[0]


@dataclass(frozen=True)
class _Check:
    """A function at a point, its record and its gradient."""

    f: Function
    points: Arrays
    names: list[str]
    tolerance: float
    tape: Tape
    weights: Arrays
    gradients: Arrays
    rounding: float

    def along(self, directions: Arrays) -> Callable[[float], float]:
        """The weighted sum of f's results as a function of the distance along a line."""

        def value(t: float) -> float:
            moved = [x + t * v for x, v in zip(self.points, directions, strict=True)]
            return total(self.weights, self.f(moved))

        return value

    def compare(self, directions: Arrays) -> tuple[float | None, float, Slope]:
        """(relative difference, derivative by the rule, by differences) along a line.

        The first is None where differences are too coarse to tell.
        """
        by_rule = total(self.gradients, directions)
        line = self.along(directions)
        found = slope(line, self.rounding)
        size = 1e-6 * np.nanmax(np.abs([line(0.0), line(0.05), 1e-290]))  # 0 is as small as this
        if not found.error <= self.tolerance * (abs(found.value) + size) and np.isfinite(by_rule):
            return None, by_rule, found
        scale = max(abs(by_rule), abs(found.value)) + size
        off = max(abs(by_rule - found.value) - 2 * found.error, 0.0) / scale
        off = max(off, self._jump(line, size) / scale)
        return (off if np.isfinite(off) else np.inf), by_rule, found

    def _jump(self, line: Callable[[float], float], size: float) -> float:
        """By how much the slope jumps at a kink, where the mean of two sides is no derivative."""
        jump = 0.0
        for near in (1.0, 1e-3):  # a kink beside the point is no jump from close by
            left, right = sides(line, self.rounding, near)
            jump = abs(left - right)
            if not differ(left, right, self.rounding) or jump < 10 * size:
                return 0.0
        return jump

    def largest(self, rng: np.random.Generator) -> float:
        """The largest relative difference along a few lines, near and far."""
        near = [[x_scale(x) * rng.normal(size=x.shape) for x in self.points] for _ in range(2)]
        far = [(1 + np.abs(x)) * rng.normal(size=x.shape) for x in self.points]
        found = [self.compare(v)[0] for v in (*near, far)]
        return max((off for off in found if off is not None), default=np.inf)

    def mismatch(self, order: int) -> Mismatch:
        """Where the derivatives differ most, and why."""
        leaf, element = self._worst()
        directions = [np.zeros_like(x) for x in self.points]
        directions[leaf][element] = x_scale(self.points[leaf])[element]
        size = directions[leaf][element]
        _, by_rule, found = self.compare(directions)
        line = Line(self.along(directions), lambda t: self._record(directions, t), self.rounding)
        blamed = blame(self.tape, line)
        return Mismatch(
            order, self.names[leaf], tuple(map(int, element)), by_rule / size,
            found.value / size, found.error / size, *blamed,
        )  # fmt: skip

    def _record(self, directions: Arrays, t: float) -> Tape:
        moved = [x + t * v for x, v in zip(self.points, directions, strict=True)]
        return record(self.f, moved)[0]

    def _worst(self) -> tuple[int, tuple[int, ...]]:
        """The leaf and the element of the largest difference."""
        places = [(k, i) for k, x in enumerate(self.points) for i in np.ndindex(x.shape)]
        while len(places) > _ONE_BY_ONE:
            half = len(places) // 2
            places = max(places[:half], places[half:], key=self._off)
        return max(places, key=lambda place: self._off([place]))

    def _off(self, places: Sequence[tuple[int, tuple[int, ...]]]) -> float:
        """How far the derivatives differ along a line that changes these elements alone."""
        directions = [np.zeros_like(x) for x in self.points]
        for n, (k, i) in enumerate(places):  # 1, -1/2, 1/3, ...: errors do not cancel
            directions[k][i] = x_scale(self.points[k])[i] * (-1.0) ** n / (1 + n % 7)
        return self.compare(directions)[0] or 0.0


def record(f: Function, points: Arrays) -> tuple[Tape, Arrays]:
    """f's tape and results. It is no tape that ``checkpoint`` knows, so it keeps all values."""
    tape = Tape()
    return tape, f([as_input(tape, x) for x in points])


def _prepare(
    f: Function, points: Arrays, names: list[str], tolerance: float | None, rng: Any
) -> _Check:
    """Record f and take its gradient."""
    tape, results = record(f, points)
    if not results:
        raise GradientError("check_grad: the function returned no floating-point number")
    values = [np.asarray(tape.value(y)) for y in results]
    weights = [_weight(y, len(values), rng) for y in values]
    _, pull = vjp(f, points)
    gradients = [np.asarray(g, np.float64) for g in pull(weights)[0]]
    rounding = rounding_of(tape, values)
    allowed = tolerance or (1e-3 if rounding > 1e-10 else 1e-6)
    return _Check(f, points, names, allowed, tape, weights, gradients, rounding)


def _weight(y: Any, count: int, rng: np.random.Generator) -> Any:
    """Random, so that no error of one result is that of another; 1 for a number alone."""
    return np.ones_like(y) if count == 1 and y.shape == () else rng.normal(size=y.shape)


def total(a: Arrays, b: Arrays) -> float:
    """The inner product of two lists of arrays, in float64."""
    pairs = zip(a, b, strict=True)
    return float(sum(np.sum(np.asarray(x, np.float64) * y) for x, y in pairs))


def x_scale(x: Any) -> Any:
    """Steps are relative to the elements, so that none leaves its domain early."""
    return np.where(x == 0, 1.0, np.abs(x))
