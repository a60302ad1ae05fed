"""L-BFGS over all rows: SciPy's, on a compiled value and gradient."""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning

from chainrule.estimators.objective import penalty
from chainrule.estimators.programs import Gradient, gradient_pool
from chainrule.estimators.rows import Rows
from chainrule.tracing.trees import flatten, unflatten

_SCALE_ADVICE: Final = (
    "Increase the number of iterations to improve the convergence (max_iter={}).\nYou might also "
    "want to scale the data as shown in:\n"
    "    https://scikit-learn.org/stable/modules/preprocessing.html"
)

#: A convex problem is descended until rounding ends it; as scikit-learn's LogisticRegression.
_TO_THE_END: Final = {"ftol": 64 * np.finfo(np.float64).eps}


def fit_lbfgs(model: Any, rows: Rows) -> None:
    """Minimise the objective over all rows; sets the weights, ``loss_`` and ``n_iter_``."""
    pool = gradient_pool(model._network, model._objective, rows.targets, rows.w is not None)
    leaves, structure = flatten(model._params())
    arrays = rows.examples().arrays
    with pool.borrowed() as gradient:
        problem = _Problem(model, gradient, arrays, leaves, structure)
        try:
            found = scipy.optimize.minimize(
                problem, _flat(leaves), method="L-BFGS-B", jac=True,
                options={"maxfun": model.max_fun, "maxiter": model.max_iter, "gtol": model.tol}
                | ({} if model._network.sizes[1:-1] else _TO_THE_END),
            )  # fmt: skip
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
            model._set_leaves(_unflat(problem.last, leaves))
            return
    model._set_leaves(_unflat(found.x, leaves))
    model.loss_ = float(found.fun)
    model.n_iter_ = min(int(found.nit), model.max_iter)
    if found.status != 0:
        _warn(found, model.max_iter)


class _Problem:
    """The objective as SciPy calls it: one vector in, value and gradient out, float64."""

    def __init__(
        self, model: Any, gradient: Gradient, arrays: tuple[np.ndarray, ...],
        leaves: list[np.ndarray], structure: Any,
    ) -> None:  # fmt: skip
        self.model, self.gradient, self.arrays = model, gradient, arrays
        self.leaves, self.structure = leaves, structure
        self.is_coef = flatten(
            {k: [k == "coefs"] * len(flatten(v)[0]) for k, v in model._params().items()}
        )[0]
        self.last = _flat(leaves)

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        model, objective = self.model, self.model._objective
        leaves = _unflat(vector, self.leaves)
        value, weight, *grads = self.gradient.sums(leaves, self.arrays, model.threads)
        rows = len(self.arrays[0]) if len(self.arrays) < 3 else float(self.arrays[2].sum())
        coefs = unflatten(self.structure, leaves)["coefs"]
        squares = model.alpha * float(penalty(coefs)) / rows
        total = [objective.factor * g / weight for g in grads]
        decayed = [
            g + model.alpha / rows * leaf if is_coef else g
            for g, leaf, is_coef in zip(total, leaves, self.is_coef, strict=True)
        ]
        self.last = vector
        return float(objective.factor * value / weight + squares), _flat(decayed)


def _flat(leaves: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(np.float64)


def _unflat(vector: np.ndarray, like: list[np.ndarray]) -> list[np.ndarray]:
    parts = np.split(vector, np.cumsum([leaf.size for leaf in like])[:-1])
    return [
        part.reshape(leaf.shape).astype(leaf.dtype) for part, leaf in zip(parts, like, strict=True)
    ]


def _warn(found: Any, max_iter: int) -> None:
    message = f"lbfgs failed to converge after {found.nit} iteration(s) (status={found.status}):\n"
    advice = _SCALE_ADVICE.format(max_iter)
    warnings.warn(f"{message}{found.message}\n\n{advice}", ConvergenceWarning, stacklevel=6)
