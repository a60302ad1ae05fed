"""What the user of `chainrule train` sees after the descent, and the same as JSON."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from chainrule import __version__
from chainrule.cli.announce import for_command_line
from chainrule.cli.checks import to_json
from chainrule.cli.job import Job
from chainrule.cli.layout import LABEL, section
from chainrule.cli.live import duration, short
from chainrule.cli.plot import loss_plot
from chainrule.cli.report import score_table, unit_of
from chainrule.cli.scores import Scores, baseline_words, metrics_of
from chainrule.cli.setup import Setup
from chainrule.data.words import count, listed
from chainrule.diagnosis.watch import watch
from chainrule.nn import count_parameters

EPOCHS_PLOTTED: Final = 2  # at least
FEW_STEPS: Final = 500
OVERFITTED: Final = 0.05  # how far the last validation loss is above the lowest, as a share
_SHOWN: Final = 6  # batch sizes


def show_descent(console: Console, job: Job, run: Any) -> None:
    """The losses per epoch, the speed, what changed on the way, and a verdict."""
    epochs = run.history.epochs
    if len(epochs) >= EPOCHS_PLOTTED:
        line = [float(epoch["loss"]) for epoch in epochs]
        points = [epoch.get("validation_loss") for epoch in epochs]
        section(console, "Loss", _legend(job.setup, line[-1], points[-1]))
        if all(map(math.isfinite, line)):
            console.print(loss_plot(line, _finite(points), min(console.width, 80)))
    seconds = job.clock.seconds.get("train", 0.0)
    rows = float(run.history.batch.sum())
    speed = f"; {short(rows / seconds)} rows/s" if seconds and not job.resumes else ""
    threads = count(run.threads, "thread")
    done = f"{count(run.steps, 'step')} in {duration(seconds)}{speed}, on {threads}"
    section(console, "Trained", done, *_ending(job, run))
    section(console, "Changes", *_changes(run))
    if run.stopped != "interrupted":
        section(console, "Verdict", *verdict(job, run))


def _ending(job: Job, run: Any) -> Iterator[str]:
    """Why it ended, if it ended before its last epoch."""
    if run.stopped == "early_stopping":
        yield f"stopped early: {run.reason.replace('_', ' ')}, whose weights are kept"
    elif run.stopped == "max_time":
        at = f"epoch {min(len(run.history.epochs) + 1, job.setup.epochs)} of {job.setup.epochs}"
        yield f"stopped by --max-time in {at}; {resume_command(job)} goes on"
    elif run.best_epoch is not None:
        yield f"the weights are those of epoch {run.best_epoch}, the best"


def _changes(run: Any) -> Iterator[str]:
    """What schedules decided, in short."""
    decisions = [d for d in run.history.decisions if d["step"] > 0]
    if not decisions:
        return
    batches = [int(run.history.batch[0]), *(int(d["batch"]) for d in decisions)]
    sizes = [b for k, b in enumerate(batches) if k == 0 or b != batches[k - 1]]
    if len(sizes) > _SHOWN:
        low, high = min(sizes), max(sizes)
        yield f"batch {sizes[0]:,} → {sizes[-1]:,} in {len(sizes) - 1} changes, {low:,} to {high:,}"
    elif len(sizes) > 1:
        yield f"batch {' → '.join(f'{b:,}' for b in sizes)}"
    rules: dict[str, int] = {}
    for decision in decisions:
        rules[decision["rule"]] = rules.get(decision["rule"], 0) + 1
    for rule, times in rules.items():
        last = [d for d in decisions if d["rule"] == rule][-1]
        rate = f", learning rate times {last['rate']:.3g}" if last["rate"] != 1.0 else ""
        yield f"by {rule}: {count(times, 'decision')}, the last at epoch {last['epoch']:.2f}{rate}"


def verdict(job: Job, run: Any) -> list[str]:
    """What is worth knowing of the descent, the most serious first; one line where all is well."""
    said = [_said(finding) for finding in watched(job, run) if finding.severity != "note"]
    said += advice(run)
    return said or [_fine(run)]


def watched(job: Job, run: Any) -> tuple[Any, ...]:
    """What the whole record says."""
    history = run.history
    if not len(history.loss):
        return ()
    return watch(history.loss, history.learning_rate, history.batch, rows=job.setup.rows)


def advice(run: Any) -> list[str]:
    """What the validation losses say about the number of epochs."""
    losses = [epoch["validation_loss"] for epoch in run.history.epochs]
    if not losses or None in losses:
        return []
    lowest, last = min(losses), losses[-1]
    if last - lowest > OVERFITTED * abs(lowest) and run.best_epoch is None:
        best = losses.index(lowest) + 1
        at = f"validation was best at epoch {best} ({lowest:.4g})"
        return [f"{at}: --patience 5 keeps the weights of the best"]
    if run.steps < FEW_STEPS and run.stopped == "completed":
        return [f"{count(run.steps, 'step')} are few: more --epochs may do better"]
    return []


def _said(finding: Any) -> str:
    hint = f"; try {for_command_line(finding.advice)}" if finding.advice else ""
    return f"{finding.kind}: {for_command_line(finding.what)}{hint}"


def _fine(run: Any) -> str:
    losses = [epoch["validation_loss"] for epoch in run.history.epochs]
    if not losses or None in losses:
        return "nothing to complain of"
    best = losses.index(min(losses)) + 1
    return f"nothing to complain of: validation was best at epoch {best} of {len(losses)}"


def show_diagnosis(console: Console, found: Any) -> None:
    """What ``--diagnose`` measured."""
    console.print()
    lines = [for_command_line(line) for line in str(found).splitlines()]
    section(console, "Diagnosis", *lines)


def show_profile(console: Console, found: Any, files: Sequence[Path]) -> None:
    """What ``--profile`` measured, and where it lies. A table is not folded."""
    console.print()
    section(console, "Profile")
    console.print(str(found), soft_wrap=True, markup=False)
    for path in files:
        console.print(str(path), soft_wrap=True, markup=False)


def show_scores(console: Console, job: Job, test: Mapping[str, Scores]) -> None:
    """The test scores side by side, and what they are compared with."""
    target, setup = job.prepared.schema.target, job.setup
    console.print()
    section(console, "Test", f"{count(len(job.prepared.test), 'row')} that training never saw")
    console.print(score_table(metrics_of(setup.terms, target, setup.metrics), test))
    notes = [f"baseline: {baseline_words(setup.terms, target)}"]
    if "linear" in test:
        notes.insert(0, "linear: the same columns, loss and descent, without hidden layers")
    for note in notes:
        section(console, "", note, style="dim")


def show_end(console: Console, job: Job) -> None:
    """Where the time went, where the run lies, and what to do next."""
    seconds = job.clock.seconds
    spent = ", ".join(f"{name} {duration(s)}" for name, s in seconds.items())
    console.print()
    section(console, "Time", f"{duration(sum(seconds.values()))}: {spent}")
    recorded = f"; per step: {listed(job.setup.record)}" if job.setup.record else ""
    # Not folded at the terminal's width, so that they can be copied.
    console.print(f"{'Run':<{LABEL}} ", style="bold", end="")
    console.print(f"{job.out}{recorded}", soft_wrap=True, markup=False)
    console.print(f"{'Next':<{LABEL}} ", style="bold", end="")
    following = f"chainrule predict {shlex.quote(str(job.out))} DATA --out predictions.csv"
    console.print(following, soft_wrap=True, markup=False)


def details(job: Job, run: Any) -> Iterator[str]:
    """What --verbose adds of a run: threads, what was chosen and why, every decision."""
    options, setup = job.options, job.setup
    chosen = "as asked" if options.threads else "by what the steps took"
    yield f"threads: {run.threads} ({chosen})"
    yield f"task: {job.prepared.schema.target.words} ({job.prepared.schema.target.reason})"
    yield f"loss: {setup.loss} ({'for this target' if options.loss == 'auto' else 'as asked'})"
    yield f"learning rate: {setup.learning_rate:g} ({setup.rate_rule})"
    schedule = "chosen for this optimiser and batch" if options.schedule == "auto" else "as asked"
    yield f"schedule: {setup.schedule} ({schedule})"
    yield f"split: {job.prepared.split}; seed {setup.seed}"
    yield f"ended: {run.stopped}: {run.reason}"
    for name, seconds in run.spent.seconds.items():
        yield f"training: {seconds:.4f} s  {name}"
    for decision in run.history.decisions:
        yield f"decided at step {decision['step']:,}: {for_command_line(str(decision['reason']))}"


def resume_command(job: Job) -> str:
    """What continues the run."""
    return f"chainrule resume {shlex.quote(str(job.out))}"


def result(job: Job, run: Any, test: Mapping[str, Scores] | None) -> dict[str, object]:
    """What was found and done, for --json and for result.json."""
    prepared = job.prepared
    findings = {f.kind: f for f in (*run.findings, *watched(job, run))}
    return {
        "chainrule": __version__,
        "status": run.stopped,
        "reason": run.reason,
        "run": str(job.out),
        **job.config(),
        "notes": [*job.source.notes, *prepared.notes],
        "checks": to_json(job.checks),
        "rows": {
            "training": len(prepared.train),
            "validation": len(prepared.validation),
            "test": len(prepared.test),
            "split": prepared.split,
        },
        "parameters": count_parameters(run.model),
        "steps": run.steps,
        "threads": run.threads,
        "best_epoch": run.best_epoch,
        "epochs": list(run.history.epochs),
        "decisions": list(run.history.decisions),
        "findings": [_finding_json(finding) for finding in findings.values()],
        "verdict": verdict(job, run),
        "test": test,
        "seconds": dict(job.clock.seconds),
    }


def _finding_json(finding: Any) -> dict[str, object]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "what": finding.what,
        "numbers": dict(finding.numbers),
        "try": for_command_line(finding.advice),
    }


def _finite(points: Sequence[float | None]) -> list[float | None]:
    return [x if x is not None and math.isfinite(x) else None for x in points]


def _legend(setup: Setup, line: float, point: float | None) -> str:
    validation = "" if point is None else f"   ● validation {point:.4g}"
    return f"⠒ training {line:.4g}{validation}   ({unit_of(setup)})"
