"""The recording of reverse mode: each result in the order in which it was made, with its value.

Going back over it, each result passes its cotangent to its operands by the rule of its operation.
The rules are plain NumPy: on arrays they compute, on the tracers of a graph they build the graph of
the gradient, under another transform they are written down in turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import GradientError, TraceError
from chainrule.gradients.derived import BACKWARD, derivative_of
from chainrule.gradients.refusal import ROUNDED, no_gradient, outlived
from chainrule.ir.graph import Attribute
from chainrule.ops import PRIMITIVES, NoGradient, Recording, bind
from chainrule.ops.record import Joint
from chainrule.tracing.lines import Place, place, user_line
from chainrule.tracing.tracer import Tracer, ValueTracer

Array = Any
#: The operation of an entry whose derivative is a function of the user's, and of its results.
CUSTOM: Final = "custom_gradient"
RESULT: Final = "result of custom_gradient"


@dataclass(frozen=True, slots=True)
class Custom:
    """A function of the user's.

    ``pull(cotangents of the results)`` -> those of the operands, None for none;
    ``run(operands)`` -> results.
    """

    name: str
    pull: Callable[[Sequence[Any]], Sequence[Any]]
    run: Callable[[list[Any]], list[Any]]


class Tape(Recording):
    """What was done, in order. A segment stands for what ``checkpoint`` has forgotten."""

    __slots__ = ("ended", "entries")

    def __init__(self) -> None:
        super().__init__()
        self.ended = False
        self.entries: list[TapeTracer | Segment] = []

    def __enter__(self) -> Tape:
        OPEN.tapes.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        OPEN.tapes.remove(self)
        self.ended = True

    def bind(self, op: str, operands: tuple[Any, ...], attributes: dict[str, Attribute]) -> Any:
        if self.ended:
            raise outlived()
        values = [x.value if type(x) is TapeTracer and x.recording is self else x for x in operands]
        made = TapeTracer(self, bind(op, *values, **attributes), op, operands, attributes, place())
        self.entries.append(made)
        return made

    def value(self, x: Any) -> Any:
        """What stands behind a tracer of this tape; anything else as it is."""
        return x.value if type(x) is TapeTracer and x.recording is self else x

    def owns(self, x: Any) -> bool:
        """Whether x was made on this tape."""
        return type(x) is TapeTracer and x.recording is self

    def add(self, custom: Custom, values: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
        """The results of a function with a backward pass of its own."""
        where, operands = place(), tuple(operands)
        token = TapeTracer(self, tuple(values), CUSTOM, operands, {"custom": custom}, where)  # type: ignore[dict-item]
        made = [
            TapeTracer(self, y, RESULT, (token,), {"index": k}, where) for k, y in enumerate(values)
        ]
        self.entries += [token, *made]
        return [
            y if y is None or y.dtype.kind != "f" else x for x, y in zip(made, values, strict=True)
        ]


class _Open(threading.local):
    """The tapes that are being written, of each thread."""

    def __init__(self) -> None:
        self.tapes: list[Tape] = []


OPEN: Final = _Open()


class TapeTracer(ValueTracer):
    """A value and how it was made."""

    __slots__ = ("attributes", "op", "operands", "where")

    def __init__(
        self,
        recording: Tape,
        value: Any,
        op: str = "input",
        operands: tuple[Any, ...] = (),
        attributes: dict[str, Attribute] | None = None,
        where: Place = None,
    ) -> None:
        self.recording = recording
        self.value = value
        self.op = op
        self.operands = operands
        self.attributes = attributes or {}
        self.where = where


class _Forgotten:
    """In the place of a value that ``checkpoint`` has let go of."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of any object
            raise AttributeError(name)
        raise TraceError(
            f"a value from inside of cr.checkpoint is used outside of it at {user_line()}",
            "return it from the function that is checkpointed",
        )


FORGOTTEN: Final = _Forgotten()


