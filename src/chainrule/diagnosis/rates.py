"""Whether the learning rate is right, by what is measured where the weights are."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from chainrule.diagnosis.curvature import Curvature, stability_bound
from chainrule.diagnosis.finding import Finding, in_words
from chainrule.diagnosis.record import Record
from chainrule.diagnosis.rule import Rule
from chainrule.diagnosis.watch import judge_record

#: A rate is suspected to be too small below this share of 1/λ_max.
_SMALL: Final = 0.02
#: What the best step must gain, of the loss, before a rate is called too small; an end is near
#: below the second.
_WORTH: Final = 0.01
_SETTLED: Final = 1e-4
#: The share of the loss that the batches' noise must add before it is a noise floor.
_FLOOR: Final = 0.05
#: Steps that a run is supposed to have, if no record says how many.
_RUN: Final = 10_000


@dataclass(frozen=True)
class Pace:
    """How fast a descent moves where it stands.

    Attributes:
        rate: the last learning rate, None if it is not known.
        bound: above it, gradient descent by this rule is unstable (2/λ_max without momentum);
            None where the rule is no gradient descent or λ_max is not known.
        fall: by how much the next steps lower the loss, each, to first order; None if not known.
        halving: steps in which the loss halves at that pace, falling as an exponential does.
        noise: tr Σ/b / |g|², the gradient's variance over batches by its square; None for all
            rows.
    """

    rate: float | None
    bound: float | None
    fall: float | None
    halving: float | None
    noise: float | None


@dataclass(frozen=True)
class Slope:
    """The loss and its gradient over all rows.

    Attributes:
        loss: the value.
        norm: |g|₂, in loss per parameter.
        absolute: |g|₁, by which steps of one length in each element fall.
    """

    loss: float
    norm: float
    absolute: float


def pace_of(
    rule: Rule, slope: Slope, curvature: Curvature | None, record: Record | None,
    noise: float | None,
) -> Pace:  # fmt: skip
    """The pace at the rate of the record's end, or as planned."""
    rate = record.rate if record is not None and math.isfinite(record.rate) else rule.rate
    bound = None
    if rule.kind == "gradient" and curvature is not None:
        bound = stability_bound(
            curvature.largest + rule.weight_decay, rule.momentum, nesterov=rule.nesterov,
            dampening=rule.dampening,
        )  # fmt: skip
    fall = _fall(rule, slope, rate)
    halving = math.log(2) * slope.loss / fall if fall and slope.loss > 0 else None
    return Pace(rate, bound, fall, halving, noise)


def _fall(rule: Rule, slope: Slope, rate: float | None) -> float | None:
    """rate · |g|² a step along the gradient; rate · |g|₁ where each element moves by the rate."""
    if rate is None or rule.kind == "other":
        return None
    if rule.kind == "sign":
        return rate * slope.absolute
    return rate * rule.reach * slope.norm**2


def judge_rate(
    rule: Rule, slope: Slope, curvature: Curvature | None, pace: Pace, record: Record | None,
    steps_left: int = 0,
) -> tuple[Finding, ...]:  # fmt: skip
    """The verdict on the learning rate; nothing where it is fine.

    Too large: above the bound, and the record falls no more. (A network's λ_max rises until it
    is about 2/rate and stays there while the loss goes on falling: Cohen et al. 2021. That is no
    fault.) Too small: the largest rate of the run is below 2 % of 1/λ_max, the run has hardly
    lowered the loss, at this pace it would take ten runs to halve it, and there is something to
    gain. Noise-limited: the loss has stopped falling and the gradient is mostly noise.
    """
    by_record = () if record is None else judge_record(record, steps_left)
    kinds = {finding.kind for finding in by_record}
    if pace.bound is not None and pace.rate is not None and pace.rate > 0:
        large = _too_large(pace, pace.rate, pace.bound, slope, curvature, record, kinds)
        if large is not None:
            return (large,)
    small = _too_small(rule, slope, curvature, pace, record, steps_left)
    if small is not None:
        return (small,)
    refuted = {
        "no progress": slope.norm == 0,
        "rate too small": _gain(slope, curvature) <= _WORTH,
        "noise floor": _excess(rule, slope, pace) < _FLOOR * abs(slope.loss),
    }
    return tuple(_measured(f, pace) for f in by_record if not refuted.get(f.kind, False))


