"""MLPRegressor: one number or several for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from chainrule import losses
from chainrule.estimators.base import NetworkEstimator, if_stochastic
from chainrule.estimators.objective import Objective
from chainrule.estimators.rows import Rows
from chainrule.estimators.scaling import Scaling, standard


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """A network whose targets are numbers."""

    _target_scaling: Scaling | None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn from rows."""
        return self._fit(X, y, sample_weight, incremental=False)

    @if_stochastic
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """One more pass over these rows; the solver goes on where it stood."""
        return self._fit(X, y, sample_weight, incremental=True)

    # -- targets -----------------------------------------------------------------------------------

    def _take_targets(self, y: Any, incremental: bool) -> np.ndarray:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._is_flat = y.ndim == 1
        self._targets = 1 if y.ndim == 1 else int(y.shape[1])
        return np.asarray(y, np.float64).reshape(len(y), -1)

    def _learn_targets(self, rows: Rows) -> None:
        self._target_scaling = None
        if self.preprocess is not None and self.loss == "squared_error":
            self._target_scaling = standard(rows.y, rows.w)

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        scaled = y if self._target_scaling is None else self._target_scaling.apply(y)
        return scaled.astype(self._network.dtype)

    def _n_out(self) -> int:
        return self._targets

    def _make_objective(self) -> Objective:
        self.out_activation_ = "exp" if self.loss == "poisson" else "identity"
        n = self._targets
        if self.loss == "squared_error":
            return Objective(losses.squared_error, 0.5 * n, 0.5)
        return Objective(losses.LOSSES[self.loss], n, n)

    # -- predictions -------------------------------------------------------------------------------

    def _predicted(self, output: np.ndarray) -> np.ndarray:
        """(rows, n_out) outputs -> (rows, targets), in the targets' units."""
        with np.errstate(all="ignore"):
            made = self._objective.link(output)
        return made if self._target_scaling is None else self._target_scaling.undo(made)

    def _score_outputs(self, output: np.ndarray, rows: Rows) -> float:
        made = self._objective.link(output)
        return float(r2_score(rows.y, made, sample_weight=rows.w))

    def predict(self, X: Any) -> np.ndarray:
        """The target of each row.

        Shapes:
            X: (n, n_features) -> (n,), or (n, n_targets).
        """
        made = self._predicted(self._outputs(X))
        return made[:, 0] if self._is_flat else made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = False
        return tags


class MLPRegressor(NetworkRegressor):
    """A multi-layer network for numbers: scikit-learn's, several times as fast."""

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
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
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        preprocess: Any = "auto",
        threads: int | None = None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.preprocess = preprocess
        self.threads = threads
