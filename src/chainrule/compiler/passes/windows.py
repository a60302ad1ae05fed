"""Convolutions: the gradient of an image as a product, then transposes outwards."""

from __future__ import annotations

from chainrule.compiler.passes.correlate import correlate
from chainrule.compiler.passes.fold import fold
from chainrule.compiler.passes.outwards import outwards
from chainrule.ir.graph import Graph


def windows(graph: Graph) -> Graph:
    """Both passes, and what they make folded anew; a graph without windows stays as it is."""
    after = outwards(correlate(graph))
    return graph if after is graph else fold(after)
