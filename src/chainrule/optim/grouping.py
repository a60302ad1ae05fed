"""Parameter groups: an optimiser for each part of a tree, chosen by the names of its leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import non_negative
from chainrule.optim.optimizer import Array, Optimizer, shown
from chainrule.optim.partition import joined, parted
from chainrule.tracing.trees import Tree, named_leaves

#: A glob on the dotted name, or (name, leaf) -> whether it belongs.
Which: TypeAlias = str | Callable[[str, Any], bool]
#: An optimiser, a factor on the default's learning rate, or None: these stay as they are.
Member: TypeAlias = Optimizer | float | None


@dataclass(frozen=True)
class _Column:
    """Which of the step's learning rates a group takes, and times what."""

    first: int
    count: int
    factor: float

    def of(self, rates: Sequence[Array]) -> Array:
        chosen = [self.factor * r if self.factor != 1 else r for r in rates]
        chosen = chosen[self.first : self.first + self.count]
        return chosen[0] if self.count == 1 else chosen


@dataclass(frozen=True, repr=False)
class Groups(Optimizer):
    """An optimiser for each part of a tree; made by ``groups``."""

    members: tuple[tuple[Which, Member], ...]
    default: Optimizer

    def __post_init__(self) -> None:
        if not isinstance(self.default, Optimizer):
            raise TrainingError(f"groups: default is {self.default!r}; expected an optimiser")
        for which, member in self.members:
            if not (isinstance(which, str) or callable(which)):
                raise TrainingError(
                    f"groups: {which!r}; expected a glob such as '*.bias', or a function"
                )
            if not isinstance(member, Optimizer) and member is not None:
                non_negative(f"groups: the factor for {shown(which)}", member)

    def __repr__(self) -> str:
        parts = ", ".join(f"{shown(which)}: {member!r}" for which, member in self.members)
        return f"groups({{{parts}}}, default={self.default!r})"

    def init(self, params: Tree) -> Tree:
        """A state for each group, by its number; ``default``'s.

        Raises:
            TrainingError: a glob or a function that no leaf's name answers to.
        """
        labels = self._labels(params)
        for k, (which, _) in enumerate(self.members):
            if k not in labels:
                names = ", ".join(list(named_leaves(params))[:8])
                raise TrainingError(
                    f"groups: no parameter is left for {shown(which)}",
                    f"the parameters are {names}; the first group that fits takes one",
                )
        parts = parted(params, labels, len(self._optimizers))
        return {
            name: optimizer.init(part) if optimizer is not None else ()
            for name, optimizer, part in zip(self._names, self._optimizers, parts, strict=True)
        }

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        rates = [learning_rate] if self.rates == 1 else list(learning_rate)
        labels, count = self._labels(params), len(self._optimizers)
        before, slopes = parted(params, labels, count), parted(grads, labels, count)
        after, new = [], {}
        for k, (name, optimizer) in enumerate(zip(self._names, self._optimizers, strict=True)):
            part, kept = before[k], state[name]
            if optimizer is not None:
                rate = self._columns[k].of(rates)
                part, kept = optimizer.update(slopes[k], kept, part, rate)
            after.append(part)
            new[name] = kept
        return joined(params, after), new

    def evaluation(self, params: Tree, state: Tree) -> Tree:
        parts = parted(params, self._labels(params), len(self._optimizers))
        found = [
            part if optimizer is None else optimizer.evaluation(part, state[name])
            for name, optimizer, part in zip(self._names, self._optimizers, parts, strict=True)
        ]
        return joined(params, found)

    def learning_rates(self, steps: Any, total: int) -> Any:
        columns = [np.reshape(o.learning_rates(steps, total), (-1, o.rates)) for o in self._owners]
        found = np.concatenate(columns, axis=1)
        return found[:, 0] if self.rates == 1 else found

    @property
    def rates(self) -> int:
        return sum(o.rates for o in self._owners)

    @property
    def observer(self) -> Any:
        """The schedule that acts on what is measured, which must be that of all groups, or None.

        Raises:
            TrainingError: some groups have one and others have another or none.
        """
        found = [o.observer for o in self._owners]
        if any(each != found[0] for each in found):
            raise TrainingError(
                "a plateau lowers the rates of all groups, and only some of them have this one",
                "give the default the plateau, and groups a factor: groups({'embed.*': 0.1}, ...)",
            )
        return found[0] if found else None

    def begin_average(self, state: Tree) -> Tree:
        return {
            name: kept if optimizer is None else optimizer.begin_average(kept)
            for name, optimizer, kept in zip(
                self._names, self._optimizers, state.values(), strict=True
            )
        }

    # -- who takes what ------------------------------------------------------------------------

    @property
    def _names(self) -> list[str]:
        return [*map(str, range(len(self.members))), "default"]

    @property
    def _optimizers(self) -> list[Optimizer | None]:
        """Of each group, the default's last; None where nothing moves."""
        found = [
            m if isinstance(m, Optimizer) or m is None else self.default for _, m in self.members
        ]
        return [*found, self.default]

    def _labels(self, params: Tree) -> list[int]:
        leaves = named_leaves(params).items()
        return [self._label(name, leaf) for name, leaf in leaves]

    def _label(self, name: str, leaf: Any) -> int:
        for k, (which, _) in enumerate(self.members):
            if fnmatchcase(name, which) if isinstance(which, str) else which(name, leaf):
                return k
        return len(self.members)

    @property
    def _owners(self) -> list[Optimizer]:
        """The optimisers whose learning rates a step is given."""
        return self._plan[0]

    @property
    def _columns(self) -> list[_Column]:
        return self._plan[1]

    @cached_property
    def _plan(self) -> tuple[list[Optimizer], list[_Column]]:
        """One rate serves all whose rates are in a fixed ratio: numbers, or the same schedule."""
        owners: list[Optimizer] = []
        columns: list[_Column] = []
        for optimizer, factor in [(self.default, 1.0), *self._with_factors()]:
            columns.append(_column(optimizer, factor, owners))
        return owners, [*columns[1:], columns[0]]

    def _with_factors(self) -> list[tuple[Optimizer, float]]:
        return [
            (self.default, 0.0 if member is None else float(member))
            if not isinstance(member, Optimizer)
            else (member, 1.0)
            for _, member in self.members
        ]


