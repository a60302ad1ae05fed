"""Newton's method in a trust region, with the exact Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.gradients.forward import jvp
from chainrule.gradients.jacobian import hessian
from chainrule.gradients.reverse import grad
from chainrule.optim.arguments import at_least, boolean, non_negative
from chainrule.optim.full_batch import Array, Counted, Flat, Minimum, check_start, objective
from chainrule.tracing.trees import Tree

#: Parameters above which a dense Hessian and its eigenvectors are no small problem.
MOST: Final = 3000


def newton(
    f: Callable[..., Any],
    params: Tree,
    args: tuple[Any, ...] = (),
    *,
    tolerance: float = 1e-18,
    max_iterations: int = 1000,
    acceleration: bool = True,
    compiled: bool = True,
) -> Minimum:
    """A minimum of a function of few parameters, by Newton's method in a trust region.

    Each step minimises the quadratic model g·p + ½ p·H p among the |D p| <= Δ, exactly, by the
    eigenvectors of H; D is the root of the largest |Hᵢᵢ| so far, so that the parameters' units do
    not matter. Negative curvature is descended along, so saddle points are left.

    Args:
        f: ``f(params, *args)`` in NumPy to one number; over all data at once.
        params: a tree of floating-point arrays to begin with. The work is done in float64.
        args: data for f.
        tolerance: converged when Newton's step promises less than this share of |f|:
            ½ gᵀ H⁻¹ g <= tolerance · |f|, with H positive definite.
        max_iterations: steps, refused ones among them.
        acceleration: use third derivatives along the step.
        compiled: compile f and its derivatives.

    Returns:
        A ``Minimum``.

    Raises:
        TrainingError: more than 3000 parameters; an argument outside of its range; f or its
            gradient is not finite at the start.

    Source:
        Nocedal & Wright 2006, Numerical Optimization, algorithms 4.1 and 4.3; Moré & Sorensen
        1983, Computing a Trust Region Step; D: Moré 1978, The Levenberg-Marquardt Algorithm;
        acceleration: Traub 1964, Iterative Methods for the Solution of Equations, with the test
        of Transtrum & Sethna 2012.

    Example:
        >>> found = newton(lambda x: np.sum(np.cosh(x - np.array([1.0, 2.0]))), np.zeros(2))
        >>> found.params.round(9), found.iterations < 10
        (array([1., 2.]), True)
    """
    tolerance = non_negative("newton: tolerance", tolerance)
    max_iterations = at_least(0)("newton: max_iterations", max_iterations)
    flat = Flat(params)
    if flat.start.size > MOST:
        raise TrainingError(
            f"newton: {flat.start.size} parameters; its Hessian is for {MOST} at most",
            "optim.lbfgs needs no Hessian",
        )
    compiled = boolean("newton: compiled", compiled)
    bent = boolean("newton: acceleration", acceleration)
    derivatives = _Derivatives(f, flat, args, compiled, bent)
    value, gradient = derivatives.value_and_gradient(flat.start)
    check_start("newton", value, gradient)
    region = _Region(flat.start, value, gradient, derivatives)
    done, message, converged = 0, "", False
    while not message and done < max_iterations:
        converged, message = region.advance(tolerance)
        done += not message
    return Minimum(
        flat.result(region.point), region.value, float(np.max(np.abs(region.gradient))), done,
        derivatives.calls, converged, message or f"{max_iterations} iterations were not enough",
    )  # fmt: skip


class _Derivatives:
    """A function of a vector and its derivatives, up to the third along a step."""

    def __init__(
        self, f: Callable[..., Any], flat: Flat, args: tuple[Any, ...], compiled: bool, bent: bool
    ) -> None:
        def of_vector(vector: Array, *args: Any) -> Any:
            return f(flat.tree(vector), *args)

        def along(vector: Array, step: Array, *args: Any) -> Any:
            return jvp(lambda v: grad(of_vector)(v, *args), (vector,), (step,))[1]

        def third(vector: Array, step: Array, *args: Any) -> Any:
            return jvp(lambda v: along(v, step, *args), (vector,), (step,))[1]

        self.value_and_gradient = objective(f, flat, args, compiled)
        self._curvature = Counted(hessian(of_vector), args, compiled)
        self._third = Counted(third, args, compiled) if bent else None

    @property
    def calls(self) -> int:
        third = 0 if self._third is None else self._third.calls
        first = self.value_and_gradient.counted.calls  # type: ignore[attr-defined]
        return int(first + self._curvature.calls + third)

    def curvature(self, point: Array) -> Array:
        H = np.asarray(self._curvature(point), np.float64)
        if not np.isfinite(H).all():
            raise TrainingError("newton: the Hessian is not finite")
        return H

    def third(self, point: Array, step: Array) -> Array:
        """∇³f [step, step]."""
        if self._third is None:
            return np.zeros_like(point)
        return np.asarray(self._third(point, step), np.float64)


class _Region:
    """Where the method stands, and how far it trusts its model there."""

    def __init__(
        self, point: Array, value: float, gradient: Array, derivatives: _Derivatives
    ) -> None:
        self.point, self.value, self.gradient = point, value, gradient
        self.derivatives = derivatives
        self.scale = np.zeros_like(point)
        self.radius = 0.0
        self.model = self._model()

    def _model(self) -> Model:
        H = self.derivatives.curvature(self.point)
        diagonal = np.sqrt(np.abs(np.diag(H)))
        self.scale = np.maximum(self.scale, diagonal)
        scale = np.where(self.scale > 0, self.scale, 1.0)
        if not self.radius:
            self.radius = float(np.linalg.norm(scale * self.point)) or 1.0
        values, vectors = np.linalg.eigh(H / np.outer(scale, scale))
        return Model(values, vectors, vectors.T @ (self.gradient / scale), scale)

    def advance(self, tolerance: float) -> tuple[bool, str]:
        """One step, or why there is none."""
        model = self.model
        gain = model.newton_gain()
        if not self.gradient.any() or (gain is not None and gain <= tolerance * abs(self.value)):
            is_minimum = bool((model.values >= 0).all())
            return is_minimum, f"the next step promises {gain or 0.0:.3g} of {self.value:.6g}"
        shift = model.shift(self.radius)
        step, promised = model.step(shift, self.radius)
        length = float(np.linalg.norm(model.scale * step))
        if gain is not None and promised <= 1e-13 * abs(self.value):
            return self._last(self.point + step, gain)
        ratio = self._tried(step, shift, promised, length)
        self._resize(ratio, length)
        if ratio <= 1e-4 and length <= 1e-15 * float(np.linalg.norm(model.scale * self.point)):
            return False, f"no step descends from {self.value:.6g}: rounding"
        return False, ""

    def _tried(self, step: Array, shift: float, promised: float, length: float) -> float:
        """The share of the promise that a step keeps; where it does well enough it is taken."""
        bend = self.model.solve(-0.5 * self.derivatives.third(self.point, step), shift)
        is_trusted = 2 * float(np.linalg.norm(self.model.scale * bend)) <= 0.75 * length
        if not is_trusted:  # or not finite
            return 0.0
        point = self.point + step + bend
        value, gradient = self.derivatives.value_and_gradient(point)
        ratio = (self.value - value) / promised if np.isfinite(value) else -1.0
        if ratio > 1e-4 and np.isfinite(gradient).all():
            self.point, self.value, self.gradient = point, value, gradient
            self.model = self._model()
        return float(ratio)

    def _resize(self, ratio: float, length: float) -> None:
        if ratio < 0.25:
            self.radius = (0.5 if ratio == 0 else 0.25) * length
        elif ratio > 0.75 and length >= 0.8 * self.radius:
            self.radius *= 2

    def _last(self, point: Array, gain: float) -> tuple[bool, str]:
        """Where values differ by rounding alone: a step counts if the next promises less."""
        before = self.point, self.value, self.gradient, self.model
        self.point = point
        self.value, self.gradient = self.derivatives.value_and_gradient(point)
        self.model = self._model()
        after = self.model.newton_gain()
        if after is not None and after < 0.25 * gain:
            return False, ""
        self.point, self.value, self.gradient, self.model = before
        return True, f"the next step promises {gain:.3g} of {self.value:.6g}: rounding"


@dataclass(frozen=True)
class Model:
    """g·p + ½ p·H p in the scaled eigenvectors of H."""

    values: Array
    vectors: Array
    slopes: Array
    scale: Array

    def newton_gain(self) -> float | None:
        """½ gᵀ H⁻¹ g where H is positive definite."""
        if self.values[0] <= 1e-15 * abs(self.values[-1]):
            return None
        return float(0.5 * np.sum(self.slopes**2 / self.values))

    def solve(self, vector: Array, shift: float) -> Array:
        """(H + shift D²)⁻¹ vector."""
        parts = self.vectors.T @ (vector / self.scale) / (self.values + shift)
        return (self.vectors @ parts) / self.scale

    def step(self, shift: float, radius: float) -> tuple[Array, float]:
        """The best p with |D p| <= radius, and how much the model falls."""
        parts = -self.slopes / (self.values + shift)
        length = float(np.linalg.norm(parts))
        if length < radius * (1 - 1e-6) and self.values[0] < 0:  # the hard case
            direction = -1.0 if self.slopes[0] > 0 else 1.0
            parts[0] += direction * np.sqrt(radius**2 - length**2)
        promised = -float(self.slopes @ parts + 0.5 * np.sum(self.values * parts**2))
        return (self.vectors @ parts) / self.scale, promised

    def shift(self, radius: float) -> float:
        """λ >= 0 with H + λ positive definite and |p(λ)| = radius, or 0 where p is inside."""
        tiny = 1e-14 * max(float(np.max(np.abs(self.values))), 1e-300)
        least = max(0.0, -float(self.values[0])) + (tiny if self.values[0] <= tiny else 0.0)
        if self._length(least) <= radius:
            return least
        most = max(least * 2, float(np.linalg.norm(self.slopes)) / radius + least, tiny)
        while self._length(most) > radius:
            most *= 2
        for _ in range(200):
            middle = 0.5 * (least + most) if least == 0 else np.sqrt(least * most)
            least, most = (middle, most) if self._length(middle) > radius else (least, middle)
            if most - least <= 1e-4 * most:
                break
        return most

    def _length(self, shift: float) -> float:
        return float(np.linalg.norm(self.slopes / (self.values + shift)))
