"""FILE.py:function of `chainrule explain`: a function and values for its arguments."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from chainrule.cli.outcome import OptionError
from chainrule.data.words import did_you_mean
from chainrule.errors import ChainruleError, DataError

#: The user's file as a module: no ``if __name__ == "__main__"`` of it runs.
_MODULE: Final = "chainrule_explained"


def names_a_function(what: str) -> bool:
    """Whether WHAT is FILE.py:function, and no folder of a run."""
    file, colon, _ = what.rpartition(":")
    return bool(colon) and file.endswith(".py")


def function_and_arguments(
    what: str, given: Sequence[str]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function that WHAT names, and a value for each of its arguments.

    An argument is what ``--at`` gives it, else the file's own variable of that name, else the
    argument's default.

    Args:
        what: FILE.py:function.
        given: of each ``--at``: NAME=VALUE, a number or a list of numbers.

    Raises:
        DataError: the file cannot be read or run, or has no such function.
        OptionError: an argument has no value, or a value is none.
    """
    file, _, name = what.rpartition(":")
    module = _module(Path(file))
    function = getattr(module, name, None)
    if not callable(function):
        known = [n for n, v in vars(module).items() if inspect.isfunction(v)]
        found = "no function" if function is None else f"{type(function).__name__}, no function,"
        hint = did_you_mean(name, known)
        raise DataError(f"{file}: {found} named {name!r}", hint=hint)
    return function, _arguments(function, module, _values(given))


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise DataError(f"{path}: no such file", hint="FILE.py:function, as in loss.py:loss")
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # where dataclasses look for the names in annotations
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the result
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(f"{_line(path, error)}: {_what(error)}") from error
    finally:
        sys.path.pop(0)
    return module


def _line(path: Path, error: BaseException) -> str:
    """The file and the line of it that the error went through last."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    number = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else 0
    return f"{path}, line {number}" if number else str(path)


def _what(error: BaseException) -> str:
    if isinstance(error, ChainruleError | SyntaxError):
        return f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


def _values(given: Sequence[str]) -> dict[str, Any]:
    found = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not (equals and name.strip().isidentifier()):
            raise OptionError(f"--at {item}: expected NAME=VALUE", hint='--at w=2 --at "x=[1, 2]"')
        found[name.strip()] = _value(item, text)
    return found


def _value(item: str, text: str) -> Any:
    try:
        value = np.asarray(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = np.asarray(text)
    if value.dtype.kind not in "iufb":
        raise OptionError(
            f"--at {item}: {text.strip()!r} is no number and no list of numbers of equal lengths",
            hint='--at w=2 --at "x=[1, 2]" --at "X=[[1, 2], [3, 4]]"',
        )
    return value


def _arguments(
    function: Callable[..., Any], module: ModuleType, given: Mapping[str, Any]
) -> tuple[Any, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind in kinds]
    known = [p.name for p in parameters]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise OptionError(
            f"--at {unknown[0]}: the function has no such argument; it has {', '.join(known)}",
            hint=did_you_mean(unknown[0], known),
        )
    values = {p.name: _argument(p, module, given) for p in parameters}
    lacking = [name for name, value in values.items() if value is inspect.Parameter.empty]
    if lacking:
        raise OptionError(
            f"no value for {', '.join(lacking)}",
            hint=" ".join(f"--at {name}=1.5" for name in lacking),
        )
    return tuple(values.values())


def _argument(parameter: inspect.Parameter, module: ModuleType, given: Mapping[str, Any]) -> Any:
    """Whole numbers count as real ones, which have derivatives, unless the function says int."""
    name = parameter.name
    if name not in given:
        return getattr(module, name, parameter.default)
    value = given[name]
    is_whole = parameter.annotation in (int, "int") or _is_whole(
        getattr(module, name, parameter.default)
    )
    return value if is_whole else value.astype(float)


def _is_whole(value: Any) -> bool:
    if value is inspect.Parameter.empty or isinstance(value, ModuleType):
        return False
    return np.asarray(value).dtype.kind in "iu" and not isinstance(value, int)
