"""Classifiers: classes, several labels at once, probabilities; MLPClassifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from chainrule import losses
from chainrule.errors import DataError, TrainingError
from chainrule.estimators.base import NetworkEstimator, if_stochastic
from chainrule.estimators.calibration import fitted_temperature
from chainrule.estimators.objective import Objective
from chainrule.estimators.rows import Rows
from chainrule.losses import Loss

#: Losses that ask for a logit for each class, of two classes too.
_SOFTMAX = ("cross_entropy", "kl_divergence")


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A network whose targets are classes: one logit for two, one for each of more."""

    loss_names = ("log_loss", "cross_entropy", "binary_cross_entropy", "kl_divergence", "hinge")
    classes_: np.ndarray

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Any:
        """Learn from rows.

        Args:
            X: (n, n_features): an array, a sparse matrix, or a data frame whose categories, dates
                and missing values are taken as they are.
            y: (n,) classes, or (n, n_labels) of 0 and 1.
            sample_weight: (n,), not negative; a weight of 2 is the row twice.
            validation_data: (X, y) or (X, y, sample_weight) to judge each epoch by, in place of
                rows held out: ``validation_loss_curve_``, early stopping and calibration.

        Raises:
            DataError, TrainingError: both are ValueErrors.
        """
        self.temperature_ = 1.0
        return self._fit(X, y, sample_weight, False, validation_data)

    @if_stochastic
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, *,
        validation_data: Any = None,
    ) -> Any:  # fmt: skip
        """One more pass over these rows; solver, schedule and early stopping go on.

        What scales the inputs is learnt in the first call.

        Args:
            X: (n, n_features).
            y: (n,) classes, or (n, n_labels) of 0 and 1.
            sample_weight: (n,).
            classes: all classes that will ever come; needed in the first call.
            validation_data: as in ``fit``; with ``early_stopping`` the attribute ``stopped_`` says
                when patience has run out.
        """
        if isinstance(self.class_weight, str):
            raise TrainingError(
                'class_weight="balanced" is not known to partial_fit: it sees few of the rows',
                "pass the weights as a dict by class; compute_class_weight gives them",
            )
        self._take_classes(y, classes)
        if not hasattr(self, "temperature_"):
            self.temperature_ = 1.0
        return self._fit(X, y, sample_weight, True, validation_data)

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
        y = _flat(y)
        if hasattr(self, "classes_") and (self.warm_start or incremental):
            self._check_classes(y, incremental)
            return self._numbered(y)
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multiclass-multioutput":
            raise DataError(
                "Multioutput target data is not supported with label binarization",
                "several labels at once are columns of 0 and 1",
            )
        self.classes_ = unique_labels(y)
        self._is_multilabel = kind.startswith("multilabel")
        return self._numbered(y)

    def _read_targets(self, y: Any) -> np.ndarray:
        y = _flat(y)
        self._check_classes(y, incremental=True)
        return self._numbered(y)

    def _numbered(self, y: Any) -> np.ndarray:
        """Places among ``classes_``, or columns of 0 and 1."""
        expected = (len(self.classes_),) if self._is_multilabel else ()
        if y.shape[1:] != expected:
            raise DataError(f"y has shape {y.shape}; expected {(y.shape[0], *expected)}")
        if self._is_multilabel:
            return np.asarray(y.toarray() if hasattr(y, "toarray") else y, np.int64)
        return np.asarray(np.searchsorted(self.classes_, y), np.int64)

    def _check_classes(self, y: Any, incremental: bool) -> None:
        classes = unique_labels(y) if self._is_multilabel else np.unique(y)
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

    def _weighted(self, y: np.ndarray, w: np.ndarray | None) -> np.ndarray | None:
        if self.class_weight is None:
            return w
        by_class = self._class_weights(y, w)
        made: np.ndarray = np.asarray(by_class if w is None else w * by_class)
        if not (np.isfinite(made) & (made >= 0)).all() or not made.any():
            raise DataError(
                f"class_weight={self.class_weight!r}: expected finite numbers from 0, and rows "
                "whose weight is above 0"
            )
        return made

    def _class_weights(self, y: np.ndarray, w: np.ndarray | None) -> np.ndarray:
        """Each row's weight by its class; a class that a dict does not name has 1."""
        given = self.class_weight
        if isinstance(given, str) and given == "balanced":
            columns = y.T if self._is_multilabel else [y]
            return np.asarray(np.prod([_balanced(column, w) for column in columns], axis=0))
        if self._is_multilabel or not isinstance(given, dict):
            labels = y if self._is_multilabel else self.classes_[y]
            return np.asarray(compute_sample_weight(given, labels))
        # compute_sample_weight refuses a class that these rows lack: one batch may lack it.
        known = self.classes_.tolist()
        if unknown := [label for label in given if label not in known]:
            raise DataError(f"class_weight names {unknown}, which are no classes: {known}")
        by_class = np.array([given.get(label, 1.0) for label in known], np.float64)
        return np.asarray(by_class[y])

    @property
    def _has_one_logit(self) -> bool:
        is_softmax = isinstance(self.loss, Loss) and self.loss.name in _SOFTMAX
        named = isinstance(self.loss, str) and self.loss in _SOFTMAX
        return not self._is_multilabel and len(self.classes_) <= 2 and not (is_softmax or named)

    def _n_out(self) -> int:
        if self._has_one_logit:
            return 1
        return len(self.classes_) if self._is_multilabel else max(len(self.classes_), 2)

    def _stratify(self, y: np.ndarray) -> np.ndarray | None:
        return y.astype(bool)[:, None] if self._has_one_logit else None

    def _make_objective(self) -> Objective:
        several = not self._has_one_logit and not self._is_multilabel
        self.out_activation_ = "softmax" if several else "logistic"
        if isinstance(self.loss, str) and self.loss != "log_loss":
            return Objective(losses.LOSSES[self.loss])
        if not isinstance(self.loss, str):
            return Objective(self.loss)
        if self._is_multilabel:
            n = float(len(self.classes_))  # scikit-learn sums over the labels
            return Objective(losses.binary_cross_entropy, n, n)
        return Objective(losses.cross_entropy if several else losses.binary_cross_entropy)

    # -- predictions -------------------------------------------------------------------------------

    @property
    def _holds_out(self) -> bool:
        return super()._holds_out or self.calibration is not None

    def _check_held_out(self, incremental: bool) -> None:
        super()._check_held_out(incremental)
        if incremental and self.calibration is not None:
            raise TrainingError(
                f"partial_fit with calibration={self.calibration!r} needs rows to calibrate on",
                "partial_fit(X, y, validation_data=(Xv, yv))",
            )

    def _calibrate(self, held_out: Rows) -> None:
        if self.calibration is not None:
            output = self._outputs_of(held_out.x)
            self.temperature_ = fitted_temperature(output, held_out, self._objective)

    def _probabilities(self, output: np.ndarray) -> np.ndarray:
        """(rows, n_out) logits -> (rows, classes)."""
        output = output / output.dtype.type(self.temperature_)
        if self._is_multilabel:
            return np.asarray(special.expit(output))
        if not self._has_one_logit:
            return np.asarray(special.softmax(output, axis=1)[:, : len(self.classes_)])
        yes = special.expit(output)
        return np.concatenate([1 - yes, yes], axis=1)

    def _labels(self, output: np.ndarray) -> np.ndarray:
        if self._is_multilabel:
            return np.asarray(output > 0, np.int64)
        if self._has_one_logit:
            number = (output[:, 0] > 0) & (len(self.classes_) > 1)
            return np.asarray(self.classes_[number.astype(np.int64)])
        return np.asarray(self.classes_[np.argmax(output[:, : len(self.classes_)], axis=1)])

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

        Raises:
            TrainingError: the loss gives scores that are no logits (hinge).
        """
        if "hinge" in (self.loss, getattr(self.loss, "name", "")):
            raise TrainingError("predict_proba: hinge gives margins, no probabilities", "predict")
        return self._probabilities(self._outputs(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of ``predict_proba``."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _balanced(labels: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """(n,) total / (k * that of the row's class), of weights, so that 2 is the row twice."""
    totals = np.bincount(labels, w)
    share = totals.sum() / np.count_nonzero(totals)
    by_class = np.divide(share, totals, out=np.zeros(len(totals)), where=totals > 0)
    return np.asarray(by_class[labels])


def _flat(y: Any) -> Any:
    """One column as one axis; scikit-learn's warning says so."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


class MLPClassifier(NetworkClassifier):
    """A multi-layer network that tells classes apart: scikit-learn's, several times as fast.

    Parameters that scikit-learn has mean what they mean there, with its defaults:
    ``hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate,
    learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, warm_start,
    momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon,
    n_iter_no_change, max_fun``. Beyond that ``activation`` may be any of ``nn.ACTIVATIONS``,
    ``solver`` any of ``chainrule.optim`` with its schedule, ``batch_size`` a batch schedule.

    Args:
        loss: "log_loss"; or one of ``chainrule.losses``, such as
            ``losses.cross_entropy(label_smoothing=0.1)``; or a function (output, y) -> losses.
        dropout: the share of each hidden layer's numbers that a step leaves out.
        norm: "batch" or "layer" normalisation of each hidden layer.
        class_weight: a dict by class, or "balanced".
        calibration: "temperature" divides the logits by a number that is fitted on held-out rows
            (``temperature_``).
        callbacks: called with a ``cr.Progress`` at the end of each epoch; one that returns a
            string stops the fit.
        preprocess: "auto", "standard", "robust" or "quantile" scaling of the inputs, with missing
            values filled and marked; None leaves them as they are.
        threads: how many run a step; the bits are the same on any number.

    Attributes:
        classes_: the classes. Others as scikit-learn's: ``coefs_, intercepts_, loss_,
            loss_curve_, best_loss_, validation_scores_, best_validation_score_, n_iter_, t_,
            n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_``. The
            weights are those of the network, behind the preprocessing.
        validation_loss_curve_: the loss of the held-out rows after each epoch.
        stopped_: whether the last fit ended before ``max_iter``.

    Source:
        Temperature: Guo, Pleiss, Sun & Weinberger 2017, On Calibration of Modern Neural Networks.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = MLPClassifier((32,), solver="lbfgs", random_state=0).fit(X, y)
        >>> bool(model.score(X, y) > 0.97), model.predict_proba(X[:1]).shape
        (True, (1, 3))
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        loss: Any = "log_loss",
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
        class_weight: Any = None,
        calibration: str | None = None,
        preprocess: str | None = "auto",
        threads: int | None = None,
    ) -> None:
        self._assign(locals())
