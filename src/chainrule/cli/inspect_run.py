"""A run folder as its reader sees it: what was trained on what, how it stands, what comes next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from chainrule.cli.large import SAMPLED, digest_of
from chainrule.cli.layout import LABEL, section, table_of
from chainrule.cli.live import duration
from chainrule.cli.report import descent_lines, network_words, score_table, show_columns
from chainrule.cli.scores import metrics_of
from chainrule.cli.setup import Setup
from chainrule.cli.source import is_example, sha256_of
from chainrule.cli.stored import whole
from chainrule.cli.view import View
from chainrule.data.blocks import Blocks
from chainrule.data.files import as_paths, is_there
from chainrule.data.schema import Schema
from chainrule.data.words import count, listed
from chainrule.errors import DataError, RunError
from chainrule.profiling.units import bytes_in_words
from chainrule.runs.checkpoints import Checkpoint
from chainrule.runs.inspection import Inspection, inspect_run

#: Bytes of a table up to which its checksum is looked at.
_READ: Final = 256 << 20
_MOST_LAYERS: Final = 40
#: How a checkpoint's status is said.
_ENDED: Final = {
    "completed": "completed",
    "early_stopping": "stopped early, the best weights are kept",
    "interrupted": "interrupted",
    "max_time": "stopped by --max-time",
    "callback": "stopped by a callback",
    "running": "not ended: the process was stopped, or still runs",
}
#: What of a descent is shown of a run of Python.
_ASKED: Final = ("loss", "optimizer", "batch", "order", "epochs", "early_stopping", "metrics")


def inspect_a_run(path: Path, view: View) -> tuple[str, ...]:
    """Show it; what is wrong with it.

    Raises:
        RunError: nothing of a run lies there.
    """
    with view.busy("reading the run"):
        found = inspect_run(path)
        setup, schema, wrong = _parsed(found)
    problems = (*found.problems, *wrong)
    console = view.console
    section(console, "Run", *_about(found))
    section(console, "Table", *_table(found))
    if schema is not None:
        target = schema.target
        section(console, "Target", f"{target.name}: {target.words} ({target.reason})")
        show_columns(console, schema)
    _show_network(console, found, setup)
    section(console, "Descent", *_descent(found, setup))
    section(console, "Ended", *_ended(found))
    _show_results(console, found, setup, schema)
    _show_checkpoints(console, found)
    for problem in problems:
        section(console, "Damaged", problem, style="red")
    _show_next(console, found)
    view.result(_json(found, problems))
    return problems


def _parsed(found: Inspection) -> tuple[Setup | None, Schema | None, list[str]]:
    """The setup and the schema, if the run has them and they can be read."""
    wrong: list[str] = []
    setup, schema = None, None
    if isinstance(found.config.get("setup"), dict):
        try:
            setup = Setup.from_json(found.config["setup"])
        except RunError as error:
            wrong.append(f"{found.path / 'config.json'}: {error.message}")
    if found.schema is not None:
        try:
            schema = Schema.from_json(found.schema)
        except DataError as error:
            wrong.append(f"{found.path / 'schema.json'}: {error.message}")
    return setup, schema, wrong


def _about(found: Inspection) -> Iterator[str]:
    yield str(found.path)
    versions, machine = found.about.get("versions"), found.about.get("machine")
    created = str(found.about.get("created", "")).replace("T", " ")[:16]
    if isinstance(versions, dict):
        with_ = listed([f"{name} {version}" for name, version in versions.items()], 20)
        yield f"begun {created} UTC with {with_}"
    if isinstance(machine, dict):
        yield f"on {machine.get('processor')}, {count(whole(machine.get('cores')), 'core')}"
    if "setup" not in found.config and found.config:
        yield "by cr.train from Python"


def _table(found: Inspection) -> Iterator[str]:
    data = found.config.get("data")
    if not isinstance(data, dict):
        return
    yield f"{data.get('name')}: {count(whole(data.get('rows')), 'row')}, {data.get('path')}"
    asked = (found.config.get("options") or {}).get("data")
    if not (asked and is_example(str(asked))):
        yield _whereabouts(Path(str(data.get("path"))), str(data.get("sha256")))


def _whereabouts(path: Path, sha256: str) -> str:
    """Whether the table is there still, and the same."""
    if not is_there(path):
        return "it is not there any more: --data FILE names it where it lies now"
    try:
        if sha256.startswith(SAMPLED):
            same = digest_of(Blocks.open(path)) == sha256
        else:
            files = as_paths(path)
            if sum(file.stat().st_size for file in files) > _READ:
                return "it is there"
            same = sha256_of(files) == sha256
    except (OSError, DataError) as error:
        return f"it cannot be read: {getattr(error, 'strerror', None) or error}"
    return "it is there, unchanged" if same else "it is there, and has changed since"


# -- what was trained ------------------------------------------------------------------------------


def _show_network(console: Console, found: Inspection, setup: Setup | None) -> None:
    newest = found.newest
    if newest is None:
        section(console, "Network", network_words(setup) if setup else "no weights yet")
        return
    total = sum(array.size for array in newest.weights.values())
    words = network_words(setup) if setup else count(total, "parameter")
    section(console, "Network", words)
    table = table_of("parameter", "shape", "numbers")
    for name in _in_order(found, newest)[:_MOST_LAYERS]:
        array = newest.weights[name]
        table.add_row("", Text(name or "(the parameter)"), _shape(array.shape), f"{array.size:,}")
    rest = len(newest.weights) - _MOST_LAYERS
    if rest > 0:
        table.add_row("", f"and {rest:,} more", "", "", style="dim")
    console.print(table)


def _in_order(found: Inspection, newest: Checkpoint) -> list[str]:
    """The parameters' names, in the model's order where the run says it."""
    asked = found.config.get("descent")
    said = asked.get("parameters") if isinstance(asked, dict) else None
    first = [name for name in said if name in newest.weights] if isinstance(said, dict) else []
    return list(dict.fromkeys([*first, *newest.weights]))


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{n:,}" for n in shape) or "one number"


def _descent(found: Inspection, setup: Setup | None) -> Iterator[str]:
    if setup is not None:
        yield from descent_lines(setup)
        return
    asked = found.config.get("descent")
    for name in _ASKED:
        value = asked.get(name) if isinstance(asked, dict) else None
        if value not in (None, [], "None"):
            yield f"{name.replace('_', ' ')}: {value}"


# -- how it stands ---------------------------------------------------------------------------------


def _ended(found: Inspection) -> Iterator[str]:
    if found.is_training:
        yield "a process trains into it now"
    newest = found.newest
    if newest is None:
        yield "no checkpoint yet" if not found.checkpoints else "no checkpoint is whole"
        return
    status = newest.status if newest.status != "running" or not found.is_training else ""
    steps = f"{count(newest.step, 'step')}, {count(len(newest.epochs), 'epoch')}"
    seconds = float(newest.position.get("seconds", 0.0))
    told = f"{_ENDED.get(status, status)}: " if status else ""
    yield f"{told}{steps}, {duration(seconds)} of training"


def _show_results(
    console: Console, found: Inspection, setup: Setup | None, schema: Schema | None
) -> None:
    section(console, "Last", *_last_epoch(found.newest))
    test = (found.result or {}).get("test")
    if isinstance(test, dict) and setup is not None and schema is not None:
        section(console, "Test", "rows that training never saw")
        metrics = metrics_of(setup.terms, schema.target, setup.metrics)
        console.print(score_table(metrics, test))


def _last_epoch(newest: Checkpoint | None) -> Iterator[str]:
    if newest is None or not newest.epochs:
        return
    last = newest.epochs[-1]
    shown = [n for n in last if n == "loss" or n.startswith("validation_")]
    values = [f"{n.replace('_', ' ')} {last[n]:.4g}" for n in shown if last[n] is not None]
    yield f"epoch {last['epoch']}: {', '.join(values)}"
    if newest.best is not None:
        yield f"the best at step {newest.best.step:,}: {newest.best.value:.4g}"


def _show_checkpoints(console: Console, found: Inspection) -> None:
    if not found.checkpoints:
        return
    table = table_of("checkpoint", "written (UTC)", "size", "")
    for k, held in enumerate(found.checkpoints):
        state = Text("damaged", style="red") if held.problem else Text("whole")
        written, size = held.written.replace("T", " ")[:19], bytes_in_words(held.bytes)
        table.add_row("Kept" if k == 0 else "", f"step {held.step:,}", written, size, state)
    console.print(table)


def _show_next(console: Console, found: Inspection) -> None:
    for k, line in enumerate(_next(found)):
        console.print(f"{'Next' if k == 0 else '':<{LABEL}} ", style="bold", end="")
        console.print(line, soft_wrap=True, markup=False)


def _next(found: Inspection) -> Iterator[str]:
    """Commands that go on from here; not folded, so that they can be copied."""
    if "setup" not in found.config or found.newest is None:
        return
    run = shlex.quote(str(found.path))
    epochs = int(found.config["setup"].get("epochs", 0))
    done = found.newest.status in ("completed", "early_stopping")
    if not found.is_training and (not done or len(found.newest.epochs) < epochs):
        yield f"chainrule resume {run}"
    elif found.newest.status == "completed":
        yield f"chainrule resume {run} --epochs {2 * epochs}"
    yield f"chainrule predict {run} DATA --out predictions.csv"


def _json(found: Inspection, problems: tuple[str, ...]) -> Mapping[str, object]:
    newest = found.newest
    return {
        "run": str(found.path),
        **found.about,
        "config": found.config,
        "schema": found.schema,
        "is_training": found.is_training,
        "status": newest.status if newest else None,
        "steps": newest.step if newest else 0,
        "epochs": list(newest.epochs) if newest else [],
        "parameters": {n: list(x.shape) for n, x in newest.weights.items()} if newest else {},
        "checkpoints": [{n: getattr(h, n) for n in h.__slots__} for h in found.checkpoints],
        "result": found.result,
        "problems": list(problems),
        "next": list(_next(found)),
    }
