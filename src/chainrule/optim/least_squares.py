"""Levenberg-Marquardt: least sums of squares, with the exact Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import TrainingError
from chainrule.gradients.forward import jvp
from chainrule.gradients.jacobian import jacobian
from chainrule.optim.arguments import at_least, boolean, non_negative, positive
from chainrule.optim.full_batch import Array, Counted, Flat, Minimum, check_start
from chainrule.tracing.trees import Tree, flatten


def levenberg_marquardt(
    residuals: Callable[..., Any],
    params: Tree,
    args: tuple[Any, ...] = (),
    *,
    tolerance: float = 1e-10,
    max_iterations: int = 1000,
    damping: float = 1e-3,
    acceleration: bool = True,
    compiled: bool = True,
) -> Minimum:
    """The parameters with the least sum of squared residuals.

    Each step δ solves (JᵀJ + μ D²) δ = -Jᵀ r by the singular values of J D⁻¹; D holds the
    largest lengths of J's columns so far, so that the parameters' units do not matter. μ falls
    as the model proves right and grows where it does not (Nielsen). With ``acceleration`` the
    step is bent along the second derivative of r in its direction (the geodesic), and refused
    where the bend is too large for the model to be trusted.

    Args:
        residuals: ``residuals(params, *args)`` in NumPy to an array, or a tree of arrays.
        params: a tree of floating-point arrays to begin with. The work is done in float64.
        args: data for the residuals.
        tolerance: converged when the cosine of the angle between r and the surface of all models
            is below it: |Uᵀ r| <= tolerance · |r|; or when a step changes the parameters by
            less than 10⁻¹² of themselves.
        max_iterations: steps, refused ones among them.
        damping: > 0; the first μ.
        acceleration: use second derivatives along the step.
        compiled: compile residuals, Jacobian and second derivatives.

    Returns:
        A ``Minimum`` whose value is the sum of squares Σ r².

    Raises:
        TrainingError: fewer residuals than parameters; an argument outside of its range;
            residuals that are not finite at the start.

    Source:
        Marquardt 1963; scaling: Moré 1978, The Levenberg-Marquardt Algorithm: Implementation and
        Theory; damping: Nielsen 1999, Damping Parameter in Marquardt's Method; acceleration:
        Transtrum & Sethna 2012, Improvements to the Levenberg-Marquardt Algorithm.

    Example:
        >>> x = np.linspace(0, 1, 9)
        >>> y = 3 * np.exp(-2 * x)
        >>> def residuals(p, x, y):
        ...     return p["a"] * np.exp(-p["k"] * x) - y
        >>> start = {"a": np.array(1.0), "k": np.array(0.0)}
        >>> found = levenberg_marquardt(residuals, start, (x, y))
        >>> found.params["a"].round(9), found.params["k"].round(9)
        (np.float64(3.0), np.float64(2.0))
    """
    tolerance = non_negative("levenberg_marquardt: tolerance", tolerance)
    most = at_least(0)("levenberg_marquardt: max_iterations", max_iterations)
    damping = positive("levenberg_marquardt: damping", damping)
    flat = Flat(params)
    fit = _Fit(
        flat, residuals, args, damping,
        boolean("levenberg_marquardt: acceleration", acceleration),
        boolean("levenberg_marquardt: compiled", compiled),
    )  # fmt: skip
    done, message, converged = 0, "", False
    while not message and done < most:
        converged, message = fit.advance(tolerance)
        done += not message
    message = message or f"{most} iterations were not enough"
    return Minimum(
        flat.result(fit.point), fit.value, float(np.max(np.abs(2 * fit.jacobian.T @ fit.r))), done,
        fit.calls, converged, message,
    )  # fmt: skip


class _Fit:
    """Where the method stands, and how much it damps."""

    def __init__(
        self, flat: Flat, residuals: Callable[..., Any], args: tuple[Any, ...], damping: float,
        acceleration: bool, compiled: bool,
    ) -> None:  # fmt: skip
        def of_vector(vector: Array, *args: Any) -> Any:
            leaves = flatten(residuals(flat.tree(vector), *args))[0]
            return np.concatenate([np.ravel(x) for x in leaves])

        def along(vector: Array, step: Array, *args: Any) -> Any:
            return jvp(lambda v: of_vector(v, *args), (vector,), (step,))[1]

        def second(vector: Array, step: Array, *args: Any) -> Any:
            return jvp(lambda v: along(v, step, *args), (vector,), (step,))[1]

        self._residuals = Counted(of_vector, args, compiled)
        self._jacobian = Counted(jacobian(of_vector), args, compiled)
        self._second = Counted(second, args, compiled) if acceleration else None
        self.point, self.damping, self.growth = flat.start, damping, 2.0
        self.r = self._residuals(self.point)
        self.value = _square(self.r)
        self.scale = np.zeros_like(self.point)
        self._linearise()
        check_start("levenberg_marquardt", self.value, self.jacobian)
        if self.r.size < self.point.size:
            raise TrainingError(
                f"levenberg_marquardt: {self.r.size} residuals for {self.point.size} parameters",
                "fewer parameters, or a penalty on them as further residuals",
            )

    @property
    def calls(self) -> int:
        """How many times residuals, Jacobian and second derivatives were worked out."""
        counted = (self._residuals, self._jacobian, self._second)
        return sum(c.calls for c in counted if c is not None)

    def _linearise(self) -> None:
        self.jacobian = np.asarray(self._jacobian(self.point), np.float64)
        if not np.isfinite(self.jacobian).all():
            return
        self.scale = np.maximum(self.scale, np.linalg.norm(self.jacobian, axis=0))
        self.unit = np.where(self.scale > 0, self.scale, 1.0)
        U, self.singular, Vt = np.linalg.svd(self.jacobian / self.unit, full_matrices=False)
        self.left, self.right = U, Vt.T

    def _solve(self, r: Array) -> Array:
        """The damped least squares solution, in scaled parameters."""
        s = self.singular
        return -self.right @ (s / (s * s + self.damping) * (self.left.T @ r))

    def advance(self, tolerance: float) -> tuple[bool, str]:
        """One step, or why there is none."""
        in_surface = self._in_surface()
        if in_surface <= tolerance * np.sqrt(self.value):
            return True, f"the residuals are at a right angle to the model: {in_surface:.3g}"
        scaled = self._solve(self.r)
        size = float(np.linalg.norm(scaled))
        if size <= 1e-12 * float(np.linalg.norm(self.unit * self.point)):
            return True, "steps no longer change the parameters"
        bend = self._bend(scaled)
        is_trusted = np.isfinite(bend).all() and 2 * float(np.linalg.norm(bend)) <= 0.75 * size
        if not is_trusted or not self._tried(scaled, scaled + 0.5 * bend):
            self.damping *= self.growth
            self.growth *= 2
            if not np.isfinite(self.damping):
                return False, f"no step descends from {self.value:.6g}"
        return False, ""

    def _in_surface(self) -> float:
        """The length of r along the columns of J, those that are not rounding."""
        kept = self.singular > 1e-15 * self.singular[0]
        return float(np.linalg.norm((self.left.T @ self.r)[kept]))

    def _bend(self, scaled: Array) -> Array:
        if self._second is None:
            return np.zeros_like(scaled)
        return self._solve(np.asarray(self._second(self.point, scaled / self.unit), np.float64))

    def _tried(self, scaled: Array, bent: Array) -> bool:
        """Whether the step descends; if it does it is taken."""
        point = self.point + bent / self.unit
        r = np.asarray(self._residuals(point), np.float64)
        value = _square(r)
        along = self.jacobian @ (scaled / self.unit)
        promised = float(along @ along + 2 * self.damping * (scaled @ scaled))
        if not np.isfinite(value) or not value < self.value:
            return False
        ratio = (self.value - value) / promised
        self.point, self.r, self.value = point, r, value
        self._linearise()
        if not np.isfinite(self.jacobian).all():
            raise TrainingError("levenberg_marquardt: the Jacobian is not finite")
        self.damping *= max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3)
        self.growth = 2.0
        return True


def _square(r: Array) -> float:
    with np.errstate(over="ignore"):  # a step too far
        return float(r @ r)
