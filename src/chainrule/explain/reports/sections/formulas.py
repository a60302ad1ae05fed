"""The model's loss and its gradients as formulas, evaluated and compared."""

from __future__ import annotations

from chainrule.explain.derivations.front import formulas as derived
from chainrule.explain.page import unwrapped
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.shown import plain_value


def formulas(context: Context) -> Part:
    """The composition, the local derivatives and the gradients, for the row that is explained."""
    told = context.told
    found = derived(told.model, told.loss, context.one)
    said = (
        "The loss of one row as a composition of layers, the derivative of each piece, and the"
        " gradient of each parameter by the chain rule, factor by factor; every formula was"
        " evaluated as it is printed and compared with automatic differentiation."
    )
    numbers = {"difference": plain_value(float(found.difference)), "latex": found.latex}
    return Part("formulas", "Formulas", (said,), unwrapped(found._repr_html_()), {}, numbers)
