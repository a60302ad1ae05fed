"""``backpropagation``: the backward pass of your model on your row, with every number in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from chainrule.data.words import count
from chainrule.diagnosis.flow import Flow
from chainrule.errors import TrainingError
from chainrule.explain.numbers.animation import animated
from chainrule.explain.numbers.as_json import as_json
from chainrule.explain.numbers.boxes import box_drawing
from chainrule.explain.numbers.layers import Layer, layers_of
from chainrule.explain.numbers.network import unit_drawing
from chainrule.explain.numbers.nonfinite import first_nonfinite
from chainrule.explain.numbers.norms import norm
from chainrule.explain.numbers.paper import wide
from chainrule.explain.numbers.pieces import is_data_name, pieces_of
from chainrule.explain.numbers.recorded import Recorded, record
from chainrule.explain.numbers.rows import data_names, example_norms, rows_of, spread
from chainrule.explain.numbers.starving import flow_through, judged
from chainrule.explain.numbers.tables import (
    LAYER_HEAD,
    NODE_HEAD,
    layer_rows,
    layers_html,
    node_rows,
    nodes_html,
)
from chainrule.explain.numbers.visits import Visit, visits_of
from chainrule.explain.numbers.words import aligned
from chainrule.explain.page import figure, fragment, paragraph
from chainrule.explain.shown import told
from chainrule.explain.subject import Subject, subject_of
from chainrule.explain.words import short
from chainrule.losses import Loss
from chainrule.runs.files import write_file
from chainrule.tracing.lines import place
from chainrule.tracing.trees import tree_map

Array = Any
Detail = Literal["layers", "nodes"]
#: A table of more lines is cut in the middle, saying so.
LINES: Final = 240


@dataclass(frozen=True, eq=False, repr=False)
class Backpropagation:
    """The backward pass at one point: what each layer and each operation receives and passes on.

    ``print`` it for a table of the layers; ``table("nodes")`` for every operation.

    Attributes:
        loss: the loss, in ``unit``.
        unit: "nats", "target²", ...; "" for a function of your own.
        rows: how many examples the loss is a mean of; None for a function.
        row: the row of the data that was asked for; None for all of them.
        layers: ``Layer`` each, the loss first: in the order in which they are visited.
        visits: ``Visit`` each, operation by operation, the loss first.
        gradients: ∂loss/∂leaf of what was asked for (``wrt``), to the last digit those of
            ``cr.grad``.
        subject: what is explained.
    """

    loss: float
    unit: str
    rows: int | None
    row: int | None
    layers: tuple[Layer, ...]
    visits: tuple[Visit, ...]
    gradients: Mapping[str, Array]
    subject: Subject
    _recorded: Recorded

    # -- what is worked out when it is asked for -------------------------------------------------

    @cached_property
    def agreement(self) -> tuple[float, int, int]:
        """(largest |Jᵀδ − gradient| / |J||δ|, how many Jacobians were compared, of how many).

        J is formed by its structure alone, the gradient by the rule that ``cr.grad`` goes by.
        """
        passed = [passed for visit in self.visits for passed in visit.passed]
        errors = [error for x in passed if (error := x.error) is not None]
        return max(errors, default=0.0), len(errors), len(passed)

    @cached_property
    def flow(self) -> Flow:
        """The gradient at each parameter, and the first weight's by the last's."""
        data = {name for name in self.gradients if is_data_name(name)}
        parameters = {k: g for k, g in self.gradients.items() if k not in data} or self.gradients
        return flow_through(self.layers, parameters)

    def total(self, leaf: str) -> Array | None:
        """∂loss/∂leaf, of data too; None where the leaf was not followed."""
        known = leaf in self._recorded.inputs
        return self._recorded.gradient(leaf) if known else None

    @property
    def findings(self) -> tuple[str, ...]:
        """Which layer starves, which units are dead, in sentences."""
        return judged(self.flow, self.layers)

    @cached_property
    def _examples(self) -> tuple[Array | None, str | None]:
        is_batch = self.rows is not None and self.rows > 1
        return example_norms(self.subject, self.rows or 1) if is_batch else (None, None)

    @property
    def example_norms(self) -> Array | None:
        """(rows,): the length of each example's own gradient; None for one row, or a function."""
        return self._examples[0]

    @property
    def nonfinite(self) -> str:
        """Where the first NaN or infinity was made, if the loss or a gradient has one."""
        return first_nonfinite(self._recorded, self.visits, self.gradients)

    # -- as text ---------------------------------------------------------------------------------

    def table(self, detail: Detail = "layers") -> str:
        """The table for a terminal: a line per layer and quantity, or per operand of each node.

        Raises:
            TrainingError: another ``detail``.
        """
        if _checked(detail) == "layers":
            return aligned(LAYER_HEAD, _cut(layer_rows(self.layers, self.rows)))
        return aligned(NODE_HEAD, _cut(node_rows(self.visits)))

    def html_table(self, detail: Detail = "layers") -> str:
        """The same as an HTML table, with more columns for the nodes."""
        if _checked(detail) == "layers":
            return layers_html(self.layers, self.rows, "Layers, as backpropagation visits them")
        return nodes_html(self.visits, "Operations, as backpropagation visits them")

    def __str__(self) -> str:
        return f"{told([self.headline()])}\n\n{self.table()}\n\n{told(self.notes())}".rstrip()

    __repr__ = __str__

    def headline(self) -> str:
        """What is explained, in one line."""
        unit = f" {self.unit}" if self.unit else ""
        which = "" if self.rows is None else f", the mean over {self.rows:,} rows"
        if self.row is not None:
            which = f", row {self.row}"
        elif self.rows == 1:
            which = ", one row"
        return (
            f"Backpropagation: loss {short(self.loss, 5)}{unit}{which};"
            f" {count(len(self.visits), 'operation')} in {count(len(self.layers), 'layer')},"
            " the loss first"
        )

    def notes(self) -> list[str]:
        """Sentences: agreement, starving layers, examples, NaN."""
        worst, compared, count = self.agreement
        said = [
            f"Each of {compared} local Jacobians times its δ is the gradient passed on, to"
            f" {short(worst, 2)} of |J||δ|"
            + (f"; {count - compared} more are not formed." if count > compared else ".")
        ]
        if self.nonfinite:  # NaN agrees with NaN, which says nothing
            said = []
        if not self.visits:
            said = [self._nothing_visited()]
        return [*filter(None, [self.nonfinite]), *said, *self.findings, *self._of_examples()]

    def _nothing_visited(self) -> str:
        itself = [name for name, x in self._recorded.inputs.items() if x is self._recorded.output]
        if itself:
            return f"The loss is {itself[0]} itself: its gradient is 1."
        return "The loss does not depend on what it is differentiated by: every gradient is 0."

    def _of_examples(self) -> list[str]:
        norms, why = self._examples
        if why:
            return [f"No lengths of single examples' gradients: {why}."]
        if norms is None:
            return []
        data = data_names(self.subject)
        over = spread(norms)
        mean = norm(tuple(g for name, g in self.gradients.items() if name not in data))
        said = (
            f"One example's gradient is {short(over.smallest, 3)} … {short(over.largest, 3)} long,"
            f" median {short(over.median, 3)}; their mean's length is {short(mean, 3)}."
        )
        return [said]

    # -- as pictures -----------------------------------------------------------------------------

    def svg(self) -> str:
        """The network: columns of units where it is a chain of dense layers, else boxes."""
        return next(iter(self.pictures().values()))

    def pictures(self) -> dict[str, str]:
        """SVG by name: "network" (units and weights, of dense chains) and "layers" (boxes)."""
        return dict(self._pictures)

    @cached_property
    def _pictures(self) -> dict[str, str]:
        units = unit_drawing(self)
        found = {} if units is None else {"network": units}
        return {**found, "layers": box_drawing(self)}

    def animation(self) -> str:
        """The passes step by step, as an HTML file of its own that needs no network."""
        return animated(self)

    def save_animation(self, path: str | Path) -> None:
        """Write the animation, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        write_file(Path(path), self.animation().encode())

    def _repr_html_(self) -> str:
        drawn = figure(wide(self.svg(), "The network"), self.headline())
        notes = "".join(paragraph(note) for note in self.notes())
        return fragment(drawn + self.html_table() + notes)

    # -- as data ---------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers; of arrays above 64 numbers their measures."""
        return as_json(self)


