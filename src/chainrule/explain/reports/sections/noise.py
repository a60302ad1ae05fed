"""How much of each step is noise."""

from __future__ import annotations

import numpy as np

from chainrule.errors import TrainingError
from chainrule.explain.landscape.noise import noise as along
from chainrule.explain.page import figure, listing
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.shown import plain_value
from chainrule.explain.words import short

_TITLE = "Noise of the gradient"


def noise(context: Context) -> Part:
    """The noise scale over the run where it was recorded, else at the end.

    Raises:
        TrainingError: every update took all rows, or noise could not be measured.
    """
    scale = context.told.history.steps.get("noise_scale")
    if scale is not None and np.any(np.isfinite(scale) & (scale > 0)):
        return _over_run(context, np.asarray(scale, float))
    share = context.diagnosis.pace.noise
    if share is None:
        raise TrainingError("every update takes all rows: there is no noise between batches")
    batch = int(context.told.history.batch[-1])
    said = (
        f"At the end, the gradient of a batch of {batch:,} is {short(share, 2)} parts noise to one"
        f" of slope (as squares): about {short(share * batch, 2)} rows would make both equal, the"
        ' noise scale. To have it at every update, train with record="noise_scale".'
    )
    return Part("noise", _TITLE, (said,), numbers={"noise_to_slope": plain_value(float(share))})


def _over_run(context: Context, scale: np.ndarray) -> Part:
    batch = np.asarray(context.told.history.batch, float)
    good = np.flatnonzero(np.isfinite(scale) & (scale > 0))
    first, last = (float(scale[good[k]]) for k in (min(len(good) - 1, len(good) // 20), -1))
    above = float(np.mean(scale[good] > batch[good]))
    course = (
        "The noise scale B̂ = tr Σ / |G|² is the batch at which noise and slope are equal: it went"
        f" from {short(first, 2)} rows early to {short(last, 2)} at the end."
    )
    mostly = (
        f"In {100 * above:.0f} % of the updates it was larger than the batch: there, more than half"
        " of the step's square was noise."
    )
    found = along(context.told.history)
    svg = found.svg()
    numbers = {"noise_scale": plain_value([first, last]), "above_batch": above}
    body = figure(svg) + listing(str(found), "Noise in words")
    return Part("noise", _TITLE, (course, mostly), body, {"noise": svg}, numbers)
