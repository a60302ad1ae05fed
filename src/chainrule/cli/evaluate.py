"""`chainrule evaluate`: the scores of a run on a table with the target."""

from __future__ import annotations

from pathlib import Path

from chainrule.cli.job import Clock, nothing
from chainrule.cli.large import Told, bound_for, rows_to_score, size_of
from chainrule.cli.layout import section
from chainrule.cli.report import score_table
from chainrule.cli.scores import Scores, baseline, baseline_words, metrics_of, score
from chainrule.cli.source import Source, load
from chainrule.cli.terms import check_values
from chainrule.cli.trained import Trained
from chainrule.cli.view import View
from chainrule.data.extras import Table
from chainrule.data.prepare import held_out, with_target
from chainrule.data.words import count


def run_evaluate(run: Path, data: str, memory: str | None, view: View) -> None:
    """Score the run on the rows whose target is known, and show it or print it as JSON.

    Raises:
        ChainruleError: the run or the table cannot be used.
    """
    clock = Clock()
    with view.busy("scoring") as status:
        with clock.measure("open the run"):
            trained = Trained.open(run)
        bound = bound_for(data, memory, trained)
        if bound is None:
            source = load(data, trained.schema.text_columns())
            clock.add("read", source.seconds)
            table, notes = _rows(trained, source)
        else:
            with clock.measure("read"):
                tell = Told(getattr(status, "update", nothing), "reading", size_of(data))
                table, notes = rows_to_score(trained, data, bound, tell)
        with clock.measure("score"):
            scores = _scores(trained, table)
    _show(view, trained, table, notes, scores)
    view.show_details(clock.seconds, trained.versions)
    view.result(
        {
            "run": str(run), "data": data, "rows": table.num_rows, "notes": notes,
            "scores": scores, "seconds": clock.seconds,
        }
    )  # fmt: skip


def _scores(trained: Trained, table: Table) -> dict[str, Scores]:
    target = trained.schema.target
    y = target.values(table[target.name])
    terms, asked = trained.setup.terms, trained.setup.metrics
    check_values(terms.loss, target, y)
    return {
        "network": score(terms, target, y, trained.output(table), asked),
        "baseline": baseline(terms, target, y, asked),
    }


def _rows(trained: Trained, source: Source) -> tuple[Table, list[str]]:
    """The rows to score: of the table of the training only those that it held back."""
    table, notes = with_target(source.table, trained.schema.target.name)
    if source.sha256 != trained.data.get("sha256"):
        return table, notes
    test = held_out(table, trained.schema, trained.setup.seed)
    return test, [*notes, "this is the table of the training: only its test rows are scored"]


def _show(
    view: View, trained: Trained, table: Table, notes: list[str], scores: dict[str, Scores]
) -> None:
    target, console = trained.schema.target, view.console
    section(console, "Run", f"{trained.path}: {target.name}, {target.words}")
    section(console, "Rows", count(table.num_rows, "row"), *notes)
    terms = trained.setup.terms
    console.print(score_table(metrics_of(terms, target, trained.setup.metrics), scores))
    section(console, "", f"baseline: {baseline_words(terms, target)}", style="dim")