class Segment:
    """Entries without values, but for those that are used outside: the ``kept`` ones."""

    __slots__ = ("entries", "kept")

    def __init__(self, entries: list[TapeTracer | Segment], kept: dict[Any, None]) -> None:
        self.entries = entries
        self.kept = kept
        self.forget()

    def forget(self) -> None:
        """Let go of the values; those inside of a segment of its own are already gone."""
        for entry in self.entries:
            for x in entry.kept if isinstance(entry, Segment) else (entry,):
                if x not in self.kept and x.op not in (CUSTOM, RESULT):
                    x.value = FORGOTTEN

    def has_custom(self) -> bool:
        """Whether a function of the user's holds on to values of its own."""
        return any(x.op == CUSTOM for x in walk(self.entries))


def walk(entries: list[TapeTracer | Segment]) -> Iterator[TapeTracer]:
    """The entries from the last to the first, those of segments included."""
    for entry in reversed(entries):
        if isinstance(entry, Segment):
            yield from walk(entry.entries)
        else:
            yield entry


Cotangents = dict[TapeTracer, Array]


def backward(tape: Tape, cotangents: Cotangents) -> Cotangents:
    """The cotangents of the tape's inputs, from those of some results.

    Raises:
        GradientError: a cotangent reaches an operation that has no derivative.
    """
    _go_back(tape, tape.entries, cotangents)
    return cotangents


def _go_back(tape: Tape, entries: list[TapeTracer | Segment], cotangents: Cotangents) -> None:
    for entry in reversed(entries):
        if type(entry) is TapeTracer:
            g = cotangents.pop(entry, None)
            if g is None:
                continue
            if isinstance(g, Tracer | dict) or isinstance(entry.value, Tracer):
                with derivative_of(entry.where, BACKWARD):
                    _pass_back(tape, entry, g, cotangents)
            else:
                _pass_back(tape, entry, g, cotangents)
        elif isinstance(entry, Segment):
            _go_back_again(tape, entry, cotangents)


def _go_back_again(tape: Tape, segment: Segment, cotangents: Cotangents) -> None:
    """Work a segment's values out once more, use them, and let them go again."""
    arrived = [cotangents[x] for x in segment.kept if x in cotangents]
    if not arrived:
        return
    replay(tape, segment, {}, _signal(arrived))
    _go_back(tape, segment.entries, cotangents)
    segment.forget()


def _signal(arrived: list[Any]) -> Any:
    """A number that is known when a cotangent has arrived: what a graph's order is tied to."""
    g = next((g for g in arrived if isinstance(g, Tracer)), None)
    return None if g is None else np.sum(g)


def replay(tape: Tape, segment: Segment, fenced: dict[Any, Any], signal: Any) -> None:
    """Work out what a segment has forgotten, in the order in which it was first done."""
    for entry in segment.entries:
        if isinstance(entry, Segment):
            replay(tape, entry, fenced, signal)
            entry.forget()
        elif entry.value is FORGOTTEN:
            values = [_operand(tape, x, fenced, signal) for x in entry.operands]
            fenced[entry] = entry.value = bind(entry.op, *values, **entry.attributes)
        else:
            fenced[entry] = entry.value


def _operand(tape: Tape, x: Any, fenced: dict[Any, Any], signal: Any) -> Any:
    """An operand's value, behind a fence if it is a graph's, which would share it else."""
    value = tape.value(x)
    if signal is None or not isinstance(value, Tracer):
        return value
    if x not in fenced:
        fenced[x] = bind("fence", value, np.broadcast_to(signal, value.shape))
    return fenced[x]


def _pass_back(tape: Tape, result: TapeTracer, g: Array, cotangents: Cotangents) -> None:
    """Add to each operand's cotangent what this result owes it."""
    for k, owed in owed_by(tape, result, g).items():
        operand = result.operands[k]
        before = cotangents.get(operand)
        cotangents[operand] = owed if before is None else sum_of(before, owed)


def owed_by(tape: Tape, result: TapeTracer, g: Array) -> dict[int, Array]:
    """What a result with the cotangent g owes its operands, by their number."""
    record = PRIMITIVES.get(result.op)
    if record is None or type(record.vjp) is not tuple:
        return _owed_together(tape, result, g)
    values, moving = [], []
    for k, x in enumerate(result.operands):
        if type(x) is TapeTracer and x.recording is tape:
            if record.vjp[k] is not None and _carries(tape, x):
                moving.append(k)
            x = x.value
        values.append(x)
    return {
        k: record.vjp[k](g, result.value, *values, **result.attributes)  # type: ignore[misc]
        for k in moving
    }


