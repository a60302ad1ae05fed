"""A loss from any log-likelihood, and a loss for models that are several in one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import ChainruleError, ShapeError, TrainingError
from chainrule.gradients.batch import vmap
from chainrule.losses.record import Loss
from chainrule.losses.weights import fit_weights, totals
from chainrule.tracing.shaping import as_array
from chainrule.tracing.trees import flatten, tree_map

Array: TypeAlias = Any
Tree: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class LogLikelihood:
    """Minus the mean of log p over the examples, in nats; made by ``log_likelihood``."""

    logpdf: Callable[..., Any]
    batched: bool | None = None
    weighted: bool = False

    unit = "nats"

    def __call__(self, params: Tree, *data: Tree) -> Array:
        if not self.weighted:
            return -np.mean(self._logs(params, data))
        total, count = self.totals(params, *data)
        return total / np.where(count > 0, count, np.ones_like(count))

    def totals(self, params: Tree, *data: Tree) -> tuple[Array, Array]:
        """(-Σ w log p, Σ w): of several batches, the sums' quotient is the mean over all."""
        data, w = (data[:-1], data[-1]) if self.weighted else (data, None)
        logs = self._logs(params, data)
        return totals(-logs, None, None if w is None else fit_weights(logs, as_array(w)))

    def _logs(self, params: Tree, data: tuple[Tree, ...]) -> Array:
        """log p of each example, (batch,)."""
        if not data:
            raise TrainingError("log_likelihood: no data; expected loss(params, x, y)")
        if self.batched is not None:
            return self._of_batch(params, data) if self.batched else self._of_each(params, data)
        try:
            return self._of_each(params, data)
        except (ChainruleError, IndexError, ValueError, TypeError) as error:
            try:
                return self._of_batch(params, data)
            except (ChainruleError, IndexError, ValueError, TypeError):
                raise error from None  # one example is what is tried first, and what it is about

    def _of_each(self, params: Tree, data: tuple[Tree, ...]) -> Array:
        axes = (None, *(0 for _ in data))
        return self._checked(vmap(self._one, in_axes=axes)(params, *data), data)

    def _one(self, params: Tree, *example: Tree) -> Array:
        log = as_array(self.logpdf(params, *example))
        if log.size != 1:
            raise ShapeError(
                f"logpdf returned shape {log.shape} for one example; expected one number",
                "sum the logs of independent parts; or log_likelihood(..., batched=True), if "
                "logpdf takes all examples at once",
            )
        return np.reshape(log, ())

    def _of_batch(self, params: Tree, data: tuple[Tree, ...]) -> Array:
        return self._checked(as_array(self.logpdf(params, *data)), data)

    def _checked(self, logs: Array, data: tuple[Tree, ...]) -> Array:
        rows = len(flatten(data)[0][0])
        if logs.shape not in ((rows,), (rows, 1)):
            raise ShapeError(
                f"logpdf returned shape {logs.shape} for {rows} examples; expected ({rows},)"
            )
        return np.reshape(logs, (rows,))

    def __repr__(self) -> str:
        name = getattr(self.logpdf, "__name__", repr(self.logpdf))
        return f"log_likelihood({name}, in nats)"


def log_likelihood(
    logpdf: Callable[..., Any], *, batched: bool | None = None, weighted: bool = False
) -> LogLikelihood:
    """The loss -mean log p(y | x, θ) of a log-density written in NumPy, in nats.

    ``cr.train(params, losses.log_likelihood(logpdf), (x, y))`` is maximum likelihood.

    Args:
        logpdf: ``logpdf(params, x, y)``, or ``logpdf(params, *arrays)`` for whatever arrays the
            data has. For one example it returns a number, and is vmapped; for a batch it returns
            one number per example, (batch,).
        batched: whether logpdf takes a batch. None finds out: one example is tried first, and
            all of them if that is an error or gives more than one number.
        weighted: the last array of the data is a weight for each example: the weighted mean.

    Raises:
        ShapeError: logpdf returns neither one number per example nor (batch,) for all.

    Source:
        Fisher 1922, On the Mathematical Foundations of Theoretical Statistics.

    Example:
        >>> def logpdf(params, x, y):  # a Gaussian with a learned scale
        ...     z = (y - params["w"] @ x) / np.exp(params["log_scale"])
        ...     return -0.5 * z**2 - params["log_scale"] - 0.5 * np.log(2 * np.pi)
        >>> loss = log_likelihood(logpdf)
        >>> start = {"w": np.zeros(2), "log_scale": np.array(0.0)}
        >>> loss(start, np.ones((3, 2)), np.zeros(3))
        np.float64(0.918938533204...)
    """
    if not callable(logpdf):
        raise TrainingError(
            f"log_likelihood: got {logpdf!r}; expected a function of (params, x, y)"
        )
    return LogLikelihood(logpdf, batched, weighted)


def each_member(loss: Loss) -> Loss:
    """The mean of a loss over the members of a model that is several in one.

    Each member is judged by itself: the mean of their losses, not the loss of their mean, is
    what keeps them different. ``link`` gives the mean of the members' predictions.

    Shapes:
        output: (batch, members, ...), such as ``nn.TabM`` returns; y: as ``loss`` takes it.

    Raises:
        ShapeError: the output has no axis for the members.

    Source:
        Gorishniy, Kotelnikov & Babenko 2024, TabM: Advancing Tabular Deep Learning with
        Parameter-Efficient Ensembling, 3.2.

    Example:
        >>> from chainrule import losses
        >>> each_member(losses.squared_error)(np.array([[[1.0], [3.0]]]), np.array([2.0]))
        np.float64(1.0)
    """

    def fit(output: Array, y: Array, **options: Any) -> Array:
        if output.ndim < 2:
            raise ShapeError(
                f"the output is {output.shape}; expected (batch, members, ...)",
                "a model that is not several in one takes the loss itself",
            )
        return loss.fit(output[:, 0], y, **options)

    @functools.wraps(loss.formula)
    def formula(output: Array, y: Array, **options: Any) -> Any:
        found = vmap(lambda z: loss.formula(z, y, **options), in_axes=1)(output)
        return tree_map(lambda x: np.mean(x, axis=0), found)

    def inverse_link(output: Array, **options: Any) -> Array:
        linked = vmap(lambda z: loss.inverse_link(z, **options), in_axes=1)(output)
        return np.mean(linked, axis=0)

    return replace(
        loss, name=f"each_member({loss.name})", fit=fit, formula=formula, inverse_link=inverse_link
    )
