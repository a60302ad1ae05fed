"""The model: its layers, or its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.data.words import count
from chainrule.errors import ChainruleError
from chainrule.explain.page import table
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.reports.told import Told
from chainrule.nn import summary
from chainrule.tracing.trees import flatten, named_leaves


def model(context: Context) -> Part:
    """Layers with their outputs, parameters and operations; or the arrays of a tree."""
    told = context.told
    rows = _layers(told)
    if rows is None:
        return _arrays(told)
    total = count(sum(np.asarray(leaf).size for leaf in flatten(told.model)[0]), "number")
    head = ["layer", "output of one row", "parameters", "operations of one row"]
    said = f"The model has {count(len(rows), 'layer')} and {total} to be learnt or kept."
    return Part(
        "model", "The model", (said,), table(head, rows, "Layers, in the order of their calls"),
        numbers={"layers": [[str(cell) for cell in row] for row in rows]},
    )  # fmt: skip


def _layers(told: Told) -> list[list[Any]] | None:
    """One row per layer; None where the model cannot be called on x."""
    if not callable(told.model):
        return None
    x = np.asarray(told.data[0])[:1]
    kinds = [np.asarray(leaf).dtype for leaf in flatten(told.model)[0]]
    try:
        found = summary(told.model, x.astype(kinds[0]) if x.dtype.kind == "f" else x)
    except (ChainruleError, TypeError, ValueError):  # it takes something else than x
        return None
    layers = found.layers[1:] or found.layers
    return [
        [
            f"{layer.path} {layer.name}".strip(),
            ", ".join(" × ".join(map(str, shape[1:])) or "1" for shape in layer.output),
            layer.parameters, layer.flops,
        ]
        for layer in layers
    ]  # fmt: skip


def _arrays(told: Told) -> Part:
    leaves = {name or "params": np.asarray(x) for name, x in named_leaves(told.model).items()}
    rows = [
        [n, " × ".join(map(str, x.shape)) or "1", str(x.dtype), x.size] for n, x in leaves.items()
    ]
    total = sum(x.size for x in leaves.values())
    said = f"The model is a tree of {count(len(rows), 'array')}, {count(total, 'number')} in all."
    shown = table(["parameter", "shape", "type", "numbers"], rows, "Parameters")
    return Part("model", "The model", (said,), shown, numbers={"parameters": total})
