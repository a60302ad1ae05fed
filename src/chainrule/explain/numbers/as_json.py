"""Backpropagation as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.explain.numbers.jacobians import Jacobian
from chainrule.explain.numbers.layers import Layer
from chainrule.explain.numbers.visits import Visit
from chainrule.explain.numbers.words import in_brief
from chainrule.explain.shown import plain

if TYPE_CHECKING:
    from chainrule.explain.numbers.backpropagation import Backpropagation

Array = Any


def as_json(found: Backpropagation) -> dict[str, Any]:
    """Plain dicts, lists and numbers; of arrays above 64 numbers their measures."""
    worst, compared, count = found.agreement
    own = {
        "loss": found.loss,
        "unit": found.unit,
        "rows": found.rows,
        "row": found.row,
        "gradients": {name: np.asarray(g) for name, g in found.gradients.items()},
        "layers": [_of_layer(layer) for layer in found.layers],
        "visits": [_of_visit(visit) for visit in found.visits],
        "agreement": {"largest": worst, "compared": compared, "passed_on": count},
        "findings": list(found.findings),
        "nonfinite": found.nonfinite,
        "example_gradient_norms": _all(found.example_norms),
    }
    return plain(own, in_brief)


def _all(x: Array | None) -> list[Any] | None:
    """Every number of an array."""
    return None if x is None else [float(v) for v in x]


def _of_layer(layer: Layer) -> dict[str, Any]:
    return {
        "number": layer.number, "name": layer.name, "kind": layer.kind, "where": layer.where,
        "visits": list(layer.visits), "shape": list(layer.shape), "value": _numbers(layer.value),
        "delta": _numbers(layer.delta), "zeros": layer.zeros,
        "dead": None if layer.dead is None else list(layer.dead), "gain": layer.gain,
        "gradients": {g.to: _numbers(g.gradient) for g in layer.leaves},
        "passed": [
            {"to": g.to, "layer": g.source, "gradient": _numbers(g.gradient),
             "jacobian": _of_jacobian(g.jacobian)} for g in layer.passed
        ],
    }  # fmt: skip


def _of_visit(visit: Visit) -> dict[str, Any]:
    return {
        "number": visit.number, "op": visit.op, "name": visit.name, "layer": visit.layer,
        "where": visit.where, "source": visit.source, "shape": list(visit.shape),
        "dtype": visit.dtype, "value": _numbers(visit.value), "delta": _numbers(visit.delta),
        "passed": [
            {"to": p.to, "gradient": _numbers(p.gradient), "jacobian": _of_jacobian(p.jacobian)}
            for p in visit.passed
        ],
    }  # fmt: skip


def _of_jacobian(jacobian: Jacobian) -> dict[str, Any]:
    matrix = jacobian.matrix
    return {
        "shape": list(jacobian.shape), "kind": jacobian.kind,
        "frobenius": jacobian.frobenius, "spectral": jacobian.spectral,
        "matrix": None if matrix is None else np.asarray(matrix),
    }  # fmt: skip


def _numbers(x: Any) -> Any:
    if isinstance(x, dict):
        x = tuple(x.values())
    return [np.asarray(v) for v in x] if isinstance(x, tuple) else np.asarray(x)
