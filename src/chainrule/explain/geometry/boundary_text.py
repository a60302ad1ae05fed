"""What ``decision_boundary`` found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.words import count
from chainrule.explain.geometry.words import entries
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.geometry.boundary import Boundary, DecisionBoundary

_SHOWN = 10


def boundary_lines(found: DecisionBoundary) -> list[str]:
    """The text, line by line."""
    lines = [
        (
            f"{count(len(found.x), 'example')}, {count(len(found.names) + found.held, 'feature')},"
            f" {len(found.classes)} classes;"
            f" accuracy {100 * found.accuracy:.4g} %"
        )
    ]
    if len(np.unique(found.y)) == 1:
        lines.append(f"all examples are of one class, {_name(found, int(found.y[0]))}")
    lines += _twins(found)
    if found.held:
        lines.append(
            f"drawn over {' and '.join(found.names)}, the model's {count(found.held, 'other')} at"
            f" {'its mean' if found.held == 1 else 'their means'}: an example whose others differ"
            " may be of another class than the region in which it is drawn"
        )
    if not found.is_linear:
        return [
            *lines, ("the scores are no affine map of the features: the boundary is bent; drawn are"
            " the probabilities and where two classes are equally likely"),
        ]  # fmt: skip
    order = [found.shown, *(k for k in range(len(found.boundaries)) if k != found.shown)]
    for k in order[:_SHOWN]:
        lines += _boundary(found, found.boundaries[k])
    if len(order) > _SHOWN:
        lines.append(f"and {len(order) - _SHOWN} more pairs of classes")
    return [*lines, *_steps(found)]


def _name(found: DecisionBoundary, k: int) -> str:
    return f"“{found.classes[k]}”"


def _twins(found: DecisionBoundary) -> list[str]:
    if not found.torn:
        return []
    examples = count(found.torn, "example")
    return [f"{examples} share all features with one of another class: no boundary parts them"]


def _boundary(found: DecisionBoundary, b: Boundary) -> list[str]:
    j, k = (_name(found, c) for c in b.classes)
    words = [name for name, on in zip(found.names, found.varying, strict=True) if on]
    logistic = found._classifier.is_logistic
    what = (
        "θ"
        if logistic
        else f"θ = w({found.classes[b.classes[0]]}) − w({found.classes[b.classes[1]]})"
    )
    head = f"boundary between {j} and {k}: θᵀx + θ₀ = 0, {what}"
    shown = entries(lambda i: words[i], b.theta)
    lines = [f"{head}", f"  θ = ({shown}), |θ| = {short(b.norm)}, θ₀ = {short(b.theta0)}"]
    if b.norm == 0:
        return [*lines, "  θ = 0: the probability is the same everywhere, there is no boundary"]
    if len(b.theta) == 1:
        lines.append(f"  it is the point {words[0]} = {short(-b.theta0 / b.theta[0])}")
    else:
        lines.append(
            f"  angle between θ and the boundary: {b.angle:.9f}°, the one furthest from 90° among"
            " vectors between points of the boundary, found on the model's own scores"
        )
    return [*lines, *_sides(found, b, j, k)]


def _sides(found: DecisionBoundary, b: Boundary, j: str, k: str) -> list[str]:
    lines = [
        (
            f"  θ points to {j}: one unit from the boundary along θ the probability of"
            f" {j} against {k}"
            f" is {short(b.ahead)}, against θ {short(b.behind)}"
        )
    ]
    if b.rows:
        kind = "margin (the least distance to the boundary)" if b.margin > 0 else "margin"
        wrong = "" if b.margin > 0 else ": the furthest on the wrong side"
        lines.append(
            f"  {b.right:,} of {b.rows:,} examples on their own side;"
            f" {kind} {short(b.margin)}{wrong}; median distance"
            f" {short(float(np.median(np.abs(b.distances))))}"
        )
    if b.separates and len(np.unique(found.y)) > 1:
        lines.append(
            "  it separates the data: a longer θ in the same direction has a lower cross-entropy,"
            " whatever its length; so the loss has no minimum, and descent lets |θ| grow for ever"
        )
    return lines


def _steps(found: DecisionBoundary) -> list[str]:
    if not found.steps:
        return []
    b = found.boundaries[found.shown]
    rate, name = short(found.learning_rate), _name(found, b.classes[0])
    logistic = found._classifier.is_logistic
    factor = "(p − y)" if logistic else "(pⱼ − yⱼ − pₖ + yₖ)"
    worst = max(step.error for step in found.steps)
    lines = [
        f"one SGD update on one example, θ ← θ − {rate} {factor} x; p is the probability of {name}:"
    ]
    for s in found.steps:
        turn = f"turns θ by {s.turn:.3g}°" if np.isfinite(s.turn) else "gives θ a direction"
        lines.append(
            f"  example {s.row}: p = {short(s.p)}, y = {s.y:.0f}, factor {short(s.factor)};"
            f" {turn}; its loss {short(s.loss)} → {short(s.loss_after)} nats"
        )
    return [*lines, f"  {factor} x agrees with autodiff to {short(worst, 2)}"]
