"""Chainrule: write a loss in plain NumPy; it takes the gradient and compiles the descent."""

from __future__ import annotations

import importlib
import time
from typing import Any

__version__ = "0.1.0"

#: When this process began to read the package, in seconds: files that changed later are not what
#: it runs.
_READ_AT = time.time()

_HOME = {
    "grad": "chainrule.gradients.reverse",
    "value_and_grad": "chainrule.gradients.reverse",
    "vjp": "chainrule.gradients.vjp",
    "jvp": "chainrule.gradients.forward",
    "jacobian": "chainrule.gradients.jacobian",
    "hessian": "chainrule.gradients.jacobian",
    "hvp": "chainrule.gradients.jacobian",
    "vmap": "chainrule.gradients.batch",
    "checkpoint": "chainrule.gradients.checkpoint",
    "custom_gradient": "chainrule.gradients.custom",
    "check_grad": "chainrule.gradients.check",
    "trace": "chainrule.tracing.trace",
    "logsumexp": "chainrule.tracing.functions",
    "softmax": "chainrule.tracing.functions",
    "log_softmax": "chainrule.tracing.functions",
    "stop_gradient": "chainrule.tracing.functions",
    "at": "chainrule.tracing.at",
    "top_k": "chainrule.tracing.ordering",
    "cumlogsumexp": "chainrule.tracing.cumulative",
    "polygamma": "chainrule.tracing.special",
    "cdist": "chainrule.tracing.norms",
    "solve_triangular": "chainrule.tracing.linalg",
    "cho_solve": "chainrule.tracing.linalg",
    "scan": "chainrule.tracing.control",
    "cond": "chainrule.tracing.control",
    "while_loop": "chainrule.tracing.control",
    "compile": "chainrule.compiler.function",
    "train": "chainrule.training.train",
    "predict": "chainrule.evaluation.predict",
    "compare": "chainrule.runs.comparison",
    "diagnose": "chainrule.diagnosis.diagnose",
    "profile": "chainrule.profiling.front",
    "range_test": "chainrule.training.range_test",
    "Run": "chainrule.training.run",
    "Progress": "chainrule.training.run",
    "ProgressBar": "chainrule.training.bar",
    "EarlyStopping": "chainrule.training.watching",
    "History": "chainrule.training.history",
    "TensorBoard": "chainrule.training.tensorboard",
}
_MODULES = ("nn", "losses", "optim", "orders", "data", "explain", "errors")
__all__ = [  # noqa: PLE0604 - the names stand in the table above, once
    *_HOME,
    *_MODULES,
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that the import stays short."""
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES or name == "estimators":  # which needs an extra: no part of ``import *``
        return importlib.import_module(f"chainrule.{name}")
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