def backpropagation(
    f: Any, *args: Any, wrt: str | Sequence[str] | None = None, row: int | None = None
) -> Backpropagation:
    """The backward pass of a function or a model, visit by visit.

    Args:
        f: a function in NumPy that returns one number; or a model, a tree of parameters.
        *args: its arguments; or a loss and a tuple of arrays, as ``cr.train`` takes them.
        wrt: names of what the gradient is asked for; None for a model's parameters, or for all
            floating-point arguments of a function.
        row: explain this row of the data alone; None for the mean over all of them.

    Raises:
        TrainingError: nothing to differentiate; a row that is not there, or of a function.
        ChainruleError: what ``cr.grad`` raises for the same function.

    Source:
        Rumelhart, Hinton & Williams 1986, Learning Representations by Back-Propagating Errors.

    Example:
        >>> found = backpropagation(lambda w, x, b, y: (w * x + b - y) ** 2, 2.0, 3.0, 1.0, 5.0)
        >>> [(visit.op, float(visit.delta)) for visit in found.visits]
        [('multiply', 1.0), ('subtract', 4.0), ('add', 4.0), ('multiply', 4.0)]
        >>> float(found.gradients["w"])  # 2x(wx + b - y)
        12.0
    """
    door = place()
    with np.errstate(all="ignore"):  # what is not finite is said in words
        subject = subject_of(*_row_of(f, args, row), wrt=wrt)
    recorded = record(subject)
    loss = subject.loss
    pieces = pieces_of(recorded, _loss_name(loss))
    is_ours = isinstance(loss, Loss)
    visits = visits_of(recorded, pieces, door if is_ours else None)
    return Backpropagation(
        loss=float(recorded.value), unit=getattr(loss, "unit", ""),
        rows=rows_of(subject), row=row, layers=layers_of(recorded, pieces, visits),
        visits=visits, gradients={name: recorded.gradient(name) for name in subject.wrt},
        subject=subject, _recorded=recorded,
    )  # fmt: skip


