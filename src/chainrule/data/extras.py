"""Optional libraries, imported where they are first used."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, TypeAlias

from chainrule.errors import MissingExtraError

Table: TypeAlias = Any  # pyarrow.Table
ArrowColumn: TypeAlias = Any  # pyarrow.ChunkedArray

_DISTRIBUTION = {"sklearn": "scikit-learn"}


def need(module: str, extra: str = "tables") -> ModuleType:
    """Import ``module``, which the extra ``extra`` installs.

    Raises:
        MissingExtraError: it is not installed; the message names the extra.
    """
    try:
        return sys.modules.get(module) or importlib.import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        name = _DISTRIBUTION.get(top, top)
        raise missing(f"{name} cannot be imported ({error})", extra) from error


def missing(what: str, extra: str) -> MissingExtraError:
    """The error that says which extra to install."""
    return MissingExtraError(what, hint=f'pip install "chainrule[{extra}]"')
