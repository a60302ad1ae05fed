"""How the gradient's length changes from layer to layer on its way back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.diagnosis.finding import Finding, in_words
from chainrule.evaluation.objective import Leaves, Objective

#: The first layer's gradient, by its elements' size, is this much smaller or larger than the
#: last one's before it is called vanishing or exploding.
RATIO: Final = 1e3
#: A gradient this many times as long as the parameters takes them anywhere in one step of 1.
_HUGE: Final = 1e6


@dataclass(frozen=True)
class LeafFlow:
    """The gradient at one leaf.

    Attributes:
        name: the leaf's path in the tree.
        size: how many numbers it is.
        gradient: their gradient's length.
        parameter: their own length.
    """

    name: str
    size: int
    gradient: float
    parameter: float

    @property
    def typical(self) -> float:
        """An element's gradient: the root of their mean square."""
        return self.gradient / math.sqrt(max(self.size, 1))


@dataclass(frozen=True)
class Flow:
    """The gradient at every leaf, and how it fares between the first layer and the last.

    Attributes:
        leaves: in the order in which the forward pass reads them.
        ratio: an element's gradient in the first weight matrix (or kernel) by one in the last;
            None where there are fewer than three of them.
    """

    leaves: tuple[LeafFlow, ...]
    ratio: float | None


def flow_of(
    objective: Objective, leaves: Leaves, gradient: Leaves, order: Sequence[int]
) -> Flow:  # fmt: skip
    """The flow at these leaves, their order being that of the forward pass."""
    unread = [k for k, on in enumerate(objective.learned) if on and k not in order]
    chosen = [k for k in order if objective.learned[k]] + unread
    found = tuple(
        LeafFlow(
            objective.names[k], leaves[k].size, float(np.linalg.norm(gradient[k])),
            float(np.linalg.norm(np.asarray(leaves[k], np.float64))),
        )
        for k in chosen
    )  # fmt: skip
    weights = [f for f, k in zip(found, chosen, strict=True) if leaves[k].ndim >= 2]
    if len(weights) < 3 or weights[-1].typical == 0:
        return Flow(found, None)
    return Flow(found, weights[0].typical / weights[-1].typical)


def judge_flow(flow: Flow) -> tuple[Finding, ...]:
    """Vanishing and exploding gradients; leaves that none reaches.

    Source:
        Glorot & Bengio 2010, Understanding the Difficulty of Training Deep Feedforward Neural
        Networks, 4.2: gradients that shrink from layer to layer; Pascanu, Mikolov & Bengio 2013,
        On the Difficulty of Training Recurrent Neural Networks, 2.1: by a factor per layer, so
        that the ratio is exponential in the depth.
    """
    total = math.hypot(*(f.gradient for f in flow.leaves))
    return (*_unreached(flow, total), *_by_ratio(flow), *_too_long(flow, total))


def _unreached(flow: Flow, total: float) -> tuple[Finding, ...]:
    names = [f.name for f in flow.leaves if f.gradient == 0]
    if not names or total == 0:
        return ()
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    what = f"the gradient is exactly 0 at {shown}: the loss does not depend on them here"
    return (Finding("warning", "no gradient", what, {"leaves": len(names)}, ""),)


def _by_ratio(flow: Flow) -> tuple[Finding, ...]:
    if flow.ratio is None or flow.ratio == 0 or 1 / RATIO <= flow.ratio <= RATIO:
        return ()
    is_vanishing = flow.ratio < 1
    kind = "vanishing gradients" if is_vanishing else "exploding gradients"
    factor = in_words(1 / flow.ratio if is_vanishing else flow.ratio)
    what = (
        f"an element's gradient in the first layer is {factor} times"
        f" {'smaller' if is_vanishing else 'larger'} than in the last"
    )
    advice = (
        "nn.relu in place of sigmoid or tanh, first weights as nn.Linear draws them, residual"
        " connections or normalisation"
    )
    if not is_vanishing:
        advice = "optim.clip_norm, smaller first weights, or normalisation between layers"
    return (Finding("warning", kind, what, {"ratio": flow.ratio}, advice),)


def _too_long(flow: Flow, total: float) -> tuple[Finding, ...]:
    length = math.sqrt(sum(f.parameter**2 for f in flow.leaves))
    if total <= _HUGE * (1 + length):
        return ()
    what = f"the gradient's length is {in_words(total)}, the parameters' {in_words(length)}"
    numbers = {"gradient_norm": total, "parameters": length}
    advice = "standardise inputs and targets, or optim.clip_norm"
    return (Finding("warning", "exploding gradients", what, numbers, advice),)
