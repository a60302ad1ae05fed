"""`chainrule inspect`: what a run is and how it stands, or what a table's columns are."""

from __future__ import annotations

from pathlib import Path

from chainrule.cli.inspect_run import inspect_a_run
from chainrule.cli.inspect_table import inspect_a_table
from chainrule.cli.outcome import OptionError
from chainrule.cli.view import View
from chainrule.data.words import count
from chainrule.errors import RunError


def run_inspect(what: str, target: str | None, view: View) -> None:
    """Show a run, if WHAT is a folder, or else a table.

    Raises:
        ChainruleError: it cannot be read, or the run is damaged (after all has been shown).
    """
    if not Path(what).is_dir():
        return inspect_a_table(what, target, view)
    if target is not None:
        raise OptionError("--target is of a table; a run has its own", hint="leave --target out")
    damage = inspect_a_run(Path(what), view)
    if damage:
        hint = "restore the files from a copy, or train again"
        raise RunError(f"{what}: {count(len(damage), 'problem')}, see above", hint)
    return None
