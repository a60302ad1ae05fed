"""The sections of a report, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.reports.sections.curves import curves
from chainrule.explain.reports.sections.diagnosis import diagnosis
from chainrule.explain.reports.sections.flow import flow
from chainrule.explain.reports.sections.formulas import formulas
from chainrule.explain.reports.sections.geometry import boundary, landscape
from chainrule.explain.reports.sections.model import model
from chainrule.explain.reports.sections.noise import noise
from chainrule.explain.reports.sections.numbers import numbers
from chainrule.explain.reports.sections.predictions import predictions
from chainrule.explain.reports.sections.schedules import schedules
from chainrule.explain.reports.sections.short import short

#: Name, heading, what makes it.
Maker: TypeAlias = tuple[str, str, Callable[[Context], Part]]
SECTIONS: Final[tuple[Maker, ...]] = (
    ("short", "In short", short),
    ("curves", "Learning curves", curves),
    ("diagnosis", "Diagnosis", diagnosis),
    ("schedules", "Learning rate and batch", schedules),
    ("model", "The model", model),
    ("formulas", "Formulas", formulas),
    ("numbers", "The numbers of one row", numbers),
    ("flow", "Gradient flow by layer", flow),
    ("noise", "Noise of the gradient", noise),
    ("predictions", "Predictions", predictions),
    ("boundary", "Decision boundary", boundary),
    ("landscape", "The loss around the weights", landscape),
)
