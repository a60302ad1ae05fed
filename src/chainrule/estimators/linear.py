"""LinearRegressor and LogisticClassifier: a network of one layer, with coefficients to read."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.estimators.classifier import NetworkClassifier
from chainrule.estimators.regressor import NetworkRegressor


class LinearRegressor(NetworkRegressor):
    """A linear model of numbers."""

    #: No hidden layers.
    hidden_layer_sizes = ()
    activation = "identity"

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        solver: Any = "lbfgs",
        alpha: float = 0.0,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 1000,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-6,
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

    @property
    def coef_(self) -> np.ndarray:
        """Weights in the units of the features and targets, (n_features,) or (n_targets, ...)."""
        coef, _ = self._line()
        return coef[0] if self._is_flat else coef

    @property
    def intercept_(self) -> Any:
        """The value where all features are 0."""
        _, intercept = self._line()
        return intercept[0] if self._is_flat else intercept

    def _line(self) -> tuple[np.ndarray, np.ndarray]:
        coef, intercept = unscaled(self)
        if self._target_scaling is None:
            return coef, intercept
        scale, center = self._target_scaling.scale, self._target_scaling.center
        return coef * scale[:, None], intercept * scale + center


class LogisticClassifier(NetworkClassifier):
    """Logistic regression, softmax for more than two classes."""

    #: No hidden layers.
    hidden_layer_sizes = ()
    activation = "identity"

    def __init__(
        self,
        *,
        solver: Any = "lbfgs",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 1000,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-6,
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

    @property
    def coef_(self) -> np.ndarray:
        """Weights of the logits in the units of the features, (1 or n_classes, n_features)."""
        return unscaled(self)[0]

    @property
    def intercept_(self) -> np.ndarray:
        """The logits where all features are 0."""
        return unscaled(self)[1]

    def decision_function(self, X: Any) -> np.ndarray:
        """The logits: (n,) for two classes, else (n, n_classes)."""
        output = self._outputs(X)
        return output[:, 0] if self._has_one_logit else output


def unscaled(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """(weights (n_out, n_in), intercepts) of outputs for features as they were given."""
    w, b = model.coefs_[0].T.astype(np.float64), model.intercepts_[0].astype(np.float64)
    if model._scaling is None:
        return w, b
    w = w / model._scaling.scale
    return w, b - w @ model._scaling.center
