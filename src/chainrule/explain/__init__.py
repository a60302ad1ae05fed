"""Every gradient as a formula, a number and a picture: ``chainrule.explain``."""

from __future__ import annotations

import importlib
from typing import Any

#: Public name: the module that it lives in. Imported when first used, as the extras are.
_HOME: dict[str, str] = {
    "Derivation": "chainrule.explain.derivations.derivation",
    "formulas": "chainrule.explain.derivations.front",
    "Backpropagation": "chainrule.explain.numbers.backpropagation",
    "backpropagation": "chainrule.explain.numbers.backpropagation",
    "calibration": "chainrule.explain.measures.calibration",
    "confusion": "chainrule.explain.measures.confusion",
    "convexity": "chainrule.explain.proofs.front",
    "critical_point": "chainrule.explain.landscape.critical",
    "cross_entropy": "chainrule.explain.measures.likelihood",
    "loss": "chainrule.explain.measures.curve",
    "noise": "chainrule.explain.landscape.noise",
    "residuals": "chainrule.explain.measures.residuals",
    "sampling": "chainrule.explain.landscape.sampling",
    "squared_distance": "chainrule.explain.measures.distance",
    "Path": "chainrule.explain.geometry.path",
    "decision_boundary": "chainrule.explain.geometry.boundary",
    "learning_rates": "chainrule.explain.geometry.rates",
    "level_set": "chainrule.explain.geometry.level_set",
    "slice_of": "chainrule.explain.geometry.slices",
    "steepest_ascent": "chainrule.explain.geometry.steepest",
    "Report": "chainrule.explain.reports.parts",
    "Told": "chainrule.explain.reports.told",
    "report": "chainrule.explain.reports.build",
    "Subject": "chainrule.explain.subject",
    "subject_of": "chainrule.explain.subject",
}
__all__ = [*_HOME]  # noqa: PLE0604 - the names stand in the table above, once


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'chainrule.explain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
