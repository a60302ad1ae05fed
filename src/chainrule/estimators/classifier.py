"""MLPClassifier: classes, several labels at once, probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from chainrule import losses
from chainrule.errors import DataError
from chainrule.estimators.base import NetworkEstimator, if_stochastic
from chainrule.estimators.objective import Objective
from chainrule.estimators.rows import Rows


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A network whose targets are classes: one logit for two, one for each of more."""

    classes_: np.ndarray

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn from rows."""
        return self._fit(X, y, sample_weight, incremental=False)

    @if_stochastic
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """One more pass over these rows; the solver goes on where it stood.

        Args:
            X: rows, (n, n_features).
            y: their classes, (n,); or (n, n_labels) of 0 and 1.
            sample_weight: (n,).
            classes: all classes that will ever come; needed in the first call.
        """
        self._take_classes(y, classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def _take_classes(self, y: Any, classes: Any) -> None:
        has = hasattr(self, "classes_")
        if classes is None:
            if not has:
                raise DataError("classes must be passed on the first call to partial_fit.")
            return
        given = unique_labels(classes)
        if has and not np.array_equal(self.classes_, given):
            raise DataError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        if not has:
            self.classes_ = given
            self._is_multilabel = type_of_target(y).startswith("multilabel")

    # -- targets -----------------------------------------------------------------------------------

    def _take_targets(self, y: Any, incremental: bool) -> np.ndarray:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise DataError("Multioutput target data is not supported with label binarization")
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self.classes_ = unique_labels(y)
            self._is_multilabel = kind.startswith("multilabel")
        else:
            self._check_classes(y, incremental)
        if self._is_multilabel:
            return np.asarray(y.toarray() if hasattr(y, "toarray") else y, np.int64)
        return np.asarray(np.searchsorted(self.classes_, y), np.int64)

    def _check_classes(self, y: Any, incremental: bool) -> None:
        classes = unique_labels(y)
        if not incremental and set(classes) != set(self.classes_):
            raise DataError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_)):
            raise DataError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )

    @property
    def _has_one_logit(self) -> bool:
        return not self._is_multilabel and len(self.classes_) <= 2

    def _n_out(self) -> int:
        return 1 if self._has_one_logit else len(self.classes_)

    def _stratify(self, y: np.ndarray) -> np.ndarray | None:
        return y.astype(bool)[:, None] if self._has_one_logit else None

    def _make_objective(self) -> Objective:
        self.out_activation_ = "logistic"
        if self._is_multilabel:
            n = float(len(self.classes_))  # scikit-learn sums over the labels
            return Objective(losses.binary_cross_entropy, n, n)
        if self._has_one_logit:
            return Objective(losses.binary_cross_entropy)
        self.out_activation_ = "softmax"
        return Objective(losses.cross_entropy)

    # -- predictions -------------------------------------------------------------------------------

    def _probabilities(self, output: np.ndarray) -> np.ndarray:
        """(rows, n_out) logits -> (rows, classes)."""
        if self._is_multilabel:
            return np.asarray(special.expit(output))
        if not self._has_one_logit:
            return np.asarray(special.softmax(output, axis=1))
        yes = special.expit(output)
        return np.concatenate([1 - yes, yes], axis=1)

    def _labels(self, output: np.ndarray) -> np.ndarray:
        if self._is_multilabel:
            return np.asarray(output > 0, np.int64)
        if self._has_one_logit:
            number = (output[:, 0] > 0) & (len(self.classes_) > 1)
            return self.classes_[number.astype(np.int64)]
        return np.asarray(self.classes_[np.argmax(output, axis=1)])

    def _score_outputs(self, output: np.ndarray, rows: Rows) -> float:
        truth = rows.y if self._is_multilabel else self.classes_[rows.y]
        return float(accuracy_score(truth, self._labels(output), sample_weight=rows.w))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row; of several labels each that is likelier than not.

        Shapes:
            X: (n, n_features) -> (n,) classes, or (n, n_labels) of 0 and 1.
        """
        return self._labels(self._outputs(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, in the order of ``classes_``.

        Shapes:
            X: (n, n_features) -> (n, n_classes).
        """
        return self._probabilities(self._outputs(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of ``predict_proba``."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPClassifier(NetworkClassifier):
    """A multi-layer network that tells classes apart: scikit-learn's, several times as fast."""

    def __init__(
        self,
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
