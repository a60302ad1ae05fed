"""Backpropagation as tables: a line for each layer and quantity, or for each operand of a node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from chainrule.explain.numbers.layers import Given, Layer
from chainrule.explain.numbers.rows import delta_spread
from chainrule.explain.numbers.visits import Passed, Visit
from chainrule.explain.numbers.words import RULES, jacobian_text, shape_text, shown
from chainrule.explain.page import table
from chainrule.explain.words import short

Row = tuple[str, ...]
LAYER_HEAD: Final[Row] = ("", "layer", "quantity", "shape", "value or ‖·‖", "more")
NODE_HEAD: Final[Row] = (
    "", "operation", "line", "value", "δ", "passes to", "Jacobian", "gradient"
)  # fmt: skip
_PAGE_HEAD: Final[Row] = (
    "visit", "operation", "layer", "line", "shape", "value", "δ = ∂L/∂value", "passes to",
    "by the rule", "Jacobian", "gradient passed on",
)  # fmt: skip


def layer_rows(layers: Sequence[Layer], rows: int | None) -> list[Row]:
    """One row per layer and quantity, the loss first."""
    return [row for layer in layers for row in _of_layer(layer, rows)]


def _of_layer(layer: Layer, rows: int | None) -> Iterator[Row]:
    head = (str(layer.number), layer.title)
    yield (*head, "value", shape_text(layer.shape), shown(layer.value), _zeros(layer))
    blank = ("", "")
    over = None if rows is None else delta_spread(layer, rows)
    more = (
        f"a row's own: {short(over.smallest, 3)} … {short(over.largest, 3)}, median"
        f" {short(over.median, 3)}"
        if over
        else ""
    )
    yield (*blank, "δ = ∂L/∂value", shape_text(layer.shape), shown(layer.delta), more)
    for given in layer.leaves:
        name = given.to.removeprefix(f"{layer.name}.")
        yield (
            *blank, f"∂L/∂{name}", shape_text(given.shape), shown(given.gradient),
            _typical(given) if given.source is None else "",
        )  # fmt: skip
    for given in layer.passed:
        yield (
            *blank, f"passes back to {given.source}", shape_text(given.shape),
            shown(given.gradient), jacobian_text(given.jacobian),
        )  # fmt: skip


def _zeros(layer: Layer) -> str:
    if layer.dead is not None:
        return f"{layer.dead[0]} of {layer.dead[1]} units are 0"
    return f"{layer.zeros:.0%} zeros" if layer.zeros and np.size(layer.value) > 1 else ""


def _typical(given: Given) -> str:
    size = np.size(given.gradient)
    return f"root mean square {short(given.norm / size**0.5, 3)}" if size > 3 else ""


def node_rows(visits: Sequence[Visit]) -> list[Row]:
    """One row per operand that something is passed on to, the loss first."""
    found = []
    for visit in visits:
        name = f"{visit.name} = {visit.word}" if visit.name else visit.word
        head: Row = (
            f"#{visit.number}", name, visit.where, shown(visit.value), shown(visit.delta)
        )  # fmt: skip
        for passed in visit.passed:
            found.append((*head, passed.to, _short_jacobian(passed), shown(passed.gradient)))
            head = ("",) * len(head)
    return found


def _short_jacobian(passed: Passed) -> str:
    return jacobian_text(passed.jacobian).removeprefix("J ").partition(", ")[0]


def layers_html(layers: Sequence[Layer], rows: int | None, caption: str) -> str:
    """The layers as an HTML table."""
    head = ("visit", *LAYER_HEAD[1:])
    return table(head, layer_rows(layers, rows), caption=caption)


def nodes_html(visits: Sequence[Visit], caption: str) -> str:
    """Every operation as an HTML table, with its line, its rule and its Jacobian's norms."""
    found = [row for visit in visits for row in _page_rows(visit)]
    return table(_PAGE_HEAD, found, caption=caption)


def _page_rows(visit: Visit) -> Iterator[Row]:
    line = f"{visit.where}: {visit.source}" if visit.source else visit.where
    name = f"{visit.name} = {visit.word}" if visit.name else visit.word
    for passed in visit.passed:
        yield (
            f"#{visit.number}", name, visit.layer, line, shape_text(visit.shape),
            shown(visit.value, 8), shown(visit.delta, 8), passed.to,
            RULES.get(visit.op, "Jᵀ δ"), jacobian_text(passed.jacobian),
            shown(passed.gradient, 8),
        )  # fmt: skip
