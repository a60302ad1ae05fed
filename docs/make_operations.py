"""Writes docs/operations.md from the table of operations: ``python docs/make_operations.py``."""

from __future__ import annotations

import ast
import inspect
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from chainrule import ops
from chainrule.errors import ChainruleError
from chainrule.ir.types import DTYPE_NAMES, ArrayType
from chainrule.ops import PRIMITIVES, NoGradient, Primitive
from chainrule.ops.record import HOST
from chainrule.tracing import trace  # noqa: F401 - fills the tables below
from chainrule.tracing.tracer import _FUNCTIONS, _UFUNCS

PAGE = Path(__file__).parent / "operations.md"
INTRODUCTION = """# Operations

*Made from the table of operations by `python docs/make_operations.py`; a test holds it to that.*

What a NumPy function does is written down as a few of the primitives below. Each has one record
(`src/chainrule/ops/`) with its shape rule, its NumPy meaning, its derivatives backwards and
forwards, its form for many examples at once (`vmap`) and its native meaning. The tests walk the
same table: native = NumPy, derivative = differences, forward = backward transposed, `vmap` =
stacking.

In the column *derivative*, `g` is the cotangent of the output, `y` the output; what is given is
the cotangent of each operand in turn. "native" is machine code of our own; "NumPy" is NumPy's
function, called from the native loop.
"""


def records() -> Iterator[tuple[str, Primitive, ast.Call]]:
    """(file, record, the call that made it) for every primitive, file by file."""
    seen: set[str] = set()
    modules = [m for m in vars(ops).values() if isinstance(m, ModuleType)]
    for module in sorted({m.__name__: m for m in modules}.values(), key=lambda m: m.__name__):
        if not module.__name__.startswith("chainrule.ops."):
            continue
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            name = _keyword(call, "name") if _is_record(call) else None
            for text in _names(name, module):
                if text in PRIMITIVES and text not in seen:
                    seen.add(text)
                    yield module.__name__.rpartition(".")[2], PRIMITIVES[text], call  # type: ignore[misc]


def _is_record(call: ast.AST) -> bool:
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Primitive"


def _keyword(call: ast.AST, name: str) -> Any:
    assert isinstance(call, ast.Call)
    return next((k.value for k in call.keywords if k.arg == name), None)


def _names(node: Any, module: ModuleType) -> list[str]:
    """A name that is written out, or those of the records that a function of the module made."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if node is None:
        return []
    return [p.name for p in vars(module).values() if isinstance(p, Primitive)]


def derivative(record: Primitive, call: ast.Call, module: str) -> str:
    """The rules as they are written, or why there are none."""
    if isinstance(record.vjp, NoGradient):
        return f"none: {record.vjp.why}"
    if not isinstance(record.vjp, tuple):
        return (inspect.getdoc(record.vjp.rule) or "").split("\n")[0].rstrip(".")
    written = _keyword(call, "vjp")
    rules = written.elts if isinstance(written, ast.Tuple) else [None] * len(record.vjp)
    texts = [_rule(rule, node) for rule, node in zip(record.vjp, rules, strict=False)]
    return "; ".join(texts) if texts else "no operands"


def _rule(rule: Any, node: ast.AST | None) -> str:
    if rule is None:
        return "none by definition"
    if isinstance(node, ast.Lambda) and not _is_private(node.body):
        return f"`{ast.unparse(node.body)}`"
    if isinstance(node, ast.Lambda):
        assert isinstance(node.body, ast.Call)
        assert isinstance(node.body.func, ast.Name)
        rule = rule.__globals__[node.body.func.id]
    said = (inspect.getdoc(rule) or "").split("\n")[0].rstrip(".")
    return said or f"`{rule.__name__}`"


def _is_private(body: ast.AST) -> bool:
    """Whether a rule only calls a helper of its file: then the helper's words say more."""
    return isinstance(body, ast.Call) and isinstance(body.func, ast.Name) and body.func.id[0] == "_"


#: The element types of operations that are not elementwise, by their file, then by their name.
OF_FILES = {
    "structure": "any", "windows": "any", "join": "any", "index": "any; places i32, i64",
    "cumulative": "f32, f64", "reduce": "f32, f64, i32, i64", "contract": "f32, f64",
    "linalg": "f32, f64", "spectral": "f32, f64", "bodies": "any", "branch": "any", "scan": "any",
    "whiles": "any", "custom": "any",
}  # fmt: skip
OF_NAMES = {
    "max": "any", "argsort": "any", "sort": "any", "argcummax": "any",
    "recurrence": "f32, f64, i32, i64", "scatter_add": "f32, f64, i32, i64; places i32, i64",
    "last_of": "i32, i64",
}  # fmt: skip


def dtypes(record: Primitive, module: str) -> str:
    """The element types that elementwise operations take, by asking the shape rule."""
    if not callable(record.lower):
        return OF_NAMES.get(record.name, OF_FILES.get(module, ""))
    taken = [name for dtype, name in DTYPE_NAMES.items() if _takes(record, dtype, _arity(record))]
    return "any" if len(taken) == len(DTYPE_NAMES) else ", ".join(taken)


def _arity(record: Primitive) -> int:
    parameters = inspect.signature(record.lower).parameters.values()  # type: ignore[arg-type]
    return sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) - 1


def _takes(record: Primitive, dtype: np.dtype, count: int) -> bool:
    types = [ArrayType(dtype, (2,))] * count
    if record.name == "where":
        types[0] = ArrayType(np.dtype(bool), (2,))
    parameters = inspect.signature(record.shape).parameters.values()
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    try:
        record.shape(*types, **{name: "f64" if name == "dtype" else 1 for name in named})
    except (ChainruleError, TypeError):
        return False
    return True


def native(record: Primitive) -> str:
    """Who does it under compile."""
    return "NumPy" if record.lower == HOST else "native"


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for module, found in itertools.groupby(records(), key=lambda r: r[0]):
        said = (inspect.getdoc(sys.modules[f"chainrule.ops.{module}"]) or "").split("\n\n")[0]
        lines += [f"## {module}", "", " ".join(said.split()), ""]
        lines += [
            "| operation | dtypes | derivative | by | source |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, record, call in found:
            cells = [f"`{record.name}`", dtypes(record, name), derivative(record, call, name),
                     native(record), record.source]  # fmt: skip
            lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        lines.append("")
    return "\n".join([*lines, *carried()]) + "\n"


def carried() -> list[str]:
    """The names of NumPy's and SciPy's functions that may be called on traced values."""
    ufuncs = sorted({_name(f) for f in _UFUNCS})
    functions = sorted({_name(f) for f in _FUNCTIONS if callable(f)})
    return [
        "## What plain NumPy and SciPy code may call", "",
        "Ufuncs: " + ", ".join(f"`{n}`" for n in ufuncs) + ".", "",
        "Functions: " + ", ".join(f"`{n}`" for n in functions) + ".",
    ]  # fmt: skip


def _name(function: Any) -> str:
    if isinstance(function, np.ufunc):
        home = "np" if getattr(np, function.__name__, None) is function else "scipy.special"
        return f"{home}.{function.__name__}"
    module = str(function.__module__).replace("numpy", "np", 1)
    return f"{module}.{function.__name__}"


if __name__ == "__main__":
    PAGE.write_text(page())