def _column(optimizer: Optimizer, factor: float, owners: list[Optimizer]) -> _Column:
    """Where the optimiser finds its rate among the owners', to whom it may be added."""
    first = 0
    for owner in owners:
        ratio = _ratio(optimizer, owner)
        if ratio is not None:
            return _Column(first, owner.rates, factor * ratio)
        first += owner.rates
    owners.append(optimizer)
    return _Column(first, optimizer.rates, factor)


def _ratio(optimizer: Optimizer, owner: Optimizer) -> float | None:
    """How many times the owner's rate the optimiser's is, where that is always the same."""
    if optimizer is owner:
        return 1.0
    own, other = (getattr(o, "learning_rate", None) for o in (optimizer, owner))
    if isinstance(own, float) and isinstance(other, float) and other > 0:
        return own / other
    return 1.0 if callable(own) and own == other else None


def groups(members: Mapping[Which, Member], default: Optimizer) -> Groups:
    """An optimiser for each part of a tree, chosen by the dotted names of its leaves.

    Args:
        members: for each glob on a leaf's name (``"layers.0.*"``, ``"*bias"``), or function
            ``(name, leaf) -> bool``, an optimiser; or a number, by which the default's learning
            rate is multiplied; or None, which leaves these parameters as they are. The first that
            fits takes a leaf.
        default: the optimiser of all other leaves.

    Returns:
        An optimiser. Where groups have schedules of their own, ``rates`` is how many and
        ``learning_rates`` returns float64[n, rates]; numbers, or one schedule, need only one.

    Raises:
        TrainingError: no optimiser, number or None; by ``init``, a pattern that no leaf is left
            for.

    Source:
        ``torch.optim.Optimizer.add_param_group``, by names.

    Example:
        >>> from chainrule import optim
        >>> optimizer = groups({"frozen": None, "bias": 2.0}, optim.SGD(0.1))
        >>> p = {name: np.zeros(1) for name in ("bias", "frozen", "weight")}
        >>> optimizer.update({name: np.ones(1) for name in p}, optimizer.init(p), p, 0.1)[0]
        {'bias': array([-0.2]), 'frozen': array([0.]), 'weight': array([-0.1])}
    """
    return Groups(tuple(members.items()), default)
