"""LinearRegressor and LogisticClassifier: a network of one layer, with coefficients to read."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import TrainingError
from chainrule.estimators.classifier import NetworkClassifier
from chainrule.estimators.regressor import NetworkRegressor


@property  # type: ignore[misc]
def straight(model: Any) -> str | None:
    """How inputs are scaled: "auto" is "standard" here."""
    return "standard" if model.preprocess == "auto" else model.preprocess


class LinearRegressor(NetworkRegressor):
    """A linear model of numbers: least squares, or under any other loss.

    A network without hidden layers: parameters that are not named here are those of
    ``MLPRegressor``.
    Inputs are scaled inside, and so is the target.

    Args:
        loss: "squared_error", or what ``MLPRegressor`` takes: "quantile", "huber", "poisson" ...
        solver: "lbfgs" by default, to a gradient of ``tol``; or as ``MLPRegressor``'s.
        alpha: the weight of the L2 penalty on the scaled coefficients, 0 by default.

    Attributes:
        coef_: in the units of the features and the target; ``intercept_`` too. A likelihood of two
            numbers has a second row: of the logarithm of the variance, shape or dispersion.

    Example:
        >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])
        >>> model = LinearRegressor(tol=1e-10).fit(X, X @ [2.0, -1.0] + 3.0)
        >>> model.coef_.round(4), round(float(model.intercept_), 4)
        (array([ 2., -1.]), 3.0)
    """

    #: No hidden layer.
    hidden_layer_sizes = ()
    #: Along straight lines, so that there are coefficients.
    _scale = straight
    activation = "identity"
    dropout = 0.0
    norm = None

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        quantiles: Any = None,
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
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        callbacks: Any = (),
        preprocess: str | None = "auto",
        threads: int | None = None,
    ) -> None:
        self._assign(locals())

    @property
    def coef_(self) -> np.ndarray:
        """Weights in the units of the features and targets: (n_features,) or (n_targets, ...)."""
        coef, _ = self._line()
        return coef[0] if len(coef) == 1 else coef

    @property
    def intercept_(self) -> Any:
        """The output where all features are 0."""
        _, intercept = self._line()
        return intercept[0] if len(intercept) == 1 else intercept

    def _line(self) -> tuple[np.ndarray, np.ndarray]:
        coef, intercept = unscaled(self)
        if self._target_scaling is None:
            return coef, intercept
        scale, center = self._target_scaling.scale, self._target_scaling.center
        if self.quantiles is not None:  # an output for each target and level, targets first
            scale, center = (np.repeat(a, len(self.quantiles)) for a in (scale, center))
        n = len(scale)
        # Behind the targets' lines there may be those of logarithms of variances.
        lines, logs = coef[:n] * scale[:, None], coef[n:]
        shifts = np.concatenate([intercept[:n] * scale + center, intercept[n:]])
        shifts[n:] += 2 * np.log(scale[: len(logs)])
        return np.vstack([lines, logs]), shifts


class LogisticClassifier(NetworkClassifier):
    """Logistic regression; softmax for more than two classes.

    A network without hidden layers: parameters that are not named here are those of
    ``MLPClassifier``.
    Inputs are scaled inside.

    Args:
        loss: "log_loss", or what ``MLPClassifier`` takes, such as "hinge".
        solver: "lbfgs" by default, to a gradient of ``tol``; or as ``MLPClassifier``'s.
        alpha: the weight of the L2 penalty on the scaled coefficients, 0.0001 by default.

    Attributes:
        coef_: in the units of the features; ``intercept_`` too.

    Example:
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> LogisticClassifier().fit(X, ["low", "low", "high", "high"]).predict([[0.4], [2.8]])
        array(['low', 'high'], dtype='<U4')
    """

    #: No hidden layer.
    hidden_layer_sizes = ()
    #: Along straight lines, so that there are coefficients.
    _scale = straight
    activation = "identity"
    dropout = 0.0
    norm = None

    def __init__(
        self,
        *,
        loss: Any = "log_loss",
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
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        callbacks: Any = (),
        class_weight: Any = None,
        calibration: str | None = None,
        preprocess: str | None = "auto",
        threads: int | None = None,
    ) -> None:
        self._assign(locals())

    @property
    def coef_(self) -> np.ndarray:
        """Weights of the logits in the units of the features: (1 or n_classes, n_features)."""
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
    """(weights (n_out, n_in), intercepts) of outputs for features as they were given.

    Raises:
        TrainingError: the scaling is no straight line.
    """
    w, b = model.coefs_[0].T.astype(np.float64), model.intercepts_[0].astype(np.float64)
    scaling = model._inputs.scaling
    if scaling is None:
        return w, b
    if scaling.scores or (scaling.bent is not None and scaling.bent.any()):
        raise TrainingError(
            "coef_: some inputs were not scaled along a straight line (heavy tails, quantiles)",
            'preprocess="standard", or coefs_ for the weights of the scaled inputs',
        )
    n = len(scaling.scale)
    w = np.hstack([w[:, :n] / scaling.scale, w[:, n:]])
    return w, b - w[:, :n] @ scaling.center
