"""Signal and noise along a descent, in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.explain.words import short


def lines(n: Any) -> list[str]:
    """The lines of a ``Noise``."""
    made = [
        _head(n),
        f"  {n.source}",
        (
            f"  {'step':>9}{'loss':>11}{'|G|²':>12}{'tr Σ':>12}{'B_simple':>12}{'batch':>8}"
            f"{'noise':>8}{'gain':>12}{'harm':>12}"
        ),
    ]
    for k in range(len(n.steps)):
        size = n.noise_scale[k]
        cells = (n.loss[k], n.signal[k], n.variance[k], size)
        row = "".join(f"{short(x, 3):>{w}}" for x, w in zip(cells, (11, 12, 12, 12), strict=True))
        effect = "".join(f"{_known(x):>12}" for x in (n.gain[k], n.harm[k]))
        made.append(
            f"  {short(n.steps[k]):>9}{row}{short(n.batch[k]):>8}{_percent(n.share[k]):>8}{effect}"
        )
    made.append("  noise: the part (tr Σ / b)(1 - b/n) of the squared gradient of a batch of b")
    return [*made, *_told(n)]


def _head(n: Any) -> str:
    known = n.share[np.isfinite(n.share)]
    if not len(known):
        return "the gradient is 0 all along: there is nothing to descend"
    return f"noise in a step's gradient: {known[0]:.0%} at first, {known[-1]:.0%} at the end"


def _percent(x: float) -> str:
    return "—" if math.isnan(x) else f"{x:.0%}"


def _known(x: float) -> str:
    return "—" if math.isnan(x) else short(x, 3)


def _share_back(n: Any, start: float) -> float:
    return float(n.taken_back[np.flatnonzero(n.steps == start)[0]])


def _told(n: Any) -> list[str]:
    """The lecture's sentence, with numbers: noise helps at first and hurts later."""
    made = []
    if np.isfinite(n.gain).any():
        made.append(
            "  gain: change of the loss by one step along the gradient of all rows; harm: what the"
            " noise adds"
        )
    start = n.hurts_from
    if start is not None:
        made.append(
            f"  from step {short(start)} on the noise takes back {_share_back(n, start):.0%} of"
            " what the gradient gains: a larger batch or a lower rate"
        )
    elif n.share[-1] < 0.5:
        made.append(
            "  the batch could be smaller: most of each step is gradient, up to the end"
            if n.noise_scale[-1] < n.batch[-1] / 4
            else "  most of each step is gradient, up to the end"
        )
    elif n.share[-1] > n.share[0]:
        made.append("  early a step goes where the loss falls; late most of it is noise")
    return made
