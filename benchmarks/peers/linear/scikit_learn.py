"""SGDRegressor and SGDClassifier, their own loops."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier, SGDRegressor

from benchmarks.linear_models import LinearTask, start
from benchmarks.peers.peer import Peer, Turn
from benchmarks.peers.scikit_learn import ScikitLearn as OfNetworks


class ScikitLearn(Peer):
    """No penalty, a constant rate, rows shuffled, a fixed number of epochs.

    The data are float64, in which they were 5 to 15 % quicker than in float32. A call of ``fit``
    makes all epochs of a turn.
    """

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.x, self.y = task.x.astype(np.float64), task.y.astype(np.float64)
        cls = SGDClassifier if task.logistic else SGDRegressor
        self.model = cls(
            loss="log_loss" if task.logistic else "squared_error",
            penalty=None,
            learning_rate="constant",
            eta0=task.learning_rate,
            tol=None,
            max_iter=1,
            warm_start=True,
            random_state=0,
        )

    @staticmethod
    def versions() -> dict[str, str]:
        """scikit-learn's version."""
        return OfNetworks.versions()

    def epoch(self) -> None:
        """One call of ``fit`` for one epoch."""
        self.run(1)

    def run(self, epochs: int) -> Turn:
        """One call of ``fit`` for all epochs."""
        self.model.set_params(max_iter=epochs)
        begin = time.perf_counter()
        self.model.fit(self.x, self.y)
        return Turn(time.perf_counter() - begin, epochs * self.task.steps)

    def weights_now(self) -> Any:
        """The weight and the bias; before the first call of ``fit`` there are none, which is 0."""
        if not hasattr(self.model, "coef_"):
            return start(self.task)
        return self.model.coef_.ravel(), self.model.intercept_[0]
