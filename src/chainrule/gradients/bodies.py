"""What the transforms can do with the body of a loop or a branch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.gradients.batch import BatchRecording, BatchTracer
from chainrule.gradients.forward import ForwardRecording, ForwardTracer, Lost
from chainrule.gradients.refusal import ROUNDED
from chainrule.gradients.tape import Tape, TapeTracer, backward, sum_of
from chainrule.ops.bodies import register_transform
from chainrule.tracing.lines import place

Array = Any
Values = list[Array]
Body = Callable[[Values], Values]
#: What made a whole number that a body is given.
_CARRIED: Final = "a whole number that a loop carries"


def pull_back(
    f: Body,
    values: Sequence[Array],
    wanted: Sequence[bool],
    cotangents: Sequence[Any],
    whole: Sequence[bool] | None = None,
) -> list[Any]:
    """The cotangents of the wanted values, from those of f's results; None for none.

    ``whole`` marks whole numbers that were made of real ones on an earlier step.

    Raises:
        GradientError: a cotangent comes to such a number.
    """
    with Tape() as tape:
        inputs = [TapeTracer(tape, x) if on else x for x, on in zip(values, wanted, strict=True)]
        for k, on in enumerate(whole or ()):
            if on:
                made_of = TapeTracer(tape, np.zeros(()))
                inputs[k] = TapeTracer(tape, values[k], _CARRIED, (made_of,), where=place())
        results = f(list(inputs))
    given: dict[TapeTracer, Array] = {}
    for y, g in zip(results, cotangents, strict=True):
        if g is not None and tape.owns(y):
            given[y] = sum_of(given.get(y), g)
    owed = backward(tape, given)
    return [owed.get(x) if on else None for x, on in zip(inputs, wanted, strict=True)]


def push_forward(
    f: Body,
    values: Sequence[Array],
    tangents: Sequence[Any],
    whole: Sequence[bool] | None = None,
) -> tuple[Values, list[Any]]:
    """f's results and their tangents; None for none. ``whole`` as for ``pull_back``."""
    recording = ForwardRecording()
    lost = Lost(_CARRIED, place(), ROUNDED, False)
    inputs = [
        x if t is None else ForwardTracer(recording, x, t)
        for x, t in zip(values, tangents, strict=True)
    ]
    for k, on in enumerate(whole or ()):
        if on:
            inputs[k] = ForwardTracer(recording, values[k], None, lost)
    results = f(inputs)
    for y in results:
        if recording.owns(y) and y.lost and not y.lost.silent and y.dtype.kind == "f":
            raise y.lost.error()
    found = [y.tangent if recording.owns(y) else None for y in results]
    return [recording.value(y) for y in results], found


def spread(
    f: Body, size: int, mapped: Sequence[bool], values: Sequence[Array]
) -> tuple[Values, list[bool]]:
    """f's results for all examples, and which of them differ between examples."""
    recording = BatchRecording(size)
    inputs = [BatchTracer(recording, x) if on else x for x, on in zip(values, mapped, strict=True)]
    results = f(inputs)
    return [recording.value(y) for y in results], [recording.owns(y) for y in results]


register_transform("spread", spread)
register_transform("pull_back", pull_back)
register_transform("push_forward", push_forward)
