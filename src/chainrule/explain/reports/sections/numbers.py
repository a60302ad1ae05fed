"""Backpropagation of one row, with its numbers."""

from __future__ import annotations

from chainrule.explain.numbers import backpropagation
from chainrule.explain.page import figure, paragraph
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part


def numbers(context: Context) -> Part:
    """One row forwards and its gradients backwards, layer by layer."""
    told = context.told
    found = backpropagation(told.model, told.loss, context.one)
    pictures = found.pictures()
    name, svg = next(iter(pictures.items()))
    notes = "".join(map(paragraph, found.notes()))
    said = (
        f"Row {context.row} of the training data goes forwards through the layers, and its loss's"
        " gradient backwards: each layer computes its own gradients and passes the result on."
    )
    body = figure(svg, found.headline()) + found.html_table() + notes
    return Part(
        "numbers", "The numbers of one row", (said,), body, {name: svg}, {"row": context.row}
    )
