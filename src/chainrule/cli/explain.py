"""`chainrule explain`: a row of a run, a run as a page, or a function of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from chainrule.cli.explained import loss_with_unit, scaling_words, told_of_run
from chainrule.cli.functions import function_and_arguments, names_a_function
from chainrule.cli.layout import section
from chainrule.cli.outcome import OptionError
from chainrule.cli.source import is_example, load
from chainrule.cli.terms import SCALED, Predicted, check_values, network_target
from chainrule.cli.trained import Trained
from chainrule.cli.view import View
from chainrule.data.extras import Table
from chainrule.data.files import is_there
from chainrule.data.prepare import check_names, with_target
from chainrule.data.values import present
from chainrule.data.words import count
from chainrule.errors import DataError
from chainrule.explain.page import save
from chainrule.explain.reports.build import report
from chainrule.explain.reports.overview import PARTS, USUAL, Overview, overview
from chainrule.explain.words import short
from chainrule.tracing.trees import tree_map

#: What is shown of a row of a run; of a function all of ``USUAL``.
_OF_A_ROW: Final = ("formulas", "numbers")
#: Columns of the row that are shown.
_MOST_COLUMNS: Final = 40


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """The options as they were given, see ``arguments``."""

    what: str
    row: int | None
    data: str | None
    at: Sequence[str]
    wrt: Sequence[str]
    show: str | None
    brute_force: bool
    report: Path | None

    def parts(self, usual: Sequence[str]) -> list[str]:
        """The names of the parts to show.

        Raises:
            OptionError: there is no such part.
        """
        asked = self.show.replace(" ", "").split(",") if self.show else list(usual)
        wrong = [name for name in asked if name not in (*PARTS, "all")]
        if wrong:
            raise OptionError(f"--show {wrong[0]}: expected some of {', '.join(PARTS)} or all")
        return list(PARTS) if "all" in asked else asked


def run_explain(options: ExplainOptions, json: bool) -> None:
    """Explain what was asked for, on the terminal, as JSON, or as a page.

    Raises:
        ChainruleError: what was asked for cannot be explained; nothing was written.
    """
    view = View.of(json, quiet=False)
    _check_report(options)
    if names_a_function(options.what):
        return _explain_function(options, view)
    _refuse_for_a_run(options)
    if options.report is not None and options.row is None and options.show is None:
        return _report_run(options, options.report, view)
    return _explain_row(options, view)


def _check_report(options: ExplainOptions) -> None:
    path = options.report
    if path is None:
        return
    if path.suffix.lower() not in (".html", ".htm"):
        raise OptionError(f"--report {path}: expected a name that ends in .html")
    if not path.parent.is_dir():
        raise OptionError(f"--report {path}: there is no folder {path.parent}")


def _refuse_for_a_run(options: ExplainOptions) -> None:
    if options.at:
        raise OptionError("--at gives a function its arguments; a run has rows", hint="--row 0")


# -- a function ------------------------------------------------------------------------------------


def _explain_function(options: ExplainOptions, view: View) -> None:
    for name, given in (("--row", options.row), ("--data", options.data)):
        if given is not None:
            raise OptionError(f"{name} is for a run; a function has arguments", hint="--at w=2")
    function, arguments = function_and_arguments(options.what, options.at)
    with view.busy("explaining"):
        found = overview(
            function, *arguments, wrt=options.wrt or None, show=options.parts(USUAL),
            brute_force=options.brute_force,
        )  # fmt: skip
    _show(options, view, found, {"function": options.what})


# -- a row of a run --------------------------------------------------------------------------------


def _explain_row(options: ExplainOptions, view: View) -> None:
    trained = Trained.open(Path(options.what))
    row = options.row or 0
    data = options.data or _trained_on(trained)
    one, source = _row(load(data, trained.schema.text_columns()).table, row, data), data
    _check_target(trained, one, row, source)
    x = trained.schema.encode(one)
    target = trained.schema.target
    values = target.values(one[target.name])
    check_values(trained.setup.terms.loss, target, values)
    y = network_target(trained.setup.terms, target, values)
    predicted = trained.predict(one)
    with view.busy("explaining"):
        found = overview(
            _wide(trained.model), loss_with_unit(trained.setup.terms), _wide((x, y)),
            wrt=options.wrt or None,
            show=options.parts(_OF_A_ROW), title=f"{trained.path.name}: row {row} of {source}",
            brute_force=options.brute_force,
        )  # fmt: skip
    said = _prediction(trained, predicted)
    _show_row(view, trained, one, row, source, said)
    _show_target(view, trained, y)
    looked_up = "; of many categories, the row of their table" if trained.schema.tables else ""
    section(
        view.console,
        "x",
        "the columns as the network sees them: numbers scaled to mean 0, categories as 0 and 1"
        f"{looked_up}",
    )
    view.console.print()
    _show(options, view, found, {"run": options.what, "row": row, "data": source, "says": said})


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows whose target is known, and where they are from."""

    table: Table
    source: str
    is_its_own: bool


