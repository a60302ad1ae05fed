"""Which layer starves: how the gradient's size fares between the loss and the first layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from chainrule.diagnosis.flow import RATIO, Flow, LeafFlow
from chainrule.explain.numbers.layers import Layer
from chainrule.explain.numbers.norms import norm
from chainrule.explain.words import short

Array = Any
#: A layer through which a gradient loses or gains less than this factor is not worth a word.
_PLAIN: Final = 3.0


def flow_through(layers: Sequence[Layer], gradients: Mapping[str, Array]) -> Flow:
    """The gradient at each leaf, in the order in which the forward pass reads them."""
    values = {g.to: g.value for layer in reversed(layers) for g in reversed(layer.leaves)}
    order = [name for name in values if name in gradients]
    order += [name for name in gradients if name not in values]
    found = {
        name: LeafFlow(
            name, int(np.size(gradients[name])), norm(gradients[name]),
            norm(values.get(name, 0.0)),
        )
        for name in order
    }  # fmt: skip
    weights = [found[name] for name in order if np.ndim(gradients[name]) >= 2]
    has_ratio = len(weights) >= 2 and weights[-1].typical > 0
    ratio = weights[0].typical / weights[-1].typical if has_ratio else None
    return Flow(tuple(found.values()), ratio)


def judged(flow: Flow, layers: Sequence[Layer]) -> tuple[str, ...]:
    """Sentences: the first weight against the last, who starves, and where the gradient is lost."""
    return (*_compared(flow, layers), *_starved(flow, layers), *_dead(layers), *_unreached(flow))


def _compared(flow: Flow, layers: Sequence[Layer]) -> list[str]:
    weights = [f for f in flow.leaves if f.size > 1 and _is_weight(f.name, layers)]
    if flow.ratio is None or not math.isfinite(flow.ratio) or len(weights) < 2:
        return []
    first, last = weights[0], weights[-1]
    times = "as large as" if 1 / 1.5 < flow.ratio < 1.5 else f"{_factor(flow.ratio)} than"
    said = f"An element's gradient in {first.name} is {times} in {last.name}"
    said += f" (root mean square {short(first.typical, 3)} and {short(last.typical, 3)})"
    gains = [layer for layer in layers[1:] if layer.gain is not None and layer.gain > 0]
    worst = min(gains, key=lambda layer: layer.gain or 0.0, default=None)
    if worst is not None and worst.gain is not None and worst.gain < 1 / _PLAIN:
        said += (
            f"; it shrinks most on its way through {worst.title}, to {short(worst.gain, 3)} of it"
        )
    return [said + "."]


def _starved(flow: Flow, layers: Sequence[Layer]) -> list[str]:
    weights = [leaf for leaf in flow.leaves if _is_weight(leaf.name, layers)]
    typical = {leaf.name: leaf.typical for leaf in weights if math.isfinite(leaf.typical)}
    top = max(typical, key=lambda name: typical[name], default="")
    starved = [name for name, size in typical.items() if 0 < size * RATIO < typical[top]]
    if not starved:
        return []
    some = ", ".join(starved[:4]) + (f" and {len(starved) - 4} more" if len(starved) > 4 else "")
    verb = "starves" if len(starved) == 1 else "starve"
    return [f"{some} {verb}: less than 1/{RATIO:,.0f} of an element's gradient in {top}."]


def _dead(layers: Sequence[Layer]) -> list[str]:
    counts = [(layer.title, *layer.dead) for layer in layers if layer.dead is not None]
    return [
        f"{dead} of {units} units of {title} are 0 here and pass nothing back."
        for title, dead, units in counts
        if dead
    ]


def _unreached(flow: Flow) -> list[str]:
    names = [leaf.name for leaf in flow.leaves if leaf.gradient == 0]
    if not names or len(names) == len(flow.leaves):
        return []
    some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [f"The gradient is exactly 0 at {some}: the loss does not depend on that here."]


def _is_weight(name: str, layers: Sequence[Layer]) -> bool:
    return any(g.to == name and len(g.shape) >= 2 for layer in layers for g in layer.leaves)


def _factor(ratio: float) -> str:
    return (
        f"{short(ratio, 3)} times larger" if ratio > 1 else f"{short(1 / ratio, 3)} times smaller"
    )