def _too_large(
    pace: Pace, rate: float, bound: float, slope: Slope, curvature: Curvature | None,
    record: Record | None, kinds: set[str],
) -> Finding | None:  # fmt: skip
    share, numbers = rate / bound, {"learning_rate": rate, "bound": bound}
    measured = f"the learning rate {in_words(rate, 2)} is {_times(share)} the stability bound"
    where = f" {in_words(bound, 2)} = {_formula(pace, curvature)}"
    advice = f"a learning rate of {in_words(bound / 2)}"
    if "divergence" in kinds and share > 0.9:
        what = f"{measured}{where}: the loss grows"
        return Finding("serious", "divergence", what, numbers, advice)
    if record is None or record.is_short:
        if share <= 1.02:
            return None
        what = f"{measured}{where}: steps overshoot, further each time"
        return Finding("warning", "overshoot", what, numbers, advice)
    is_stuck = record.is_whole and record.trend.fall < 0.9 and _is_flat(record)
    if "oscillation" in kinds or (share > 0.95 and is_stuck and _gain(slope, curvature) > _SETTLED):
        if share > 0.5:
            what = f"{measured}{where}: the weights swing to and fro"
            return Finding("warning", "oscillation", what, numbers, advice)
    if "overshoot" in kinds and share > 0.5:
        what = f"{measured}{where}: some steps raise the loss, though it falls"
        return Finding("note", "overshoot", what, numbers, advice)
    return None


def _times(share: float) -> str:
    return f"{share:.2g} times"


def _formula(pace: Pace, curvature: Curvature | None) -> str:
    assert curvature is not None and pace.bound is not None
    factor = pace.bound * curvature.largest
    return f"{factor:.3g}/λ_max (λ_max {in_words(curvature.largest, 3)})"


def _is_flat(record: Record) -> bool:
    """Whether the last half of the record has not lowered the loss."""
    half = record.trend.levels[len(record.trend.levels) // 2]
    return bool(half - record.trend.last < 0.01 * abs(half))


def _gain(slope: Slope, curvature: Curvature | None) -> float:
    """What a step at 1/λ_max gains at least, of the loss: |g|² / (2 λ_max)."""
    if slope.norm == 0:
        return 0.0
    if curvature is None or curvature.largest <= 0:
        return math.inf
    return slope.norm**2 / (2 * curvature.largest) / max(abs(slope.loss), 1e-300)


def _excess(rule: Rule, slope: Slope, pace: Pace) -> float:
    """What the batches' noise adds to the loss where it has settled: rate tr Σ/b / 4.

    Of a quadratic and a small rate: Mandt, Hoffman & Blei 2017, Stochastic Gradient Descent as
    Approximate Bayesian Inference, section 3.2. Infinite, which refutes nothing, where the rule
    is another.
    """
    if rule.kind != "gradient" or pace.noise is None or pace.rate is None:
        return math.inf
    return pace.rate * rule.reach * pace.noise * slope.norm**2 / 4


def _too_small(
    rule: Rule, slope: Slope, curvature: Curvature | None, pace: Pace, record: Record | None,
    steps_left: int,
) -> Finding | None:  # fmt: skip
    steps = _RUN if record is None else max(record.steps + steps_left, 1)
    rate = rule.rate if record is None else record.peak_rate
    if rate is None or not math.isfinite(rate) or pace.rate is None or curvature is None:
        return None
    if _has_worked(record) or _gain(slope, curvature) <= _WORTH or curvature.largest <= 0:
        return None
    fall = _fall(rule, slope, rate)
    if not fall or slope.loss <= 0:
        return None
    halving = math.log(2) * slope.loss / fall
    best = _best_rate(rule, slope, curvature)
    if halving < 10 * steps or rate > _SMALL * best:
        return None
    what = (
        f"at this rate, {in_words(rate)}, the loss halves in {in_words(halving)} steps; the"
        f" curvature allows {in_words(best)}"
    )
    numbers = {"learning_rate": rate, "halving_steps": halving, "allowed": best}
    advice = f"a learning rate of {in_words(best / 2)}, or cr.range_test"
    return Finding("warning", "rate too small", what, numbers, advice)


def _best_rate(rule: Rule, slope: Slope, curvature: Curvature) -> float:
    """1/λ_max; where each element moves by the rate, what is as far along the gradient."""
    if rule.kind == "sign":
        return slope.norm**2 / (curvature.largest * max(slope.absolute, 1e-300))
    return 1 / (curvature.largest * rule.reach)


def _has_worked(record: Record | None) -> bool:
    return record is not None and not record.is_short and record.trend.fall > 0.1


def _measured(finding: Finding, pace: Pace) -> Finding:
    """A verdict by the record, with what was measured of it."""
    if finding.kind == "no progress":
        advice = "cr.range_test for another learning rate; or the inputs say nothing of the target"
        return replace(finding, advice=advice)
    if finding.kind != "noise floor" or pace.noise is None:
        return finding
    share = in_words(pace.noise, 2)
    what = f"{finding.what}; a batch's gradient is {share} parts noise to one of slope"
    return replace(finding, what=what, numbers={**finding.numbers, "noise": pace.noise})
