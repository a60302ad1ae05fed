"""Regressors: numbers, quantiles, distributions; MLPRegressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from chainrule import losses
from chainrule.errors import DataError, TrainingError
from chainrule.estimators.base import NetworkEstimator, if_stochastic
from chainrule.estimators.objective import Objective
from chainrule.estimators.rows import Rows
from chainrule.estimators.scaling import Scaling, standard
from chainrule.estimators.targets import (
    Quantiles,
    distribution,
    has_log_mean,
    is_equivariant,
    outputs_per_target,
)


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """A network whose targets are numbers."""

    loss_names = (
        "squared_error", "absolute_error", "huber", "quantile", "gaussian", "poisson", "gamma",
        "negative_binomial",
    )  # fmt: skip
    _target_scaling: Scaling | None
    _targets: int

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Any:
        """Learn from rows.

        Args:
            X: (n, n_features): an array, a sparse matrix, or a data frame whose categories, dates
                and missing values are taken as they are.
            y: (n,), or (n, n_targets).
            sample_weight: (n,), not negative; a weight of 2 is the row twice.
            validation_data: (X, y) or (X, y, sample_weight) to judge each epoch by, in place of
                rows held out: ``validation_loss_curve_`` and early stopping.

        Raises:
            DataError, TrainingError: both are ValueErrors.
        """
        return self._fit(X, y, sample_weight, False, validation_data)

    @if_stochastic
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None
    ) -> Any:
        """One more pass over these rows; solver, schedule and early stopping go on.

        What scales inputs and targets is learnt in the first call.

        Args:
            X: (n, n_features).
            y: (n,), or (n, n_targets).
            sample_weight: (n,).
            validation_data: as in ``fit``; with ``early_stopping`` the attribute ``stopped_`` says
                when patience has run out.
        """
        return self._fit(X, y, sample_weight, True, validation_data)

    # -- targets -----------------------------------------------------------------------------------

    @property
    def _resolved(self) -> Any:
        """The loss itself."""
        if self.quantiles is not None:
            return Quantiles(tuple(map(float, self.quantiles)))
        return losses.LOSSES[self.loss] if isinstance(self.loss, str) else self.loss

    def _take_targets(self, y: Any, incremental: bool) -> np.ndarray:
        is_quantile = isinstance(self.loss, str) and self.loss == "quantile"
        if self.quantiles is not None and not is_quantile:
            raise TrainingError(
                f"quantiles={self.quantiles!r} with loss={self.loss!r}", 'loss="quantile"'
            )
        made = self._read_targets(y)
        goes_on = hasattr(self, "coefs_") and (self.warm_start or incremental)
        if goes_on and made.shape[1] != self._targets:  # before anything of the model changes
            raise DataError(f"y has {made.shape[1]} targets; the model has {self._targets}")
        self._is_flat = made.shape[1] == 1
        self._targets = made.shape[1]
        if hasattr(self._resolved, "check"):
            self._resolved.check(made, self._targets)
        return made

    def _read_targets(self, y: Any) -> np.ndarray:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return np.asarray(y, np.float64).reshape(len(y), -1)

    def _learn_targets(self, rows: Rows) -> None:
        scales = self.preprocess is not None and is_equivariant(self._resolved)
        self._target_scaling = standard(rows.y, rows.w) if scales else None

    def _first_biases(self, rows: Rows) -> np.ndarray | None:
        if self.preprocess is None or not has_log_mean(self._resolved):
            return None
        made = np.zeros(self._n_out())
        mean = np.average(rows.y, axis=0, weights=rows.w)
        made[: self._targets] = np.log(np.maximum(mean, 1e-6))
        return made

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        scaled = y if self._target_scaling is None else self._target_scaling.apply(y)
        return scaled.astype(self._network.dtype)

    def _n_out(self) -> int:
        return self._targets * outputs_per_target(self._resolved)

    def _make_objective(self) -> Objective:
        loss, n = self._resolved, float(self._targets)
        self.out_activation_ = "exp" if has_log_mean(loss) else "identity"
        if loss is losses.squared_error:  # half of it, summed over targets; shown as their mean
            return Objective(loss, 0.5 * n, 0.5)
        if loss is losses.poisson:
            return Objective(loss, n, n)
        return Objective(loss)

    # -- predictions -------------------------------------------------------------------------------

    def _shift(self) -> tuple[Any, Any]:
        """(center, scale) of the targets."""
        scaling = self._target_scaling
        return (0.0, 1.0) if scaling is None else (scaling.center, scaling.scale)

    def _predicted(self, output: np.ndarray) -> np.ndarray:
        """(rows, n_out) outputs -> (rows, targets), in the network's units."""
        if self.quantiles is not None:
            levels = np.asarray(self.quantiles)
            middle = int(np.argmin(np.abs(levels - 0.5)))
            return np.sort(output.reshape(len(output), -1, len(levels)), axis=2)[:, :, middle]
        with np.errstate(all="ignore"):
            return self._objective.link(output)

    def _score_outputs(self, output: np.ndarray, rows: Rows) -> float:
        return float(r2_score(rows.y, self._predicted(output), sample_weight=rows.w))

    def predict(self, X: Any) -> np.ndarray:
        """The target of each row: its mean, or with ``quantiles`` the one nearest to the median.

        Shapes:
            X: (n, n_features) -> (n,), or (n, n_targets).
        """
        made = self._predicted(self._outputs(X))
        made = made if self._target_scaling is None else self._target_scaling.undo(made)
        return made[:, 0] if self._is_flat else made

    def predict_dist(self, X: Any) -> Any:
        """The distribution of each row's target, a frozen one of ``scipy.stats``.

        Shapes:
            X: (n, n_features) -> ``.mean()``, ``.std()``, ``.ppf(q)``: (n,) or (n, n_targets).

        Raises:
            TrainingError: the loss is no likelihood.
        """
        center, scale = self._shift()
        found = distribution(self._resolved, self._outputs(X), center, scale)
        return _squeezed(found) if self._is_flat else found

    def predict_quantiles(self, X: Any, quantiles: Sequence[float] | None = None) -> np.ndarray:
        """Quantiles of each row's target, in order.

        Args:
            X: (n, n_features).
            quantiles: levels for a likelihood; with ``loss="quantile"`` those of ``quantiles``.

        Returns:
            (n, n_quantiles), or (n, n_targets, n_quantiles). Quantiles that the network has in
            the wrong order are sorted: Chernozhukov, Fernández-Val & Galichon 2010.

        Raises:
            TrainingError: the model knows no such quantiles.
        """
        if self.quantiles is None:
            levels = np.asarray([0.1, 0.5, 0.9] if quantiles is None else quantiles)
            dist = self.predict_dist(X)
            return np.stack([dist.ppf(level) for level in levels], axis=-1)
        if quantiles is not None and list(quantiles) != list(self.quantiles):
            raise TrainingError(
                f"predict_quantiles: fitted for {list(self.quantiles)}, asked for {quantiles!r}",
                'a likelihood such as loss="gaussian" gives any',
            )
        center, scale = self._shift()
        output = self._outputs(X)
        made = output.reshape(len(output), self._targets, -1)
        made = np.sort(made * np.reshape(scale, (-1, 1)) + np.reshape(center, (-1, 1)), axis=2)
        return np.asarray(made[:, 0] if self._is_flat else made)


