"""Training or evaluation: what a layer may ask for while a training step is worked out.

Outside of ``nn.training`` every layer is in evaluation: ``Dropout`` passes on what it gets,
``BatchNorm`` uses its running statistics. Inside of it, layers find random bits and leave their
new statistics. ``cr.train`` enters it around the loss of each step; a loop of your own, or a plain
function that is trained, needs to do no more than that::

    def loss(model, x, y):
        with nn.training(key=step) as mode:
            value = losses.cross_entropy(model(x), y)
        return value, mode.updated(model)

    (value, model), grads = cr.value_and_grad(loss, has_aux=True)(model, x, y)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

import numpy as np
import optree

from chainrule.errors import TrainingError
from chainrule.gradients.batch import BatchTracer
from chainrule.gradients.tape import TapeTracer
from chainrule.tracing.counter import bits, key_of
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import NAMESPACE, Tree, flatten, unflatten

Array: TypeAlias = Any

#: Marks a field of a layer that training carries on and does not differentiate:
#: ``running_mean: Array = dataclasses.field(metadata=STATISTIC)``.
STATISTIC: Final = {"statistic": True}


class Training:
    """A training step that is being worked out; made by ``nn.training``."""

    def __init__(self, key: Any) -> None:
        self._key = key_of(key)
        self._draws = 0
        self._new: dict[int, tuple[Array, Array]] = {}

    def bits(self, like: Array) -> Array:
        """int32 in the shape of ``like``, evenly from -2³¹ to 2³¹ - 1.

        They are a function of the key, of how many draws there were before in this step, and of
        the element's index. So they are the same bits on any number of threads and after a
        resume; and an example under ``cr.vmap`` gets those of its row of the batch.
        """
        self._draws += 1
        return bits(self._key, self._draws, like.shape, _examples(like))

    def statistic(self, leaf: Array) -> Array:
        """What stands at a leaf of the model by now in this step."""
        return self._new[id(leaf)][1] if id(leaf) in self._new else leaf

    def update(self, leaf: Array, value: Array) -> None:
        """Leave a new value for a leaf of the model that is marked ``STATISTIC``."""
        while isinstance(value, TapeTracer):  # a constant, also where cr.checkpoint forgets
            value = value.value
        self._new[id(leaf)] = (leaf, value)

    def updated(self, tree: Tree) -> Tree:
        """The model with the new values in their places.

        Raises:
            TrainingError: a new value belongs to no leaf of this tree.
        """
        leaves, structure = flatten(tree)
        missing = set(self._new) - {id(leaf) for leaf in leaves}
        if missing:
            raise TrainingError(
                f"{len(missing)} new statistics of layers belong to no leaf of the model",
                "call the layers of the model itself, not of a copy whose arrays were changed",
            )
        return unflatten(structure, [self.statistic(leaf) for leaf in leaves])


def _examples(x: Array) -> list[tuple[Array, int]]:
    """The number of the example that x belongs to under each ``cr.vmap``, the inner ones first."""
    found: list[tuple[Array, int]] = []
    while isinstance(x, Tracer) and hasattr(x, "value"):
        if isinstance(x, BatchTracer):
            over: Any = x.recording
            found.append((BatchTracer(over, np.arange(over.size, dtype=np.int32)), over.size))
        x = x.value
    return found


_current: ContextVar[Training | None] = ContextVar("training", default=None)


@contextmanager
def training(key: Any = 0) -> Iterator[Training]:
    """Put the layers that are called inside into training.

    Args:
        key: a whole number, plain or traced (int64), from which random bits follow. A new one for
            each step: the same key gives the same masks.

    Raises:
        TrainingError: the key is no whole number.

    Example:
        >>> from chainrule import nn
        >>> layer = nn.Dropout(0.5)
        >>> layer(np.ones(4))
        array([1., 1., 1., 1.])
        >>> with nn.training(key=7):
        ...     layer(np.ones(4))
        array([2., 0., 2., 0.])
    """
    whole = key if isinstance(key, Tracer) else np.asarray(key)
    if whole.dtype.kind not in "iu" or whole.shape:
        raise TrainingError(f"training: key is {key!r}; expected a whole number")
    mode = Training(key)
    token = _current.set(mode)
    try:
        yield mode
    finally:
        _current.reset(token)


def mode() -> Training | None:
    """The training step that is being worked out, or None in evaluation."""
    return _current.get()


def statistics(tree: Tree) -> list[bool]:
    """For each leaf whether it is a running statistic, which no optimiser changes.

    Example:
        >>> from chainrule import nn
        >>> statistics(nn.BatchNorm.init(3))  # weight, bias, running mean and variance
        [False, False, True, True]
    """
    leaves, structure = flatten(tree)
    marks = [False] * len(leaves)

    def look(node: Any) -> bool:
        for f in dataclasses.fields(node) if dataclasses.is_dataclass(node) else ():
            if f.metadata.get("statistic"):
                for k in flatten(getattr(node, f.name))[0]:
                    marks[k] = True
        return False

    numbered = unflatten(structure, range(len(leaves)))
    optree.tree_leaves(numbered, is_leaf=look, namespace=NAMESPACE)
    return marks
