"""What ``level_set`` found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.words import count
from chainrule.explain.geometry.words import entries
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.geometry.level_set import LevelSet

_SHOWN = 6
#: Terms of the chain rule's sum that are written in one line.
_TERMS = 4
#: Points from which the level set of one variable is an interval.
_MANY = 16
_ENDS = {
    "left the view": "leaves the view",
    "critical point": "ends at a critical point of f",
    "corner": "ends where it cannot be followed",
    "edge of the domain": "ends where f is not finite",
    "steps": "goes on beyond the steps taken",
}


def level_lines(found: LevelSet) -> list[str]:
    """The text, line by line."""
    name = found._field.name
    length = float(np.linalg.norm(found.gradient))
    lines = [
        f"f(θ) = {short(found.value)} at θ = ({entries(name, found.theta)})",
        f"∇f(θ) = ({entries(name, found.gradient, '∂f/∂')}), length |∇f| = {short(length)}",
    ]
    return [*lines, *_KINDS[found.kind](found)]


def _regular(found: LevelSet) -> list[str]:
    if found.tangent is None:
        return [
            *_path(found),
            (
                "the tangent could not be measured: differences along the path do not"
                " settle, because f is"
                " rough around θ or its change there is lost in rounding"
            ),
        ]
    return [*_path(found), *_angles(found), *_proof(found)]


def _path(found: LevelSet) -> list[str]:
    if found.path is None:
        return [
            (
                "the plane that is drawn lies at a right angle to ∇f: to first order"
                " f does not change"
                " in it, and the level set within it is no curve that could be followed"
            )
        ]
    path = found.path
    length = path.t[-1] - path.t[0]
    if path.is_closed:
        shape = f"a closed curve of length {short(length)}"
    else:
        ends = " and ".join(dict.fromkeys(_ENDS[e] for e in path.endings))
        shape = f"a curve, followed over a length of {short(length)}; it {ends}"
    plane = "" if len(found.theta) == 2 else "in the plane drawn, "
    relative = "relative" if found.is_relative else "absolute"
    lines = [
        f"level set {{θ' : f(θ') = {short(found.value)}}}: {plane}{shape}",
        f"  f along it at {len(path.t)} points: constant to {short(found.spread, 2)} ({relative})",
    ]
    if path.corners:
        places = count(len(path.corners), "point")
        lines.append(f"  it turns sharply at {places}: f is not differentiable there")
    return lines


def _angles(found: LevelSet) -> list[str]:
    lines = [
        (
            f"angle between ∇f and the path's tangent at θ: {found.angle:.9f}°,"
            " measured by differences"
            f" along the path (their error: {short(found.angle_error, 2)}°)"
        )
    ]
    checks = [check for check in found.checks if check.is_measured]
    if checks:
        worst = max(abs(check.angle - 90) for check in checks)
        rate = max(abs(check.rate) for check in checks)
        lines.append(
            f"  at {len(checks)} more points of the path: 90° to within {short(worst, 2)}°;"
            f" d f(θ(t))/dt = 0 to within {short(rate, 2)} |∇f| |dθ/dt|"
        )
    if len(checks) < len(found.checks):
        rough = len(found.checks) - len(checks)
        lines.append(f"  at {rough} others a kink of f is too near to measure an angle")
    if found.random_angles and len(found.theta) > 2:
        worst = max(abs(a - 90) for a in found.random_angles)
        lines.append(
            f"  {len(found.random_angles)} paths on the level set in random directions of all"
            f" {len(found.theta):,} dimensions: 90° to within {short(worst, 2)}°: the tangents"
            " lie in the plane orthogonal to ∇f"
        )
    return lines


def _proof(found: LevelSet) -> list[str]:
    shown = sorted(found.factors, key=lambda row: -abs(row[1] * row[2]))[:_SHOWN]
    shown = [row for row in found.factors if row in shown]
    if len(shown) == len(found.theta) <= _TERMS:
        terms = " + ".join(f"∂f/∂{name}·d{name}/dt" for name, _, _ in shown)
    else:
        terms = f"Σᵢ ∂f/∂θᵢ · dθᵢ/dt over all {len(found.theta):,} entries; the largest terms:"
    lines = [
        (
            "why, by the chain rule on a path t ↦ θ(t) of the level set, where f(θ(t))"
            " does not change:"
        ),
        f"  0 = d f(θ(t))/dt = {terms}",
    ]
    lines += [
        f"    {name}: {short(df)} · {short(dtheta)} = {short(df * dtheta)}"
        for name, df, dtheta in shown
    ]
    rounding = "" if found.rate == 0 else ": 0 but for rounding"
    return [
        *lines,
        f"    sum of all: {short(found.rate, 2)}{rounding}",
        (
            "  this sum is the inner product ∇f · dθ/dt: the gradient is perpendicular to"
            " the level set"
        ),
    ]


def _critical(found: LevelSet) -> list[str]:
    lines = [
        (
            "θ is a critical point: ∇f = 0, so the gradient has no direction, and the chain rule"
            " 0 = ∇f · dθ/dt holds for every dθ/dt: it says nothing of the level set's direction"
        )
    ]
    return [*lines, _shape(found.eigenvalues)] if found.eigenvalues is not None else lines


def _shape(values: np.ndarray) -> str:
    low, high = float(values[0]), float(values[-1])
    zero = 1e-9 * max(abs(low), abs(high))
    shown = f"the Hessian's eigenvalues in the plane drawn are {short(low)} and {short(high)}"
    if low > zero:
        return f"{shown}: a minimum in it; the level set there is this single point"
    if high < -zero:
        return f"{shown}: a maximum in it; the level set there is this single point"
    if low < -zero and high > zero:
        return f"{shown}: a saddle in it; two branches of the level set cross here"
    return f"{shown}: second derivatives do not decide what the level set is here"


def _kink(found: LevelSet) -> list[str]:
    line = (
        "f is not differentiable at θ: along some line its slope ahead and behind differ, however"
        " near. The gradient shown is what autodiff takes there, and the level set has no one"
        " tangent: no angle is claimed"
    )
    return [line, *(_path(found) if found.path is not None else [])]


def _one_variable(found: LevelSet) -> list[str]:
    if len(found.points) > _MANY:
        ends = f"{short(float(found.points[0]))} to {short(float(found.points[-1]))}"
        return [
            f"level set {{θ' : f(θ') = {short(found.value)}}}: f is constant over parts of {ends}"
        ]
    others = [x for x in found.points if x != found.theta[0]]
    where = ", ".join(short(float(x)) for x in others[:_SHOWN])
    more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
    also = f"θ itself and {where}{more}" if others else "θ alone, in the interval drawn"
    return [
        f"level set {{θ' : f(θ') = {short(found.value)}}}: of one variable it is points: {also}",
        "there is no path along it, and so no tangent and no angle; two variables have one",
    ]


_KINDS = {
    "regular": _regular, "critical": _critical, "kink": _kink, "one variable": _one_variable,
}  # fmt: skip