def _squeezed(dist: Any) -> Any:
    """A frozen distribution of (n, 1) as one of (n,)."""
    args = [np.asarray(a)[:, 0] if np.ndim(a) == 2 else a for a in dist.args]
    kwds = {k: np.asarray(a)[:, 0] if np.ndim(a) == 2 else a for k, a in dist.kwds.items()}
    return dist.dist(*args, **kwds)


class MLPRegressor(NetworkRegressor):
    """A multi-layer network for numbers: scikit-learn's, several times as fast.

    Parameters that scikit-learn has mean what they mean there, with its defaults; what they may
    be beside, and ``dropout, norm, callbacks, threads``: see ``MLPClassifier``.

    Args:
        loss: "squared_error", "poisson"; or by name or itself any of ``chainrule.losses``:
            "absolute_error", "huber" (its delta in standard deviations of the target, where the
            target is scaled), "quantile", the likelihoods "gaussian", "gamma",
            "negative_binomial"; or a function (output, y) -> losses.
        quantiles: with ``loss="quantile"``: levels, rising, each of which gets an output.
        preprocess: as in ``MLPClassifier``; but for None the target is scaled too, where the loss
            allows it, and ``loss_curve_`` is in the scaled unit.

    Attributes:
        coefs_: and the others as ``MLPClassifier``.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MLPRegressor(loss="gaussian", hidden_layer_sizes=8, tol=0.1, random_state=0)
        >>> model.fit(X, y).predict_dist(X[:3]).std().shape
        (3,)
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        quantiles: Any = None,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        norm: str | None = None,
        callbacks: Any = (),
        preprocess: str | None = "auto",
        threads: int | None = None,
    ) -> None:
        self._assign(locals())
