"""The options of `chainrule train` in a TOML file: read, checked by name and type, and written."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from chainrule.cli.options import explicit_names, spelled_option
from chainrule.cli.outcome import OptionError
from chainrule.data.words import listed, nearest

#: What belongs to the command line alone.
_NOT_IN_A_FILE: Final = frozenset({"ctx", "config", "print_config", "help", "return"})
_EXPECTED: Final = {bool: "true or false", int: "a whole number", float: "a number"}
#: What a file that repeats a run leaves out: where that run lies.
_OF_ONE_RUN: Final = frozenset({"out", "resume"})


def read_config(path: Path, train: Callable[..., object]) -> dict[str, Any]:
    """The options in a file, as typer takes them.

    Args:
        path: a TOML file of ``option = value`` lines.
        train: the command; its arguments are the options, annotated with their types.

    Raises:
        OptionError: the file cannot be read, names an option that does not exist, or gives one a
            value of another type; the line is named.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        given = tomllib.loads(text)
    except OSError as error:
        raise OptionError(f"--config {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        hint = 'lines are as in: epochs = 40, or loss = "quantile"'
        raise OptionError(f"--config {path}: not TOML: {error}", hint) from error
    kinds = get_type_hints(train)
    known = {name: kind for name, kind in kinds.items() if name not in _NOT_IN_A_FILE}
    found: dict[str, Any] = {}
    for key, value in given.items():
        name, where = key.replace("-", "_"), f"--config {path}{_line(text, key)}"
        if name not in known:
            raise _unknown(where, key, known)
        if name in found:
            raise OptionError(f"{where}: {key} is given twice, as {name} and {key}")
        found[name] = _value(where, key, value, known[name])
    return found


def _unknown(where: str, key: str, known: Mapping[str, Any]) -> OptionError:
    near = nearest(key.replace("-", "_"), known)
    hint = f"did you mean {near}?" if near else f"the options are {listed(list(known), 60)}"
    return OptionError(f"{where}: there is no option {key!r}", hint)


def _line(text: str, key: str) -> str:
    """Where a key stands: ", line 3"; "" where it cannot be told."""
    quoted = re.escape(key)
    pattern = re.compile(rf"""\s*\[*\s*["']?{quoted}["']?\s*(=|\.|\])""")
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return f", line {number}"
    return ""


def _value(where: str, key: str, value: Any, kind: Any) -> Any:
    """A value as typer takes it from the command line."""
    types = [t for t in get_args(kind) or (kind,) if t is not type(None)]
    if get_origin(types[0]) is list:
        if isinstance(value, dict):  # a table of NAME = "RULE"
            return [f"{name}={_text(where, key, rule)}" for name, rule in value.items()]
        items = value if isinstance(value, list) else [value]
        return [_text(where, key, item) for item in items]
    if types[0] in _EXPECTED:
        taken = (int, float) if types[0] is float else types[0]
        if not isinstance(value, taken) or isinstance(value, bool) != (types[0] is bool):
            expected = _EXPECTED[types[0]]
            raise OptionError(f"{where}: {key} = {_toml(value)}: expected {expected}")
        return value
    if isinstance(value, list):
        return ",".join(_text(where, key, item) for item in value)
    return _text(where, key, value)


def _text(where: str, key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise OptionError(f"{where}: {key} = {_toml(value)}: expected a text or a number")
    return str(value)


# -- writing ---------------------------------------------------------------------------------------


def asked_toml(ctx: Any) -> str:
    """The options of this command as a file: those that were given, and the defaults."""
    given = {p.name: ctx.params.get(p.name) for p in ctx.command.params}
    explicit = explicit_names(ctx)
    kept = [name for name in given if name not in _NOT_IN_A_FILE]
    options = {name: given[name] for name in kept if name != "resume" or name in explicit}
    return to_toml(options, ctx.command.params)


def stored_toml(options: Mapping[str, Any], data: str, params: list[Any]) -> str:
    """The file that repeats a run, from the options in its ``config.json``.

    Args:
        options: as they are stored.
        data: the table.
        params: the parameters of `chainrule train`.
    """
    kept = {name: value for name, value in options.items() if name not in _OF_ONE_RUN}
    special = {"learning_rate": ("auto", None), "batch": ("all", 0)}
    for name, (word, stored) in special.items():
        if kept.get(name) == stored and name in kept:
            kept[name] = word
    if kept.get("hidden") == []:
        kept["hidden"] = "none"
    return to_toml({**kept, "data": data}, params)


def to_toml(options: Mapping[str, Any], params: list[Any]) -> str:
    """Options as TOML, in groups as `--help` has them; those without a value as comments."""
    lines = ["# Options of `chainrule train`: chainrule train --config FILE"]
    panel = None
    for param in params:
        if param.name not in options:
            continue
        found = getattr(param, "rich_help_panel", None) or "Table"
        if found != panel:
            lines += ["", f"# {found}"]
            panel = found
        lines.append(_assignment(param.name, options[param.name]))
    return "\n".join([*lines, ""])


def _assignment(name: str, value: Any) -> str:
    if value is None or value == "" or (isinstance(value, list | tuple) and not value):
        return f"# {name} =        (not given: {spelled_option(name)})"
    return f"{name} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{{', '.join(_pairs(value))}}}"
    # JSON's escapes are TOML's, but for the character that JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _pairs(value: Mapping[str, Any]) -> Iterator[str]:
    for name, item in value.items():
        yield f"{json.dumps(name, ensure_ascii=False)} = {_toml(item)}"
