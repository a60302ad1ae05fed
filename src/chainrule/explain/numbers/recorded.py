"""One forward pass and its way back, with every value, cotangent and passed-on gradient kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import ChainruleError
from chainrule.explain.subject import Subject
from chainrule.gradients.reverse import as_input, gradient_of, refuse_cut
from chainrule.gradients.tape import (
    Custom,
    Segment,
    Tape,
    TapeTracer,
    owed_by,
    replay,
    sum_of,
    walk,
)
from chainrule.nn.watching import Call, watched
from chainrule.tracing.foreign import call
from chainrule.tracing.trees import flatten, paths, unflatten

Array = Any
#: What a function may say to a stand-in, or to a layer that is watched, that it says to no other.
_REFUSALS: Final = (ChainruleError, AttributeError, TypeError)


@dataclass(frozen=True, eq=False)
class Recorded:
    """A tape after the backward pass, nothing of it forgotten.

    Attributes:
        tape: on which it stands.
        inputs: the leaves that were followed, by name.
        entries: the results between the inputs and the loss, in the order of the forward pass.
        calls: for an entry, the innermost layer whose call made it.
        output: the loss; None where it does not depend on the inputs.
        value: the loss as a number.
        cotangents: ∂loss/∂entry, of entries and inputs.
        owed: what an entry passed on to its operands, by their number.
    """

    tape: Tape
    inputs: Mapping[str, TapeTracer]
    entries: tuple[TapeTracer, ...]
    calls: Mapping[TapeTracer, Call]
    output: TapeTracer | None
    value: Array
    cotangents: Mapping[TapeTracer, Array]
    owed: Mapping[TapeTracer, Mapping[int, Array]]

    def gradient(self, name: str) -> Array:
        """As ``cr.grad`` gives it: zeros where nothing arrived."""
        return gradient_of(dict(self.cotangents), self.inputs[name])


def record(subject: Subject) -> Recorded:
    """Run a subject forwards and backwards.

    All floating-point leaves are followed, so that the gradient at the data is known too, and each
    layer notes its calls. Where the function refuses that (it asks for plain data, or for a layer
    of its own class), fewer things are watched; the numbers are the same.

    Raises:
        ChainruleError: what ``cr.grad`` raises for the same function.
    """
    floats = tuple(name for name, x in subject.leaves.items() if x.dtype.kind == "f")
    for followed, is_watched in ((floats, True), (floats, False), (subject.wrt, True)):
        with suppress(*_REFUSALS):
            return _recorded(subject, followed, is_watched)
    return _recorded(subject, subject.wrt, is_watched=False)


class _Watching(Tape):
    """A tape that notes the innermost layer whose call is open."""

    __slots__ = ("calls", "open")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Call] = []
        self.calls: dict[TapeTracer, Call] = {}

    def bind(self, op: str, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
        made = super().bind(op, operands, attributes)
        self._note(made)
        return made

    def add(self, custom: Custom, values: Sequence[Any], operands: Sequence[Any]) -> list[Any]:
        before = len(self.entries)
        made = super().add(custom, values, operands)
        for entry in self.entries[before:]:
            self._note(entry)
        return made

    def _note(self, entry: Any) -> None:
        if self.open:
            self.calls[entry] = self.open[-1]


def _recorded(subject: Subject, followed: Sequence[str], is_watched: bool) -> Recorded:
    tape = _Watching()
    inputs = {name: as_input(tape, subject.leaves[name]) for name in followed}
    leaves = [inputs.get(name, x) for name, x in subject.leaves.items()]
    arguments = unflatten(flatten(subject.arguments)[1], leaves)
    if is_watched:
        arguments = _watch(subject, arguments, tape.open)
    with np.errstate(all="ignore"):
        with tape:
            value = call(subject.function, *arguments)
        return _backwards(subject, tape, inputs, value)


def _watch(subject: Subject, arguments: Sequence[Any], open_: list[Call]) -> list[Any]:
    """The arguments with their layers watched, each path beginning as its leaves' names do."""
    names, made = iter(subject.leaves), []
    for argument, plain in zip(arguments, subject.arguments, strict=True):
        own = paths(plain)
        first = [next(names) for _ in own][:1]
        prefix = first[0].removesuffix(own[0]).rstrip(".") if first else ""
        made.append(watched(argument, prefix, [], open_))
    return made


def _backwards(
    subject: Subject, tape: _Watching, inputs: Mapping[str, TapeTracer], value: Any
) -> Recorded:
    """The loop of ``gradients.tape.backward``, which keeps what that one lets go of."""
    cotangents: dict[TapeTracer, Array] = {}
    owed: dict[TapeTracer, Mapping[int, Array]] = {}
    output = value if tape.owns(value) else None
    if output is not None:
        _work_out_again(tape, tape.entries)
        cotangents[output] = output.value.dtype.type(1)
    entries = list(walk(tape.entries))
    for entry in entries:
        if entry in cotangents:
            owed[entry] = owed_by(tape, entry, cotangents[entry])
            for k, part in owed[entry].items():
                operand = entry.operands[k]
                before = cotangents.get(operand)
                cotangents[operand] = part if before is None else sum_of(before, part)
    if not any(inputs[name] in cotangents for name in subject.wrt):
        refuse_cut(tape, [value])
    leading = _leading(entries, owed, inputs)
    number = np.asarray(tape.value(value))[()]
    return Recorded(
        tape, inputs, tuple(leading), tape.calls, output, number, cotangents, leading
    )  # fmt: skip


def _leading(
    entries: Sequence[TapeTracer],
    owed: Mapping[TapeTracer, Mapping[int, Array]],
    inputs: Mapping[str, TapeTracer],
) -> dict[TapeTracer, Mapping[int, Array]]:
    """What was passed on along the ways that end at an input, and not at a ``stop_gradient``."""
    known = set(inputs.values())
    found: dict[TapeTracer, Mapping[int, Array]] = {}
    for entry in reversed(entries):
        passed = owed.get(entry, {})
        useful = {k: g for k, g in passed.items() if entry.operands[k] in known}
        if useful:
            found[entry] = useful
            known.add(entry)
    return found


def _work_out_again(tape: Tape, entries: Sequence[TapeTracer | Segment]) -> None:
    """The values that ``cr.checkpoint`` has let go of."""
    for entry in entries:
        if isinstance(entry, Segment):
            replay(tape, entry, {}, None)
            _work_out_again(tape, entry.entries)
