"""What the four estimators share: checking, scaling, the descent, prediction's first half."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from chainrule.errors import TrainingError
from chainrule.estimators.descent import Descent, Memory
from chainrule.estimators.full_batch import fit_lbfgs
from chainrule.estimators.network import Network
from chainrule.estimators.objective import Objective
from chainrule.estimators.parameters import check_parameters
from chainrule.estimators.programs import outputs
from chainrule.estimators.rows import Rows
from chainrule.estimators.scaling import Scaling, fit_scaling
from chainrule.tracing.trees import flatten, unflatten

#: Solvers that take one batch after the other.
_STOCHASTIC = ("adam", "sgd")


class NetworkEstimator(BaseEstimator):
    """A network as a scikit-learn estimator; a subclass knows about targets."""

    _network: Network
    _memory: Memory
    _scaling: Scaling | None

    # -- what a subclass says ----------------------------------------------------------------------

    def _take_targets(self, y: Any, incremental: bool) -> np.ndarray:
        """Learn the classes, or check against those learnt before; labels or numbers."""
        raise NotImplementedError

    def _n_out(self) -> int:
        """How many numbers the network gives for a row."""
        raise NotImplementedError

    def _make_objective(self) -> Objective:
        """What is minimised."""
        raise NotImplementedError

    def _score_outputs(self, output: np.ndarray, rows: Rows) -> float:
        """The score of outputs for held-out rows; higher is better."""
        raise NotImplementedError

    def _stratify(self, y: np.ndarray) -> np.ndarray | None:
        """The labels that a split keeps in proportion, or None."""
        return None

    # -- fitting ---------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool) -> Any:
        check_parameters(self)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        x, y = self._checked(X, y, first)
        targets = self._take_targets(y, incremental)
        w = None if sample_weight is None else _check_sample_weight(sample_weight, x)
        rows = Rows(x, targets, w)
        random = check_random_state(self.random_state)
        self._prepare(rows, first, random)
        rows, held_out = self._split(self._ready(rows), incremental, random)
        if self.solver in _STOCHASTIC:
            Descent(self, rows, held_out, random).run(
                1 if incremental else self.max_iter, incremental
            )
        else:
            fit_lbfgs(self, rows)
        self._check_finite()
        return self

    def _checked(self, X: Any, y: Any, first: bool) -> tuple[np.ndarray, Any]:
        x, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True,
            dtype=(np.float64, np.float32), reset=first,
        )  # fmt: skip
        return (x if isinstance(x, np.ndarray) else x.toarray()), y

    def _prepare(self, rows: Rows, first: bool, random: np.random.RandomState) -> None:
        """The scaling, the network and its first weights, where they are not there yet."""
        if first or not hasattr(self, "_scaling"):
            self._scaling = None
            if self.preprocess is not None:
                self._scaling = fit_scaling(rows.x, rows.w, self.preprocess)
            self._learn_targets(rows)
        if first:
            self.n_iter_, self.t_ = 0, 0
            self.loss_curve_: list[float] = []
            self.validation_loss_curve_: list[float] = []
        self._network = self._network_for(rows.x.dtype)
        self._make_objective()
        self.n_layers_, self.n_outputs_ = len(self._network.sizes), self._network.sizes[-1]
        if first:
            self._set_params_tree(self._network.start(random))
            self._begin_record()
        if first or not hasattr(self, "_memory"):
            self._memory = Memory(
                self.learning_rate_init,
                int(random.randint(2**31 - 1)) if self._network.dropout else 0,
            )

    def _network_for(self, dtype: np.dtype) -> Network:
        hidden = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=np.int64)).tolist()
        sizes = (self.n_features_in_, *hidden, self._n_out())
        if hasattr(self, "coefs_") and hasattr(self, "_network"):
            dtype = np.dtype(self._network.dtype)
        return Network(sizes, self.activation, str(dtype))

    def _learn_targets(self, rows: Rows) -> None:
        """What is learnt of the targets' scale; nothing for classes."""

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """Targets as the objective takes them."""
        return y

    def _begin_record(self) -> None:
        is_early = self.early_stopping and self.solver in _STOCHASTIC
        self.best_loss_ = None if is_early else np.inf
        self.validation_scores_: list[float] | None = [] if is_early else None
        self.best_validation_score_ = -np.inf if is_early else None

    def _ready(self, rows: Rows) -> Rows:
        """Rows as the network takes them."""
        w = None if rows.w is None else rows.w.astype(self._network.dtype, copy=False)
        return Rows(self._scaled(rows.x), self._encoded(rows.y), w)

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        x = x.astype(self._network.dtype, copy=False)
        return x if self._scaling is None else self._scaling.apply(x)

    def _split(
        self, rows: Rows, incremental: bool, random: np.random.RandomState
    ) -> tuple[Rows, Rows | None]:
        """Rows to learn from and rows held out for early stopping."""
        if not self.early_stopping or self.solver not in _STOCHASTIC:
            return rows, None
        if incremental:
            raise TrainingError("partial_fit does not support early_stopping=True")
        kept, held = train_test_split(
            np.arange(len(rows)), random_state=random, test_size=self.validation_fraction,
            stratify=self._stratify(rows.y),
        )  # fmt: skip
        if len(held) < 2:
            raise TrainingError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return _taken(rows, kept), _taken(rows, held)

    def _check_finite(self) -> None:
        if not all(np.isfinite(leaf).all() for leaf in self._leaves()):
            raise TrainingError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )

    @property
    def _objective(self) -> Objective:
        """Made anew where it is asked for, so that it need not be pickled."""
        return self._make_objective()

    # -- weights -----------------------------------------------------------------------------------

    def _params(self) -> dict[str, Any]:
        """The network's parameters, of which ``coefs_`` and ``intercepts_`` are the public part."""
        dtype = self._network.dtype
        return {
            "coefs": [np.asarray(w, dtype) for w in self.coefs_],
            "intercepts": [np.asarray(b, dtype) for b in self.intercepts_],
            "norms": list(getattr(self, "_norms", [])),
        }

    def _set_params_tree(self, params: dict[str, Any]) -> None:
        self.coefs_, self.intercepts_ = params["coefs"], params["intercepts"]
        self._norms = params["norms"]

    def _leaves(self) -> list[np.ndarray]:
        return flatten(self._params())[0]

    @property
    def _n_leaves(self) -> int:
        return len(self._leaves())

    def _set_leaves(self, leaves: list[np.ndarray]) -> None:
        self._set_params_tree(unflatten(flatten(self._params())[1], leaves))

    # -- judging and predicting --------------------------------------------------------------------

    def _judge(self, rows: Rows) -> tuple[float, float]:
        """(loss, score) of held-out rows."""
        output = outputs(self._network, self._params(), rows.x, self.threads)
        if not np.isfinite(output).all():
            return float("nan"), float("nan")
        loss = self._objective.shown * self._objective.mean(output, rows.y, rows.w)
        return float(loss), self._score_outputs(output, rows)

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs for rows as they are given."""
        check_is_fitted(self, "coefs_")
        x = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        x = x if isinstance(x, np.ndarray) else x.toarray()
        return outputs(self._network, self._params(), self._scaled(x), self.threads)

    def _is_stochastic(self) -> bool:
        return self.solver in _STOCHASTIC

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _taken(rows: Rows, chosen: np.ndarray) -> Rows:
    return Rows(rows.x[chosen], rows.y[chosen], None if rows.w is None else rows.w[chosen])


#: ``partial_fit`` is there for solvers that take one batch after the other.
if_stochastic = available_if(lambda model: model._is_stochastic())
