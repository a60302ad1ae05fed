"""A function of arrays as formulas: read the graph, name its pieces, pass cotangents backwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.explain.derivations.derivation import Derivation, Gradient, Named, Step
from chainrule.explain.derivations.layers.engine import LONGEST, Engine, Line, parts_of
from chainrule.explain.derivations.layers.local import local_derivatives
from chainrule.explain.derivations.layers.naming import Plan, behind, kind_of, plan
from chainrule.explain.derivations.layers.read import Reading
from chainrule.explain.derivations.layers.references import cotangents
from chainrule.explain.derivations.layers.substitute import substituted
from chainrule.explain.derivations.layers.values import Value, count, kept
from chainrule.explain.notation import (
    Apply,
    Derivative,
    Expr,
    Symbol,
    equation,
    evaluate,
    magnitude,
    symbol,
    unicode,
)
from chainrule.explain.subject import Subject
from chainrule.explain.words import raised
from chainrule.ir.graph import Node

Array: TypeAlias = Any
#: What layers call their arrays, and how books do.
_LAYER_LETTERS: Final = {"weight": "W", "bias": "b"}


def derive_arrays(subject: Subject) -> Derivation:
    """The derivation of a function of arrays, by layers in matrix notation.

    Raises:
        TrainingError: an argument has no elements.
        GradientError: the function depends on nothing that the gradient is asked for.
    """
    _check_not_empty(subject)
    reading = Reading(subject)
    engine = _engine(subject, reading)
    engine.write()
    engine.differentiate()
    lines = engine.backward
    named = [line.value for line in lines if line.value is not None]
    expected = _expected(reading, named)
    values = _values(engine, expected)
    return Derivation(
        kind="arrays",
        symbols=_symbols(engine, reading),
        forward=_forward(engine, values),
        local=local_derivatives(engine, reading, values),
        backward=_backward(engine, reading, values, expected),
        gradients=_gradients(engine, reading, values, expected, subject),
        note=_note(reading),
    )


def _check_not_empty(subject: Subject) -> None:
    for name, x in subject.leaves.items():
        if not x.size:
            raise TrainingError(
                f"{name} is of shape {x.shape}, which has no elements; a formula needs one example"
            )


def _engine(subject: Subject, reading: Reading) -> Engine:
    found = plan(reading.output)
    rows = _rows(subject, reading)
    return Engine(found, _input_symbols(subject, reading, found), rows)


def _rows(subject: Subject, reading: Reading) -> int | None:
    """How many examples there are, where data were given beside a model."""
    if subject.model is None:
        shared = Counter(v.shape[0] for v in reading.inputs.values() if v.rank)
        return max((n for n, times in shared.items() if times > 1), default=None)
    data = [v for name, v in reading.inputs.items() if name not in subject.wrt and v.rank]
    return data[0].shape[0] if data and data[0].shape[0] > 1 else None


# ---------------------------------------------------------------- letters of the inputs


def _input_symbols(subject: Subject, reading: Reading, found: Plan) -> dict[Value, Symbol]:
    numbers = _layer_of(found) if subject.model is not None else {}
    taken: set[tuple[str, str, str]] = set()
    symbols: dict[Value, Symbol] = {}
    for name, v in reading.inputs.items():
        made = _symbol(name, v, numbers.get(v, ""), subject, len(found.affine) > 1)
        if (made.name, made.subscript, made.superscript) in taken:
            made = Symbol(name, "", "", kind_of(v), v.shape, name)
        taken.add((made.name, made.subscript, made.superscript))
        symbols[v] = made
    return symbols


def _layer_of(found: Plan) -> dict[Value, str]:
    """Parameters of the affine maps -> the number of the map that first reads them."""
    numbers: dict[Value, str] = {}
    for z, number in found.affine.items():
        products = (behind(y) for y in z.inputs)
        for x in (*z.inputs, *(i for y in products if y.op in ("dot", "conv") for i in y.inputs)):
            leaf = behind(x)
            if leaf.op == "input" and leaf.live:
                numbers.setdefault(leaf, str(number))
    return numbers


def _symbol(name: str, v: Value, number: str, subject: Subject, many: bool) -> Symbol:
    last = name.rpartition(".")[2]
    kind = kind_of(v)
    if number and last in _LAYER_LETTERS:
        capital = _LAYER_LETTERS[last]
        text = capital if v.rank >= 2 else capital.lower()
        return Symbol(text, "", number if many else "", kind, v.shape, name)
    if subject.model is not None and name in ("x", "y") and v.rank >= 2:
        return Symbol(name.upper(), "", "", kind, v.shape, name)
    short = _short(name) if subject.model is not None else name
    return symbol(short, kind, v.shape, key=name)


def _short(name: str) -> str:
    """The last part of a leaf's name; of one in a list, the list's name and its place."""
    before, _, last = name.rpartition(".")
    return f"{before.rpartition('.')[2]}_{last}" if before and last.isdigit() else last


# ---------------------------------------------------------------- numbers


def _expected(reading: Reading, named: Sequence[Value]) -> dict[Any, Array]:
    """What autodiff says of the values with a letter, and of the inputs."""
    numbers = {id(v): k for k, v in enumerate(named)}
    asked: dict[Node, int] = {}
    for node, v in reading.made.items():
        if id(v) in numbers and node.type.is_float:
            asked[node] = numbers[id(v)]
    live = [k for k, v in enumerate(reading.input_values) if v.live]
    value, of_inputs, of_nodes = cotangents(reading.graph, reading.data, asked, live)
    found: dict[Any, Array] = {named[k]: g for k, g in of_nodes.items() if k in asked.values()}
    found.update({reading.input_values[k]: g for k, g in of_inputs.items()})
    return {**found, "L": value}


def _values(engine: Engine, expected: Mapping[Any, Array]) -> dict[str, Array]:
    """Key -> number, of all symbols; the cotangents as autodiff has them.

    So each line is checked on its own, and an error stays in the line that makes it. A piece that
    the program computes in another form has what the line before it gives.
    """
    values = engine.values
    for line in engine.backward:
        v = line.value
        assert v is not None
        is_known = v in expected and not line.partial
        given = expected[v] if is_known else evaluate(line.formula, values)
        values[line.symbol.key] = np.reshape(given, v.shape)
    return values


def _step(line: Line, values: Mapping[str, Array], reference: Array, note: str = "") -> Step:
    return Step(
        equation(line.symbol, line.formula), ", ".join(line.rules), note,
        _number(line.formula, values), reference, magnitude(line.formula, values),
    )  # fmt: skip


def _number(formula: Expr, values: Mapping[str, Array]) -> Array:
    return np.asarray(evaluate(formula, values))


def _forward(engine: Engine, values: Mapping[str, Array]) -> tuple[Step, ...]:
    place = {id(v): k for k, v in enumerate(engine.plan.order)}
    lines = sorted(
        (*engine.forward, *engine.helpers),
        key=lambda line: (place[id(line.value)], line in engine.helpers),
    )
    return tuple(_forward_step(line, engine, values) for line in lines)


def _forward_step(line: Line, engine: Engine, values: Mapping[str, Array]) -> Step:
    v = line.value
    assert v is not None
    reference = values[line.symbol.key] if line in engine.helpers else v.data
    return _step(line, values, reference, said(line.symbol))


def _backward(
    engine: Engine, reading: Reading, values: Mapping[str, Array], expected: Mapping[Any, Array]
) -> tuple[Step, ...]:
    steps = []
    for line in engine.backward:
        v = line.value
        assert v is not None
        if line.partial:
            steps.append(_step(line, values, None, "part of a sum over paths"))
            continue
        if v.op == "input":
            continue
        reference = np.reshape(expected[v], v.shape) if v in expected else None
        steps.append(_cotangent_step(line, engine, values, reference))
    return tuple(steps)


def _cotangent_step(
    line: Line, engine: Engine, values: Mapping[str, Array], reference: Array
) -> Step:
    assert line.value is not None
    partial: Expr = Derivative(Symbol("L"), engine.names[line.value])
    parts = (partial,) if line.symbol == partial else (partial, line.symbol)
    note = f"sum over {line.paths} paths" if line.paths > 1 else ""
    return Step(
        equation(*parts, line.formula), ", ".join(line.rules), note,
        _number(line.formula, values), reference, magnitude(line.formula, values),
    )  # fmt: skip


def _gradients(
    engine: Engine, reading: Reading, values: Mapping[str, Array],
    expected: Mapping[Any, Array], subject: Subject,
) -> tuple[Gradient, ...]:  # fmt: skip
    lines = {line.value: line for line in engine.backward if not line.partial}
    return tuple(
        _gradient(name, reading.inputs[name], engine, lines, values, expected)
        for name in subject.wrt
    )


def _gradient(
    name: str, v: Value, engine: Engine, lines: Mapping[Any, Line],
    values: Mapping[str, Array], expected: Mapping[Any, Array],
) -> Gradient:  # fmt: skip
    own = engine.names[v]
    line = lines.get(v)
    if line is None:  # the function does not depend on it
        zero = Step(
            equation(Derivative(Symbol("L"), own), symbol("0")), "L does not depend on it", "",
            np.zeros(v.shape), np.zeros(v.shape),
        )  # fmt: skip
        return Gradient(name, own, (zero,))
    reference = np.reshape(expected[v], v.shape)
    step = _cotangent_step(line, engine, values, reference)
    whole = _in_one(line, engine)
    if whole == line.formula or _is_named(whole):
        return Gradient(name, own, (step,))
    full = Step(
        equation(line.symbol, whole), "all factors in one", said(own), _number(whole, values),
        reference, magnitude(whole, values),
    )  # fmt: skip
    return Gradient(name, own, (step, full))


def _in_one(line: Line, engine: Engine) -> Expr:
    """All cotangents put into one formula, if it is not too long to read."""
    sizes: dict[Any, int] = {}
    for x in engine.backward:
        sizes[x.symbol] = _size(x.formula, sizes)
    if sizes[line.symbol] > 2 * LONGEST:
        return line.formula
    return substituted(line.formula, {x.symbol: x.formula for x in engine.backward})


def _size(formula: Expr, sizes: Mapping[Any, int]) -> int:
    if formula in sizes:
        return sizes[formula]
    return 1 + sum(_size(part, sizes) for part in parts_of(formula))


def _is_named(formula: Expr) -> bool:
    """Whether a part of it is a product with a Jacobian that is not written out."""
    is_product = isinstance(formula, Apply) and formula.name == "vjp"
    return is_product or any(map(_is_named, parts_of(formula)))


# ---------------------------------------------------------------- words


def said(own: Symbol) -> str:
    """The shape in words: "10 × 128", "128 numbers"."""
    shape = own.shape or ()
    return f"{shape[0]} numbers" if len(shape) == 1 else " × ".join(map(str, shape))


def _symbols(engine: Engine, reading: Reading) -> tuple[Named, ...]:
    names = {id(v): name for name, v in reading.inputs.items()}
    found = [
        Named(own, _meaning(names.get(id(v), ""), v, own), v.data)
        for v, own in engine.names.items()
        if v.op in ("input", "constant")
    ]
    hot = [
        Named(
            own,
            f"{said(own)}, row i is e for the label i of {unicode(name)}",
            engine.known[own.key],
        )
        for own, name in engine.hot.items()
    ]
    count = (
        [Named(Symbol("n"), "number of examples", engine.known["n"])] if "n" in engine.known else []
    )
    return (*found, *hot, *count)


def _meaning(name: str, v: Value, own: Symbol) -> str:
    what = "matrix" if v.rank == 2 else "vector" if v.rank == 1 else "number"
    size = said(own)
    kind = f"{what} of {v.shape[0]}" if v.rank == 1 else f"{what} {size}".strip()
    if v.rank > 2:
        kind = f"array {size}"
    return f"{name}: {kind}" if name and name != own.name else kind


def _note(reading: Reading) -> str:
    """How many terms are not written out; that there are no numbers, if there are none."""
    value = float(reading.output.data)
    finite = "" if np.isfinite(value) else f"The function is {value} here: no numbers agree. "
    return f"{finite}{_count_of_terms(reading)}".strip()


def _count_of_terms(reading: Reading) -> str:
    terms = sum(count(kept(x.type.shape)) for x in reading.graph.nodes)
    if terms < 1000:
        return ""
    digit, power = f"{terms:.0e}".split("e")  # 9,980 is 1·10⁴
    return (
        f"The formula has {digit}·10{raised(int(power))} terms, number by number;"
        " it is shown by layers."
    )
