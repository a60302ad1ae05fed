"""What the four estimators share: checking, inputs, the fit, the network's outputs."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from chainrule.errors import TrainingError
from chainrule.estimators.descent import Descent
from chainrule.estimators.foreign import taken_in
from chainrule.estimators.full_batch import fit_lbfgs
from chainrule.estimators.inputs import Inputs, is_large, is_mixed
from chainrule.estimators.network import Network
from chainrule.estimators.objective import Objective
from chainrule.estimators.parameters import check_parameters
from chainrule.estimators.programs import outputs
from chainrule.estimators.rows import Rows
from chainrule.estimators.solvers import Memory, is_stochastic
from chainrule.losses import check_weights
from chainrule.tracing.trees import flatten, unflatten

#: Rows of a sparse matrix that are written out at a time for prediction.
_BLOCK: Final = 4096


class NetworkEstimator(BaseEstimator):
    """A network as a scikit-learn estimator; a subclass knows about targets."""

    #: What ``loss`` may be by name.
    loss_names: ClassVar[tuple[str, ...]] = ()

    _network: Network
    _memory: Memory
    _inputs: Inputs

    def _assign(self, given: dict[str, Any]) -> None:
        """The constructor's arguments as attributes of their names, unchanged."""
        for name, value in given.items():
            if name != "self" and not name.startswith("__"):
                setattr(self, name, value)

    # -- what a subclass says ----------------------------------------------------------------------

    def _take_targets(self, y: Any, incremental: bool) -> np.ndarray:
        """Learn the classes, or check against those learnt before; labels or numbers."""
        raise NotImplementedError

    def _read_targets(self, y: Any) -> np.ndarray:
        """The same of validation data: nothing is learnt."""
        raise NotImplementedError

    def _learn_targets(self, rows: Rows) -> None:
        """What is learnt of the targets' scale; nothing for classes."""

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """Targets as the objective takes them."""
        return y

    def _first_biases(self, rows: Rows) -> np.ndarray | None:
        """Where the outputs begin, (n_out,), if not as the network is drawn."""
        return None

    def _n_out(self) -> int:
        """How many numbers the network gives for a row."""
        raise NotImplementedError

    def _make_objective(self) -> Objective:
        """What is minimised."""
        raise NotImplementedError

    def _score_outputs(self, output: np.ndarray, rows: Rows) -> float:
        """The score of outputs for held-out rows; higher is better."""
        raise NotImplementedError

    def _weighted(self, y: np.ndarray, w: np.ndarray | None) -> np.ndarray | None:
        """The rows' weights with those of their classes."""
        return w

    def _stratify(self, y: np.ndarray) -> np.ndarray | None:
        """The labels that a split keeps in proportion, or None."""
        return None

    def _calibrate(self, held_out: Rows) -> None:
        """Fit what corrects predictions, on rows that were not learnt from."""

    @property
    def _scale(self) -> str | None:
        """How inputs are scaled."""
        return self.preprocess  # type: ignore[no-any-return]

    @property
    def _holds_out(self) -> bool:
        """Whether something is asked for that needs rows held out."""
        return bool(self.early_stopping) and is_stochastic(self.solver)

    # -- fitting -----------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation: Any) -> Any:
        check_parameters(self)
        if validation is None and self._holds_out:
            self._check_held_out(incremental)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        x, y = self._checked(X, y, first)
        targets = self._take_targets(y, incremental)
        w = _row_weights(sample_weight, x)
        rows = Rows(x, targets, self._weighted(targets, w))
        random = check_random_state(self.random_state)
        self._prepare(rows, first, random)
        ready = self._ready(rows)
        held_out = None if validation is None else self._validation(validation)
        if held_out is None and self._holds_out:
            ready, held_out = self._split(ready, random)
        if is_stochastic(self.solver):
            epochs = 1 if incremental else self.max_iter
            Descent(self, ready, held_out, random).run(epochs, incremental)
        else:
            fit_lbfgs(self, ready)
        self._check_finite()
        if held_out is not None:
            self._calibrate(held_out)
        return self

    def _checked(self, X: Any, y: Any, first: bool) -> tuple[Any, Any]:
        X, y = taken_in(X), taken_in(y)
        if self._takes_columns(X, first):
            validate_data(self, X, skip_check_array=True, reset=first)
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
            return X, y
        return validate_data(  # type: ignore[no-any-return]
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, reset=first,
            dtype=(np.float64, np.float32), ensure_all_finite=self._finite,
        )  # fmt: skip

    @property
    def _finite(self) -> Any:
        """What scikit-learn is to refuse: NaN is filled, where inputs are preprocessed."""
        return True if self.preprocess is None else "allow-nan"

    def _takes_columns(self, X: Any, first: bool) -> bool:
        """Whether X is a table whose columns are encoded: the first table decides.

        Raises:
            TrainingError: the first one was such a table, and this one's columns have no names.
        """
        fitted = None if first else getattr(self, "_inputs", None)
        if fitted is None:
            return is_mixed(X)
        if fitted.columns is not None and not hasattr(X, "columns"):
            raise TrainingError(
                f"{type(self).__name__} was fitted on a table with named columns; got "
                f"{type(X).__name__}",
                "pass a data frame with the same columns",
            )
        return fitted.columns is not None

    def _prepare(self, rows: Rows, first: bool, random: np.random.RandomState) -> None:
        """What inputs need, the network and its first weights, where they are not there yet."""
        if first or not hasattr(self, "_inputs"):
            self._inputs = Inputs.fit(rows.x, rows.w, self._scale)
            self._learn_targets(rows)
        if first:
            self.n_iter_, self.t_ = 0, 0
            self.loss_curve_: list[float] = []
            self.validation_loss_curve_: list[float] = []
        if first or not hasattr(self, "_network"):
            self._network = self._new_network(rows.x)
        self.n_layers_, self.n_outputs_ = len(self._network.sizes), self._network.sizes[-1]
        if first:
            params, biases = self._network.start(random), self._first_biases(rows)
            if biases is not None:
                params["intercepts"][-1][:] = biases
            self._set_params_tree(params)
            self._begin_record()
        if first or not hasattr(self, "_memory"):
            seed = int(random.randint(2**31 - 1)) if self._network.dropout else 0
            self._memory = Memory(self.learning_rate_init, seed)

    def _new_network(self, x: Any) -> Network:
        hidden = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=np.int64)).tolist()
        sizes = (self._inputs.width(self.n_features_in_), *hidden, self._n_out())
        dtype = "float32" if self._inputs.columns is not None else str(x.dtype)
        return Network(sizes, self.activation, dtype, float(self.dropout), self.norm)

    def _begin_record(self) -> None:
        is_early = bool(self.early_stopping) and is_stochastic(self.solver)
        self.stopped_ = False
        self.best_loss_ = None if is_early else np.inf
        self.validation_scores_: list[float] | None = [] if is_early else None
        self.best_validation_score_ = -np.inf if is_early else None

    def _ready(self, rows: Rows) -> Rows:
        """Rows as the network takes them; a large sparse matrix stays sparse."""
        dtype = self._network.dtype
        w = None if rows.w is None else rows.w.astype(dtype, copy=False)
        x = rows.x
        if is_large(x) and self._inputs.keeps_sparse:
            made = self._inputs.apply_sparse(x, dtype)
        else:
            made = self._inputs.apply(x, dtype)
        return Rows(made, self._encoded(rows.y), w)

    def _validation(self, given: Any) -> Rows:
        """Rows to validate on, as they were given."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise TrainingError("validation_data: expected (X, y) or (X, y, sample_weight)")
        x = self._read(given[0])
        y = check_array(taken_in(given[1]), ensure_2d=False, dtype=None, input_name="y")
        check_consistent_length(x, y)
        w = _row_weights(given[2] if len(given) == 3 else None, x)
        return self._ready(Rows(x, self._read_targets(y), w))

    def _check_held_out(self, incremental: bool) -> None:
        """Refuse what needs rows held out where there are none to hold out."""
        if incremental and self.early_stopping:
            raise TrainingError(
                "partial_fit does not support early_stopping=True",
                "partial_fit(X, y, validation_data=(Xv, yv)) does: rows of their own to judge by",
            )

    def _split(self, rows: Rows, random: np.random.RandomState) -> tuple[Rows, Rows]:
        """Rows to learn from and rows held out."""
        # A row of weight 0 is no row: with none but such rows held out there is no score.
        seen = np.arange(len(rows)) if rows.w is None else np.flatnonzero(rows.w > 0)
        kept, held = train_test_split(
            seen, random_state=random, test_size=self.validation_fraction,
            stratify=self._stratify(rows.y[seen]),
        )  # fmt: skip
        if len(held) < 2:
            raise TrainingError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return rows.taken(kept), rows.taken(held)

    def _check_finite(self) -> None:
        # L-BFGS returns the first weights where the loss is NaN.
        is_nan = not is_stochastic(self.solver) and np.isnan(getattr(self, "loss_", 0.0))
        if is_nan or not all(np.isfinite(leaf).all() for leaf in self._leaves()):
            raise TrainingError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed.",
                "a smaller learning_rate_init",
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

    def _set_leaves(self, leaves: list[np.ndarray]) -> None:
        self._set_params_tree(unflatten(flatten(self._params())[1], leaves))

    # -- judging and predicting --------------------------------------------------------------------

    def _judge(self, rows: Rows) -> tuple[float, float]:
        """(loss, score) of held-out rows."""
        output = self._outputs_of(rows.x)
        if not np.isfinite(output).all():
            return float("nan"), float("nan")
        objective = self._objective
        loss = objective.shown * objective.mean(output, rows.y, rows.w)
        return float(loss), self._score_outputs(output, rows)

    def _outputs_of(self, x: Any) -> np.ndarray:
        """The outputs for rows as the network takes them; sparse ones are written out in blocks."""
        if not sparse.issparse(x):
            return outputs(self._network, self._params(), x, self.threads)
        parts = [x[k : k + _BLOCK].toarray() for k in range(0, x.shape[0], _BLOCK)]
        return np.concatenate(
            [outputs(self._network, self._params(), part, self.threads) for part in parts]
        )

    def _read(self, X: Any) -> Any:
        """Rows to predict, checked against those that were learnt from."""
        X = taken_in(X)
        if self._takes_columns(X, first=False):
            validate_data(self, X, skip_check_array=True, reset=False)
            return X
        return validate_data(
            self, X, accept_sparse=["csr", "csc"], reset=False, ensure_all_finite=self._finite,
            dtype=(np.float64, np.float32),
        )  # fmt: skip

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs for rows as they are given."""
        check_is_fitted(self, "coefs_")
        x, dtype = self._read(X), self._network.dtype
        if not sparse.issparse(x):
            return self._outputs_of(self._inputs.apply(x, dtype))
        blocks = range(0, x.shape[0], _BLOCK)
        x = x.tocsr()
        return np.concatenate(
            [self._outputs_of(self._inputs.apply(x[k : k + _BLOCK], dtype)) for k in blocks]
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.preprocess is not None
        return tags


def _row_weights(given: Any, x: Any) -> np.ndarray | None:
    """A weight for each row, or None.

    Raises:
        DataError: one is negative or not finite; all are 0.
    """
    if given is None:
        return None
    w: np.ndarray = _check_sample_weight(taken_in(given), x)
    check_weights(w)
    return w


#: ``partial_fit`` is there for solvers that take one batch after the other.
if_stochastic = available_if(lambda model: is_stochastic(model.solver))
