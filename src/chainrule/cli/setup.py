"""What is trained, and how: chosen from the options and the table, stored in config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.cli import names
from chainrule.cli.batches import batch_schedule, order_of
from chainrule.cli.optimizers import METHODS, optimizer_of
from chainrule.cli.options import TrainOptions
from chainrule.cli.outcome import OptionError
from chainrule.cli.schedules import Span, schedule_of
from chainrule.cli.stored import faults
from chainrule.cli.terms import Terms, check_values, terms_of
from chainrule.data.prepare import Prepared
from chainrule.data.schema import Schema
from chainrule.data.words import count, listed
from chainrule.errors import RunError
from chainrule.orders.order import Remainder
from chainrule.tracing.trees import named_leaves, with_leaves
from chainrule.training.faults import POLICIES, Policy
from chainrule.training.order import Cursor, Place

#: Updates over which an exponential average reaches: this share of a run's, up to a thousand.
_REACH = 1 / 20
_MOST_REACH = 1000


@dataclass(frozen=True, slots=True)
class Setup:
    """A network and its descent, in plain values.

    Fields:
        sizes: numbers per row: in, after each hidden layer, out.
        loss, loss_options, constant: see ``terms.Terms``.
        learning_rate: the largest of the run.
        rate_rule: how it was chosen, in words.
        rate_found: whether it was found by trying.
        momentum, weight_decay, clip_norm: None for what the optimiser does of itself.
        batch: rows per update, to begin with.
        rows: training rows.
        steps: updates in all, if the batch stays as it begins.
        tables: rows and numbers of the tables in which the last columns of the input are looked
            up; the first of ``sizes`` is without them.
        planned_steps, planned_epochs: the length by which schedules, batches and averages were
            planned, where the run has been given more since; else 0.
    """

    sizes: tuple[int, ...]
    activation: str
    loss: str
    loss_options: Mapping[str, float]
    constant: tuple[float, ...]
    optimizer: str
    learning_rate: float
    rate_rule: str
    rate_found: bool
    momentum: float | None
    weight_decay: float | None
    clip_norm: float | None
    average: str
    schedule: str
    warmup: int
    batch: int
    batch_schedule: str
    order: str
    remainder: Remainder
    rows: int
    steps: int
    epochs: int
    patience: int | None
    on_nan: Policy
    metrics: tuple[str, ...]
    record: tuple[str, ...]
    seed: int
    threads: int | None
    planned_steps: int = 0
    planned_epochs: int = 0
    tables: tuple[tuple[int, int], ...] = ()

    @property
    def terms(self) -> Terms:
        """The loss, and how it sees the target."""
        return Terms(self.loss, self.loss_options, self.constant)

    @property
    def span(self) -> Span:
        """The length by which the run was planned."""
        return Span(self.planned_steps or self.steps, self.planned_epochs or self.epochs)

    def network(self) -> Any:
        """The network with its first weights."""
        model: Any = nn.MLP(self.sizes, rng=self.seed, activation=self.activation)
        last = f"layers.{len(self.sizes) - 2}"
        if self.tables:
            model = nn.Sequential(nn.EmbedColumns.init(self.tables, self.seed), model)
            last = f"layers.1.{last}"
        start = self.terms.start
        if start is None:
            return model
        leaves = {name: np.asarray(x) for name, x in named_leaves(model).items()}
        begun = {f"{last}.weight": np.zeros_like(leaves[f"{last}.weight"])}
        return with_leaves(model, {**leaves, **begun, f"{last}.bias": np.array(start, np.float32)})

    def descent(self) -> Any:
        """The optimiser with its schedule, clipped and averaged as asked."""
        rate = schedule_of(self.schedule, self.learning_rate, self.span, self.warmup)
        made = optimizer_of(
            self.optimizer, rate, momentum=self.momentum, weight_decay=self.weight_decay
        )
        if self.clip_norm is not None:
            made = optim.clip_norm(made, self.clip_norm)
        if self.average == "none":
            return made
        return optim.average(made, self.average, decay=self.decay, start=self.average_from)

    @property
    def decay(self) -> float:
        """Of the exponential average."""
        reach = min(max(self.span.steps * _REACH, 1.0), float(_MOST_REACH))
        return float(f"{1 - 1 / reach:.4g}")

    @property
    def average_from(self) -> int | None:
        """The update from which on iterates are averaged; None: the batch schedule says when."""
        if self.average != "swa":
            return 0
        return None if self.batch_schedule == "noise" else 3 * self.span.steps // 4

    def batches(self) -> Any:
        """The batch, or its schedule."""
        then = "average" if self.average == "swa" else "decay"
        epochs = self.span.epochs
        return batch_schedule(self.batch_schedule, self.batch, self.rows, epochs, then)

    def rows_in_order(self, y: NDArray[Any]) -> Any:
        """The order of the rows with these labels."""
        return order_of(self.order, self.remainder, y)

    def linear(self) -> Setup:
        """The same without hidden layers: the linear model to compare with."""
        return replace(self, sizes=(self.sizes[0], self.sizes[-1]))

    @property
    def is_linear(self) -> bool:
        """Whether there is no hidden layer."""
        return len(self.sizes) == 2

    def to_json(self) -> dict[str, object]:
        """The setup in JSON's own types."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Setup:
        """The setup that ``to_json`` gave.

        Raises:
            RunError: it is damaged.
        """
        try:
            setup = cls(**{name: _with_tuples(value) for name, value in stored.items()})
        except (KeyError, TypeError) as error:
            raise RunError(f"config.json is damaged: {error!r}") from error
        wrong = faults(stored)
        if wrong:
            raise RunError(f"config.json is damaged: {listed(wrong)}")
        return setup


