"""What two runs were asked, prepared and run with, name by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chainrule.runs.folder import RunFolder

#: Options that say where a run lies or how it is shown, and change no number of it.
_ELSEWHERE: Final = frozenset({"data", "out", "resume", "threads", "keep", "checkpoint_every"})
_LONGEST: Final = 60
_DIGEST: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in both runs.

    Attributes:
        group: "options", "setup", "descent", "data", "columns", "versions" or "machine".
        name: of the thing. a, b: its value in each run; None where a run has none.
    """

    group: str
    name: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"{self.name} {shown(self.a)}, {shown(self.b)}"


def shown(value: object) -> str:
    """A value in a line of a table."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return shown(",".join(map(str, value)) or "none")
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if _DIGEST.fullmatch(text):
        return f"{text[:12]}…"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def differences(a: RunFolder, b: RunFolder) -> Iterator[Difference]:
    """All of them, by group; what an option explains is not said again."""
    one, two = a.config, b.config
    options = list(_of("options", _part(one, "options"), _part(two, "options"), _ELSEWHERE))
    yield from options
    said = {d.name for d in options} | {"rate_rule", "metrics"}
    setup = list(_of("setup", _part(one, "setup"), _part(two, "setup"), said | _ELSEWHERE))
    yield from setup
    # Of a run of a table, what is asked of the descent follows from its options and setup.
    said |= {d.name for d in setup}
    follows = {"loss", "optimizer", "batch", "order", "record", "early_stopping", "parameters"}
    hidden = said | (follows if options or setup else set())
    yield from _of("descent", _part(one, "descent"), _part(two, "descent"), hidden)
    yield from _of_data(_part(one, "data"), _part(two, "data"))
    yield from _of("columns", _columns(a), _columns(b))
    files = [folder.read_json("config.json") for folder in (a, b)]
    for group in ("versions", "machine"):
        yield from _of(group, _part(files[0], group), _part(files[1], group))


def _part(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _of(
    group: str, a: Mapping[str, Any], b: Mapping[str, Any], hidden: Collection[str] = ()
) -> Iterator[Difference]:
    for name in {**a, **b}:
        one, two = a.get(name), b.get(name)
        if name in hidden or one == two:
            continue
        if isinstance(one, dict) and isinstance(two, dict):
            for inner in _of(group, one, two):
                yield Difference(group, f"{name}.{inner.name}", inner.a, inner.b)
        else:
            yield Difference(group, name, one, two)


def _of_data(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    """A table is told by its content; where it lies is no difference of its own."""
    yield from _of("data", a, b, ("path", "name") if a.get("sha256") == b.get("sha256") else ())


def _treatment(column: Mapping[str, Any]) -> str:
    dropped = column.get("kind") == "dropped"
    return ("" if dropped else f"{column.get('kind')}: ") + str(column.get("treatment"))


def _columns(folder: RunFolder) -> dict[str, Any]:
    """What becomes of each column, and of the target."""
    if not (folder.path / "schema.json").is_file():
        return {}
    schema = folder.read_json("schema.json")
    columns = schema.get("columns")
    found = {
        str(column.get("name")): _treatment(column)
        for column in (columns if isinstance(columns, list) else ())
        if isinstance(column, dict)
    }
    target = schema.get("target")
    if isinstance(target, dict):
        found["target"] = f"{target.get('name')}: {target.get('task')}"
    return found