def _row_of(f: Any, args: tuple[Any, ...], row: int | None) -> tuple[Any, ...]:
    """The arguments with one row of the data in place of all."""
    if row is None:
        return (f, *args)
    if not (len(args) == 2 and callable(args[0]) and isinstance(args[1], tuple)):
        raise TrainingError(
            f"row={row} chooses a row of a model's data; a function has none",
            "explain.backpropagation(model, losses.cross_entropy, (x, y), row=0)",
        )
    loss, data = args
    count = len(data[0]) if data else 0
    if not -count <= row < count:
        raise TrainingError(f"row={row!r} of {count:,} rows", "rows count from 0")
    first = int(row) % count
    return (
        f,
        loss,
        tuple(tree_map(lambda x: np.asarray(x)[first : first + 1], part) for part in data),
    )


def _loss_name(loss: Any) -> str:
    name = getattr(loss, "name", "") or getattr(loss, "__name__", "")
    return "loss" if not name or name == "<lambda>" else str(name)


def _checked(detail: str) -> str:
    if detail not in ("layers", "nodes"):
        raise TrainingError(f"detail={detail!r}: expected 'layers' or 'nodes'")
    return detail


def _cut(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    if len(rows) <= LINES:
        return rows
    left_out = len(rows) - LINES
    note = ("", f"… {left_out:,} more lines …", *[""] * (len(rows[0]) - 2))
    return [*rows[: LINES // 2], note, *rows[-LINES // 2 :]]
