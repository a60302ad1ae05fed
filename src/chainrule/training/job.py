"""What is to be done by ``train``: checked and brought to the forms that the loop takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from chainrule.data.stream import Stream
from chainrule.errors import InseparableError
from chainrule.evaluation.evaluator import Evaluator
from chainrule.evaluation.examples import Examples, check_alike, take_examples
from chainrule.evaluation.losses import as_totals
from chainrule.evaluation.metrics import Metrics, resolve
from chainrule.evaluation.objective import Objective
from chainrule.evaluation.split import split_examples
from chainrule.optim import SGD, BatchSchedule, ConstantBatch, check_optimizer
from chainrule.orders import Order, as_order
from chainrule.tracing.trace import Traced
from chainrule.tracing.trees import paths, unflatten
from chainrule.training.deciding import VARIANCE, Deciding
from chainrule.training.descent import Descent
from chainrule.training.faults import Faults, Policy
from chainrule.training.measures import check_record, outputs_of, sums_for
from chainrule.training.order import Cursor
from chainrule.training.settings import (
    batch_schedule,
    check_arity,
    check_scored,
    check_targets,
    digest,
    program_digest,
    shown,
    stopping_of,
)
from chainrule.training.step import (
    Carried,
    StepPlan,
    carry,
    compile_step,
    rates_of,
    trace_step,
)
from chainrule.training.streaming import Source
from chainrule.training.watching import EarlyStopping, Watch


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be done, checked and brought to the forms that the loop takes."""

    model: Any
    loss: Any
    carried: Carried
    examples: Examples
    validation: Examples | None
    metrics: Metrics | None
    optimizer: Any
    batches: BatchSchedule
    order: Order
    measures: tuple[str, ...]
    records_what_it_can: bool
    stopping: EarlyStopping | None
    source: Source | None = None

    @classmethod
    def prepare(
        cls, model: Any, loss: Any, data: Any, validation: Any, metrics: Any, optimizer: Any,
        batch: Any, order: Any, seed: int, record: Any, stopping: Any,
    ) -> Job:  # fmt: skip
        """Check everything that can be wrong before anything is traced or written."""
        optimizer = SGD(0.01) if optimizer is None else optimizer
        check_optimizer(optimizer)
        carried = carry(model, optimizer)
        source, examples, order = _taken(data, carried.dtype, as_order(order), seed)
        check_arity(loss, model, data if source is None else source.arguments)
        held_out: Examples | None
        is_share = isinstance(validation, float | int | np.floating)
        if is_share and not isinstance(validation, bool) and source is not None:
            source, held_out = source.hold_out(float(validation))
        elif is_share and not isinstance(validation, bool):
            examples, held_out, rows = split_examples(examples, float(validation), seed)
            order = order.take(rows)
        else:
            held_out = _held_out(validation, carried)
            if held_out is not None:
                check_alike(examples, held_out)
        scores = resolve(metrics, loss) if metrics else None
        if scores:
            check_scored(scores, model, held_out)
        check_targets(loss, model, examples)
        rows_in_all = examples.rows if source is None else source.rows
        batches = batch_schedule(batch, rows_in_all, optimizer)
        if source is not None:
            source.check_batch(int(batches.start(rows_in_all)[0].batch))
        watched = {"loss"} | ({"validation_loss"} if held_out is not None else set())
        watched |= {f"validation_{name}" for name in (scores.named if scores else ())}
        measures, needs = check_record(record), getattr(batches, "measures_variance", False)
        if needs:
            measures = tuple(dict.fromkeys((*measures, "gradient_norm", VARIANCE)))
        return cls(
            model, loss, carried, examples, held_out, scores, optimizer, batches, order, measures,
            not needs and not isinstance(record, tuple | list),
            stopping_of(stopping, watched, scores.greater_is_better if scores else {}), source,
        )  # fmt: skip

    def begin(
        self, epochs: int, seed: int, threads: int | None, on_nan: Policy
    ) -> tuple[Descent, dict[str, float]]:
        """The descent at its first step, compiled, and the seconds of "trace" and "compile"."""
        start = perf_counter()
        traced, sums = self._traced(skips=on_nan == "skip")
        between = perf_counter()
        rates = rates_of(self.optimizer)
        given = self.carried, self.examples, not self.takes_all, rates
        step = compile_step(traced, *given, self._fixed_batch)
        watch, n = self.watch(threads), self.rows
        seconds = {"trace": between - start, "compile": perf_counter() - between}
        observer = getattr(self.optimizer, "observer", None)
        descent = Descent(
            step=step, examples=self.examples, cursor=self._cursor(epochs, seed),
            optimizer=self.optimizer, carried=self.carried, watch=watch, sums=sums,
            deciding=Deciding(self.batches, observer, n), faults=Faults(on_nan),
            settings=lambda: {
                **self.asked(), **self._digests(), "epochs": epochs, "seed": seed, "on_nan": on_nan,
                "program_sha256": program_digest(traced),
            },
        )  # fmt: skip
        return descent, seconds

    @property
    def _fixed_batch(self) -> int | None:
        """The batch of every step; None where it may change, or the last one be smaller."""
        is_fixed = isinstance(self.batches, ConstantBatch) and self.order.remainder != "smaller"
        return int(self.batches.start(self.rows)[0].batch) if is_fixed else None

    @property
    def rows(self) -> int:
        """How many examples are learnt from."""
        return self.examples.rows if self.source is None else self.source.rows

    def _cursor(self, epochs: int, seed: int) -> Cursor:
        """The rows of each step."""
        if self.source is None:
            return Cursor(self.order, self.rows, epochs, seed)
        return self.source.cursor(epochs, self._check_rows)

    def _check_rows(self, arrays: list[np.ndarray]) -> None:
        """Refuse targets that mean nothing to the loss, in rows that have just been read."""
        rows = Examples(tuple(arrays), self.examples.structure, len(arrays[0]))
        check_targets(self.loss, self.model, rows)

    def _traced(self, skips: bool) -> tuple[Traced, tuple[str, ...]]:
        """The graph of a step, and the sums that it works out beside its loss.

        "all" is all that there is: where examples act on one another they have no gradients of
        their own, and no variance of these.
        """
        given = self.carried, self.examples, self.loss, self.optimizer
        try:
            return trace_step(*given, StepPlan(self.sums, skips)), self._outputs(self.sums)
        except InseparableError:
            if not self.records_what_it_can:
                raise
        sums = tuple(name for name in self.sums if name != "examples")
        return trace_step(*given, StepPlan(sums, skips)), self._outputs(sums)

    def _outputs(self, sums: tuple[str, ...]) -> tuple[str, ...]:
        """The names of what a step measures beside its loss."""
        params = unflatten(self.carried.params_structure, self.carried.params)
        return outputs_of(sums, paths(self.carried.learned(params)))

    @property
    def data(self) -> Any:
        """The examples to learn from, without those held out, as a tuple of arrays.

        Of a stream, rows that stand for all.
        """
        return self.examples.tree(list(self.examples.arrays))

    @property
    def held_out(self) -> Any:
        """The examples held out, as a tuple of arrays; None where there are none."""
        held = self.validation
        return None if held is None else held.tree(list(held.arrays))

    @property
    def sums(self) -> tuple[str, ...]:
        """What each step works out beside its loss."""
        return sums_for(self.measures)

    @property
    def takes_all(self) -> bool:
        """Whether each step takes each row once, so that their order is no matter."""
        whole = ConstantBatch(self.rows)
        return self.batches == whole and self.order.permutes and self.source is None

    def watch(self, threads: int | None) -> Watch:
        """What is looked at between epochs."""
        if self.validation is None:
            return Watch(stopping=self.stopping)
        function = as_totals(self.loss)
        losses = self._evaluator(function, self.validation, threads)
        outputs = None
        if self.metrics is not None:
            outputs = self._evaluator(lambda model, x, *_: model(x), self.validation, threads)
        return Watch(self.validation, losses, outputs, self.metrics, self.stopping)

    def objective(self, threads: int | None) -> Callable[[], Objective]:
        """Makes the loss over all rows."""
        return lambda: Objective(self.loss, self.model, self.examples, threads)

    def _evaluator(
        self, f: Callable[..., Any], examples: Examples, threads: int | None
    ) -> Evaluator:
        structure = self.carried.params_structure

        def value(given: list[Any], data: list[Any]) -> Any:
            return f(unflatten(structure, given), *examples.tree(data))

        return Evaluator(value, self.carried.params, examples, threads)

    def trained(self, descent: Descent) -> Any:
        """The trained model: the best epoch's weights with early stopping, else the last."""
        found = descent.watch.best if descent.watch.best is not None else descent.evaluated()
        leaves = [p if p.shape else p[()] for p in found]
        return unflatten(self.carried.params_structure, leaves)

    def _digests(self) -> dict[str, Any]:
        """Checksums of the data, which take as long as reading them."""
        data = digest(self.examples) if self.source is None else self.source.stream.digest()
        return {"data_sha256": data, "validation_sha256": digest(self.validation)}

    def asked(self) -> dict[str, Any]:
        """What was asked for, in JSON's types."""
        streamed = {} if self.source is None else {"stream": self.source.describe()}
        return {
            "rows": self.rows,
            **streamed,
            "loss": shown(self.loss),
            "optimizer": repr(self.optimizer),
            "batch": repr(self.batches),
            "order": repr(self.order),
            "record": list(self.measures),
            "metrics": list(self.metrics.named) if self.metrics else [],
            "early_stopping": repr(self.stopping),
            "parameters": self.carried.names(),
        }


def _taken(
    data: Any, dtype: np.dtype, order: Order, seed: int
) -> tuple[Source | None, Examples, Order]:
    """(where the rows are from, if that is a stream; examples, of a stream some; their order)."""
    if isinstance(data, Stream):
        source = Source(data, dtype, order, seed)
        return source, source.sample(), order
    examples = take_examples(data, dtype)
    order.check(examples.rows)
    return None, examples, order


def _held_out(validation: Any, carried: Carried) -> Examples | None:
    return None if validation is None else take_examples(validation, carried.dtype, "validation")
