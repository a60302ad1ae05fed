"""The outputs of a model for many examples."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DataError
from chainrule.evaluation.evaluator import Evaluator
from chainrule.evaluation.examples import take_examples
from chainrule.tracing.trees import flatten, unflatten


def predict(model: Any, x: Any, threads: int | None = None) -> np.ndarray:
    """``model(x)``, compiled, for any number of rows.

    Shapes:
        x: (rows, ...) -> (rows, ...), whatever the model makes of one row.

    Args:
        model: a tree of arrays that can be called.
        x: an array or a tree of arrays; floating-point ones take the parameters' dtype.
        threads: how many share the work; None lets the amount of work decide.

    Raises:
        DataError: x has no rows or is not numbers; the result has not one row per example.

    Example:
        >>> from chainrule import nn
        >>> predict(nn.MLP([3, 4, 2], rng=0), np.zeros((5, 3))).shape
        (5, 2)
    """
    leaves, structure = flatten(model)
    params = [np.asarray(leaf) for leaf in leaves]
    dtype = np.result_type(*(p.dtype for p in params)) if params else np.dtype(np.float64)
    examples = take_examples((x,), dtype, "x")

    def outputs(given: list[Any], data: list[Any]) -> Any:
        return unflatten(structure, given)(*examples.tree(data))

    evaluator = Evaluator(outputs, params, examples, threads)
    parts = [result for _, result in evaluator.blocks(params, examples)]
    if any(part.ndim == 0 for part in parts):
        raise DataError("the model returned one number for all rows; expected one row per example")
    return np.concatenate(parts)
