"""What ``learning_rates`` found, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.words import count
from chainrule.explain.geometry.words import entries
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.geometry.descents import Descent, Outcome
    from chainrule.explain.geometry.rates import LearningRates

_WORDS: dict[Outcome, str] = {
    "too small": "too small: slow convergence",
    "slow": "slow: on its way",
    "good": "good",
    "overshooting": "overshooting: steps over the minimum and back, and the loss still falls",
    "not settling": "overshooting: steps back and forth, and does not settle",
    "diverging": "diverging",
    "falling": "falls, and nothing curves upwards to end it",
    "not moving": "does not move: the gradient is 0",
}


def rates_lines(found: LearningRates) -> list[str]:
    """The text, line by line."""
    name = found._field.name
    lines = [
        (
            f"f(θ) = {short(found.loss)} at the start θ = ({entries(name, found.start)});"
            f" {count(found.steps, 'step')} θ ← θ − rate ∇f(θ) at each rate"
        ),
        *_bound(found),
    ]
    for descent, outcome in zip(found.descents, found.outcomes, strict=True):
        lines.append(_descent(found, descent, outcome))
    return [*lines, *_measured(found)]


def _bound(found: LearningRates) -> list[str]:
    if found.largest is None:
        return ["f has no second derivative at the start: no bound is known"]
    ends = f"λ_max = {short(found.largest)}, λ_min = {short(found.smallest or 0.0)}"
    if not math.isfinite(found.bound):
        return [
            (
                f"the Hessian at the start has {ends}: f curves upwards nowhere on the"
                " way, so no rate"
                " is bounded by it"
            )
        ]
    bound = f"2/λ_max = {short(found.bound)} (1/λ_max = {short(found.bound / 2)})"
    if found.is_quadratic and found.bends_down:
        return [
            (
                f"f is quadratic, its Hessian has {ends} everywhere: it bends down along a"
                " direction, along which descent runs away at any rate; along those that bend up"
                f" it converges below {bound}"
            )
        ]
    if found.is_quadratic:
        is_flat = (found.smallest or 0.0) <= 1e-9 * found.largest
        unless = ", if f has a minimum," if is_flat else ""
        lines = [
            (
                f"f is quadratic, its Hessian has {ends} everywhere: descent converges{unless}"
                f" below {bound}"
                " and diverges above, from any start"
            )
        ]
        if found.smallest is not None and found.smallest > 0:
            best = 2 / (found.largest + found.smallest)
            lines.append(
                f"the rate that is fastest in the end is 2/(λ_max + λ_min) = {short(best)}"
            )
        return lines
    end = "" if found.largest_end is None else (
        f"; where the descent at 1/λ_max ends λ_max = {short(found.largest_end)}"
    )  # fmt: skip
    return [
        (
            f"f is not quadratic: at the start {ends}{end}. The bound {bound} is of"
            " the larger one, and"
            " local: it holds where the curvature is that, and elsewhere it is another"
        )
    ]


def _descent(found: LearningRates, descent: Descent, outcome: Outcome) -> str:
    part = descent.rate / found.bound * 2 if math.isfinite(found.bound) else math.nan
    times = f" = {short(part, 3)}/λ_max" if math.isfinite(part) else ""
    last = float(descent.losses[-1])
    way = found.loss - found.lowest
    done = 100 * (found.loss - last) / way if way > 0 and math.isfinite(last) else math.nan
    is_measured = math.isfinite(done) and done >= 0 and outcome != "falling"
    share = f", {short(done, 3)} % of the way down" if is_measured else ""
    steps = len(descent.losses) - 1
    turned = f"; {100 * descent.turned:.0f} % of the steps turn back" if descent.turned else ""
    what = _WORDS[outcome]
    if outcome == "falling" and found.bends_down:
        what = "falls, along a direction that bends down, without end"
    return (
        f"  rate {short(descent.rate)}{times}: {what}. Loss {short(last)} after"
        f" {steps} step{'s' if steps != 1 else ''}{share}{turned}"
    )


def _measured(found: LearningRates) -> list[str]:
    """Between which rates of the sweep the last loss passes the first one."""
    if not len(found.sweep):
        return []
    rates, last = found.sweep.T
    is_below = np.isfinite(last) & (last < found.loss)
    if is_below.all() or not is_below.any():
        where = "below" if is_below.all() else "not below"
        return [
            (
                f"measured over {len(rates)} rates from {short(rates[0])} to"
                f" {short(rates[-1])}: all"
                f" end {where} the loss at the start"
            )
        ]
    above = rates[~is_below & (rates > rates[is_below].min())]
    if not len(above):
        return []
    first = float(above.min())
    under = float(rates[is_below & (rates < first)].max())
    return [
        (
            f"measured over {len(rates)} rates: the descent ends below its start up to a rate of"
            f" {short(under)}, and no more at {short(first)}"
        )
    ]