def _owed_together(tape: Tape, result: TapeTracer, g: Array) -> dict[int, Array]:
    """The same of an operation whose operands' cotangents are worked out together."""
    rules = PRIMITIVES[result.op].vjp if result.op in PRIMITIVES else None
    if isinstance(rules, NoGradient):
        if not is_moved(tape, result):
            return {}
        raise no_gradient(result.op, result.where, rules)
    if isinstance(rules, Joint):
        wanted = tuple(tape.owns(x) and _is_wanted(tape, x) for x in result.operands)
        values = map(tape.value, result.operands)
        owed = rules.rule(g, result.value, wanted, *values, **result.attributes)
    else:
        owed = _owed_by_custom(result, g)
    return {
        k: c
        for k, (x, c) in enumerate(zip(result.operands, owed, strict=True))
        if c is not None and tape.owns(x) and _carries(tape, x)
    }


def _is_wanted(tape: Tape, x: TapeTracer) -> bool:
    """Floating-point numbers, and whole ones that were made of such: a body may not derive them."""
    if x.dtype.kind != "i":
        return x.dtype.kind == "f"
    try:
        refuse_whole_numbers(tape, x)
    except GradientError:
        return True
    return False


def _owed_by_custom(result: TapeTracer, g: Any) -> Sequence[Any]:
    """A result gives its cotangent to what stands for all, and that to the user's function."""
    if result.op == RESULT:
        return [{result.attributes["index"]: g}]
    custom = result.attributes["custom"]
    return custom.pull([g.get(k) for k in range(len(result.value))])  # type: ignore[no-any-return, union-attr]


def sum_of(a: Any, b: Any) -> Any:
    """The sum of two cotangents or tangents; None is none, a token's are tuples or dicts."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, dict):
        return {k: sum_of(a.get(k), b.get(k)) for k in {**a, **b}}
    return tuple(map(sum_of, a, b)) if isinstance(a, tuple) else a + b


def is_token(op: str, value: Any) -> bool:
    """Whether a value stands for several results, of which ``item`` picks one."""
    if isinstance(value, tuple):
        return True
    record = PRIMITIVES.get(op)
    return record is not None and (isinstance(record.vjp, Joint) or isinstance(record.jvp, Joint))


def _carries(tape: Tape, x: TapeTracer) -> bool:
    """Whether cotangents flow on through x, which whole numbers do not let them."""
    value = x.value
    if isinstance(value, tuple | Tracer) and is_token(x.op, value):
        return True  # a tracer of a token may hold a tuple
    if value.dtype.kind == "f":
        return True
    if value.dtype.kind == "i":
        refuse_whole_numbers(tape, x)
    return False


def refuse_whole_numbers(tape: Tape, x: TapeTracer) -> None:
    """A cotangent has come to integers: an error if they were made of differentiated numbers.

    Truth values made of them are let through: a comparison is constant but where it changes.

    Raises:
        GradientError: naming the operation that made whole numbers of real ones.
    """
    waiting, seen = [x], {x}
    while waiting:
        x = waiting.pop()
        rules = PRIMITIVES[x.op].vjp if x.op in PRIMITIVES else ROUNDED
        for k, operand in enumerate(x.operands):
            if not tape.owns(operand) or operand in seen or _is_cut(rules, k):
                continue
            if is_token(operand.op, operand.value):
                continue  # a number that a loop counted
            if operand.dtype.kind == "i":
                seen.add(operand)
                waiting.append(operand)
            elif operand.dtype.kind == "f":
                why = rules if isinstance(rules, NoGradient) else ROUNDED
                raise no_gradient(x.op, x.where, why)


def is_moved(tape: Tape, x: TapeTracer) -> bool:
    """Whether x is made of an input, by a way that no ``stop_gradient`` stands in."""
    waiting, seen = [x], {x}
    while waiting:
        x = waiting.pop()
        if x.op == "input":
            return True
        if x.op != "stop_gradient":
            found = [y for y in x.operands if tape.owns(y) and y not in seen]
            seen.update(found)
            waiting += found
    return False


def _is_cut(rules: Any, k: int) -> bool:
    """Whether no derivative with respect to operand k exists by definition."""
    return isinstance(rules, tuple) and rules[k] is None