def choose(options: TrainOptions, prepared: Prepared, rows: int = 0) -> Setup:
    """The setup for a table, but for an automatic learning rate: see ``rates``.

    Args:
        options: what is asked for.
        prepared: the table, or a sample of it.
        rows: to train on, where the prepared ones are a sample.

    Raises:
        OptionError: the loss does not fit the target, or an option does not fit the table.
    """
    target, rows = prepared.schema.target, rows or len(prepared.train)
    terms = terms_of(options.loss, options.quantile, target, prepared.train.y)
    for part in (prepared.train, prepared.validation, prepared.test):
        check_values(terms.loss, target, part.y)
    if options.order == "stratified" and target.task == "regression":
        raise OptionError(
            "--order stratified: the target is a number, which has no classes to mix evenly",
            hint="leave --order out: rows are reshuffled at each epoch",
        )
    batch = min(options.batch or rows, rows)
    order = order_of(options.order, options.remainder, prepared.train.y)
    steps = Cursor(order, rows, options.epochs, options.seed).all_left(Place(), batch)
    _check_warmup(options.warmup, steps)
    return Setup(
        sizes=(_given(prepared.schema), *options.hidden, terms.n_out),
        tables=prepared.schema.tables,
        activation=options.activation,
        loss=terms.loss,
        loss_options=dict(terms.options),
        constant=terms.constant,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate or 0.0,
        rate_rule="as asked",
        rate_found=False,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        clip_norm=options.clip_norm,
        average=options.average,
        schedule=_schedule(options),
        warmup=options.warmup,
        batch=batch,
        batch_schedule=options.batch_schedule,
        order=options.order,
        remainder=options.remainder,
        rows=rows,
        steps=steps,
        epochs=options.epochs,
        patience=options.patience,
        on_nan=POLICIES[names.ON_NAN.index(options.on_nan)],
        metrics=options.metric,
        record=options.record,
        seed=options.seed,
        threads=options.threads,
    )


def _with_tuples(value: Any) -> Any:
    return tuple(_with_tuples(x) for x in value) if isinstance(value, list) else value


def _given(schema: Schema) -> int:
    """Numbers that the first linear layer is given of a row: embedded columns as what is learnt."""
    return schema.width + sum(numbers - 1 for _, numbers in schema.tables)


def _schedule(options: TrainOptions) -> str:
    """A rate that falls, but where the batch grows in its place or an average is kept anyway."""
    if options.schedule != "auto":
        return options.schedule
    grows = options.batch_schedule != "constant"
    return "cosine" if METHODS[options.optimizer].decays and not grows else "constant"


def _check_warmup(warmup: int, steps: int) -> None:
    if warmup >= steps > 0 and warmup:
        raise OptionError(
            f"--warmup {warmup}: the run has {count(steps, 'step')}; expected fewer than that",
            hint=f"--warmup {max(1, steps // 10)}",
        )
