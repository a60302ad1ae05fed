"""scikit-learn's MLPClassifier, its own loop."""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.machine import version
from benchmarks.networks import BETAS, EPSILON, MOMENTUM, Layer, Task
from benchmarks.peers.peer import NotComparableError, Peer, Turn

NEVER = 10**9  # epochs without improvement before it would stop


class ScikitLearn(Peer):
    """Penalty off. For two classes it has one logistic output where others have two.

    Several epochs are one call of ``fit``, so that its checks of the input are paid once a turn.
    """

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.model = MLPClassifier(
            task.sizes[1:-1],
            solver="adam" if task.optimizer == "adam" else "sgd",
            batch_size=task.batch,
            learning_rate_init=task.learning_rate,
            momentum=MOMENTUM if task.optimizer == "momentum" else 0.0,
            nesterovs_momentum=False,
            beta_1=BETAS[0],
            beta_2=BETAS[1],
            epsilon=EPSILON,
            alpha=0.0,
            n_iter_no_change=NEVER,
            warm_start=True,
            max_iter=1,
            random_state=0,
        )

    @staticmethod
    def versions() -> dict[str, str]:
        """scikit-learn's version."""
        return {"scikit-learn": version("scikit-learn")}

    def epoch(self) -> None:
        """One call of ``fit`` for one epoch."""
        self.run(1)

    def run(self, epochs: int) -> Turn:
        """One call of ``fit`` for all epochs."""
        self.model.set_params(max_iter=epochs)
        start = time.perf_counter()
        self.model.fit(self.task.x, self.task.y)
        return Turn(time.perf_counter() - start, epochs * self.task.steps)

    def begin_from_task(self) -> None:
        """Take the task's first weights, which ``fit`` alone has no way to be given.

        Raises:
            NotComparableError: there are two classes.
        """
        if self.task.sizes[-1] == 2:
            raise NotComparableError("one logistic output for two classes")
        self.run(1)  # sets up what a warm start needs; its weights are replaced
        self.model.coefs_ = [np.ascontiguousarray(w.T) for w, _ in self.task.layers]
        self.model.intercepts_ = [b.copy() for _, b in self.task.layers]

    def weights_now(self) -> list[Layer]:
        """Turned to (n_out, n_in)."""
        return [(w.T, b) for w, b in zip(self.model.coefs_, self.model.intercepts_, strict=True)]
