"""`chainrule inspect`: what a run is and how it stands, or what a table's columns are."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from chainrule.cli.config import stored_toml
from chainrule.cli.inspect_run import inspect_a_run
from chainrule.cli.inspect_table import inspect_a_table
from chainrule.cli.options import train_params
from chainrule.cli.outcome import OptionError
from chainrule.cli.resumed import Kept
from chainrule.cli.source import is_example
from chainrule.cli.view import View
from chainrule.data.words import count
from chainrule.errors import RunError
from chainrule.runs.folder import versions


def run_inspect(what: str, target: str | None, view: View) -> None:
    """Show a run, if WHAT is a folder, or else a table.

    Raises:
        ChainruleError: it cannot be read, or the run is damaged (after all has been shown).
    """
    start = time.perf_counter()
    try:
        _inspect(what, target, view)
    finally:
        view.show_details({"look at it": time.perf_counter() - start}, versions())


def _inspect(what: str, target: str | None, view: View) -> None:
    if not Path(what).is_dir():
        return inspect_a_table(what, target, view)
    if target is not None:
        raise OptionError("--target is of a table; a run has its own", hint="leave --target out")
    damage = inspect_a_run(Path(what), view)
    if damage:
        hint = "restore the files from a copy, or train again"
        raise RunError(f"{what}: {count(len(damage), 'problem')}, see above", hint)
    return None


def print_toml(run: str, ctx: Any) -> None:
    """Print the options of a run as the file that repeats it.

    Raises:
        RunError: it is no run of `chainrule train`.
    """
    kept = Kept.open(Path(run))
    asked = str(kept.options.get("data"))
    data = asked if is_example(asked) else str(kept.data.get("path", asked))
    sys.stdout.write(stored_toml(kept.options, data, train_params(ctx)))