def _rows(options: ExplainOptions, trained: Trained) -> _Rows:
    """The table asked for, or the one that was trained on."""
    data = options.data or _trained_on(trained)
    source = load(data, trained.schema.text_columns())
    table, _ = with_target(source.table, trained.schema.target.name)
    return _Rows(table, data, source.sha256 == trained.data.get("sha256"))


def _trained_on(trained: Trained) -> str:
    """The table of the training, where it still lies there."""
    asked, path = str(trained.data["asked"]), Path(str(trained.data.get("path", "")))
    if is_example(asked):
        return asked
    if not is_there(path):
        raise DataError(
            f"{trained.path}: the table of the training, {path}, is not there any more",
            hint="--data FILE: the rows to explain",
        )
    return str(path)


def _row(table: Table, row: int, source: str) -> Table:
    size = table.num_rows
    if not 0 <= row < size:
        raise DataError(
            f"--row {row}: {source} has {count(size, 'row')}",
            hint=f"rows are counted from 0: --row {size - 1} is the last",
        )
    return table.slice(row, 1)


def _check_target(trained: Trained, one: Table, row: int, source: str) -> None:
    """A row whose target is not known has no loss."""
    name = trained.schema.target.name
    check_names(one, name)
    if not present(one[name]).all():
        raise DataError(f"--row {row}: {source} has no {name!r} in that row: it has no loss")


def _wide(tree: Any) -> Any:
    """A tree with its numbers in float64, so that what is small is not rounded to 0."""
    return tree_map(lambda x: x.astype(float) if np.asarray(x).dtype.kind == "f" else x, tree)


def _prediction(trained: Trained, predicted: Predicted) -> dict[str, float]:
    """What the network says of the row, by class or as one number."""
    values = np.asarray(predicted.values)
    if predicted.said == "numbers":
        return {trained.schema.target.name: float(values.ravel()[0])}
    names = map(str, trained.schema.target.classes)
    return dict(zip(names, map(float, values[0]), strict=True))


def _show_row(
    view: View, trained: Trained, row: Table, number: int, source: str, said: dict[str, float]
) -> None:
    target = trained.schema.target
    record = row.to_pylist()[0]
    used = [column.name for column in trained.schema.used]
    shown = ", ".join(f"{name} {record[name]}" for name in used[:_MOST_COLUMNS])
    more = [f"+ {count(len(used) - _MOST_COLUMNS, 'column')}"] if len(used) > _MOST_COLUMNS else []
    section(view.console, "Run", f"{trained.path}: {target.name}, {target.words}")
    section(view.console, "Row", f"{number} of {source}", shown, *more)
    says = ", ".join(f"{name} {value:.4g}" for name, value in said.items())
    section(view.console, "Says", f"{says}; the table says {record[target.name]}")


def _show_target(view: View, trained: Trained, y: Any) -> None:
    """What y is below: the number of a class, or a scaled target."""
    target, number = trained.schema.target, float(np.ravel(y)[0])
    if target.classes:
        named = ", ".join(f"{k} = {name}" for k, name in enumerate(target.classes[:_MOST_COLUMNS]))
        section(view.console, "y", f"y = {number:.0f}, of the classes {named}")
    elif trained.setup.terms.loss in SCALED:
        section(view.console, "y", f"y = {short(number)} = {scaling_words(target)}")


# -- a run as a page -------------------------------------------------------------------------------


def _report_run(options: ExplainOptions, path: Path, view: View) -> None:
    trained = Trained.open(Path(options.what))
    with view.busy("reading") as status:
        rows = _rows(options, trained)
        told = told_of_run(trained, rows.table, rows.source, rows.is_its_own)
        say = getattr(status, "update", None)
        made = report(told, progress=say)
    made.save(path)
    view.console.print(str(made), markup=False, soft_wrap=True)
    view.console.print(f"\nwrote {path}", markup=False)
    view.result({"run": options.what, "data": rows.source, **made.to_json()})


# -- output ----------------------------------------------------------------------------------------


def _show(
    options: ExplainOptions, view: View, found: Overview, about: dict[str, Any]
) -> None:  # fmt: skip
    if options.report is not None:
        save(options.report, found.document())
        view.console.print(f"wrote {options.report}", markup=False)
    else:
        view.console.print(str(found), markup=False, soft_wrap=True)
    view.result({**about, **found.to_json()})
