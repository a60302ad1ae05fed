"""Forward mode: beside each value its tangent, how fast it changes along one direction.

A tangent is pushed through each operation as it is done, by the operation's own rule. What cannot
carry one (the result of ``floor``, a whole number made of a real one) carries instead the reason
why, which becomes an error if a floating-point result depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from chainrule.errors import GradientError
from chainrule.gradients.derived import FORWARD, derivative_of, is_derived
from chainrule.gradients.leaves import arguments, as_array, beside, flatten_all, names_of
from chainrule.gradients.refusal import ROUNDED, no_gradient, outlived
from chainrule.gradients.reverse import kind, pair, strip
from chainrule.gradients.tape import sum_of
from chainrule.ir.graph import Attribute
from chainrule.ops import PRIMITIVES, NoGradient, Primitive, Recording, bind
from chainrule.ops.record import LINEAR, POINTWISE, Joint
from chainrule.tracing.foreign import call
from chainrule.tracing.lines import Place, place
from chainrule.tracing.tracer import Tracer, ValueTracer
from chainrule.tracing.trees import unflatten

Array = Any


@dataclass(frozen=True, slots=True)
class Lost:
    """Where a derivative was lost, and why; whether it is silent beside other paths."""

    op: str
    where: Place
    why: NoGradient
    silent: bool

    def error(self) -> GradientError:
        return no_gradient(self.op, self.where, self.why)


class ForwardRecording(Recording):
    """Pushes tangents."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        super().__init__()
        self.ended = False

    def owns(self, x: Any) -> bool:
        """Whether x is a tracer of this recording."""
        return type(x) is ForwardTracer and x.recording is self

    def value(self, x: Any) -> Any:
        """What stands behind a tracer of this recording; anything else as it is."""
        return x.value if self.owns(x) else x

    def bind(self, op: str, operands: tuple[Any, ...], attributes: dict[str, Attribute]) -> Any:
        if self.ended:
            raise outlived()
        record = PRIMITIVES[op]
        values = [self.value(x) for x in operands]
        tangents = [x.tangent if self.owns(x) else None for x in operands]
        losses = [x.lost if self.owns(x) else None for x in operands]
        if isinstance(record.vjp, tuple):
            tangents = [t if r else None for t, r in zip(tangents, record.vjp, strict=True)]
            losses = [_kept(x, op, r) for x, r in zip(losses, record.vjp, strict=True)]
        moving = any(t is not None for t in tangents)
        if moving and isinstance(record.jvp, Joint):
            y, tangent = record.jvp.rule(tangents, *values, **attributes)
            return self._made(y, tangent, _first(losses))
        y = bind(op, *values, **attributes)
        if not moving:
            return self._made(y, None, _first([_unless_truth(x, y) for x in losses]))
        if y.dtype.kind != "f" or isinstance(record.vjp, NoGradient):
            from_token = any(isinstance(v, tuple) for v in values)
            return self._made(y, None, _loss(record, y, from_token))
        if isinstance(y, Tracer):
            with derivative_of(place(), FORWARD):
                tangent = push(record, tangents, y, values, attributes)
        else:
            tangent = push(record, tangents, y, values, attributes)
        return self._made(y, tangent, _first(losses))

    def _made(self, y: Any, tangent: Any, lost: Lost | None) -> Any:
        return y if tangent is None and lost is None else ForwardTracer(self, y, tangent, lost)


class ForwardTracer(ValueTracer):
    """A value, its tangent and what of it was lost; a tangent of None is zero."""

    __slots__ = ("lost", "tangent")

    def __init__(
        self, recording: ForwardRecording, value: Any, tangent: Any, lost: Lost | None = None
    ) -> None:
        self.recording = recording
        self.value = value
        self.tangent = tangent
        self.lost = lost


def _first(losses: Sequence[Lost | None]) -> Lost | None:
    """What to complain of: what is silent beside other paths is the last thing."""
    found = [x for x in losses if x is not None]
    return min(found, key=lambda x: x.silent, default=None)


def _kept(lost: Lost | None, op: str, rule: Any) -> Lost | None:
    """What is lost in an index or a condition is no loss beside other paths.

    Nor is anything behind ``stop_gradient``, which was asked for.
    """
    if lost is None or rule is not None:
        return lost
    return None if op == "stop_gradient" else replace(lost, silent=True)


def _unless_truth(lost: Lost | None, y: Any) -> Lost | None:
    """A truth value made of what was lost is constant but where it changes."""
    is_truth = lost is not None and not isinstance(y, tuple) and y.dtype.kind == "b"
    return replace(lost, silent=True) if is_truth else lost  # type: ignore[type-var]


def _loss(record: Primitive, y: Any, is_item: bool) -> Lost | None:
    """Nothing is said of booleans, nor of whole numbers that a loop counted."""
    why = record.vjp if isinstance(record.vjp, NoGradient) else ROUNDED
    where = place()
    if y.dtype.kind == "b" and is_derived(where):
        return None
    return Lost(record.name, where, why, silent=is_item or y.dtype.kind == "b")


def push(
    record: Primitive,
    tangents: Sequence[Any],
    y: Any,
    values: Sequence[Any],
    attributes: dict[str, Attribute],
) -> Any:
    """The tangent of one operation's result, or None; an operand's is None where it has none."""
    if record.jvp == POINTWISE:
        assert isinstance(record.vjp, tuple)
        terms = [
            rule(t, y, *values, **attributes)
            for t, rule in zip(tangents, record.vjp, strict=True)
            if t is not None and rule is not None
        ]
    elif record.jvp == LINEAR:
        terms = [
            bind(record.name, *values[:k], t, *values[k + 1 :], **attributes)
            for k, t in enumerate(tangents)
            if t is not None
        ]
    else:
        assert callable(record.jvp)
        return record.jvp(tangents, y, *values, **attributes)
    return reduce(sum_of, terms, None)


def jvp(
    f: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """``(f(*args), J t)``: the value and how it changes along the tangents, by one forward pass.

    Args:
        f: from trees of arrays to a tree of arrays.
        args: a tuple of the arguments.
        tangents: a tuple of trees like the arguments: a direction for each floating-point leaf,
            None for integers and booleans.
        has_aux: f returns ``(value, aux)``; the result is then ``(value, tangent, aux)``.

    Returns:
        The tangent is a tree like the value, None where that is an integer or a boolean.

    Raises:
        GradientError: the trees differ in structure, or a floating-point result depends on the
            arguments only through what has no derivative.
        ShapeError: a tangent has another shape than its argument.

    Source:
        Forward accumulation: Griewank & Walther 2008, Evaluating Derivatives, chapter 3.

    Example:
        >>> jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
        (np.float64(12.0), np.float64(4.0))
    """
    args, tangents = (_as_tuple(x, w) for x, w in ((args, "args"), (tangents, "tangents")))
    leaves, structure = flatten_all(args)
    names = names_of(args, arguments(len(args)))
    along = beside(leaves, structure, tangents, "the tangent", names)
    recording = ForwardRecording()
    inputs = [
        x if t is None else ForwardTracer(recording, as_array(x), t)
        for x, t in zip(leaves, along, strict=True)
    ]
    result = call(f, *unflatten(structure, inputs))
    recording.ended = True
    value, aux = pair(result) if has_aux else (result, None)
    tangent = _tangents(recording, value)
    plain = strip(recording, value)
    return (plain, tangent, strip(recording, aux)) if has_aux else (plain, tangent)


def _as_tuple(x: Any, what: str) -> tuple[Any, ...]:
    if not isinstance(x, tuple | list):
        raise GradientError(f"jvp takes {what} as a tuple, one entry per argument; got {kind(x)}")
    return tuple(x)


def _tangents(recording: ForwardRecording, value: Any) -> Any:
    """The tangents of a result's leaves; an error for what was lost on the way."""
    leaves, structure = flatten_all(value)
    own = [x for x in leaves if recording.owns(x) and x.dtype.kind == "f"]
    carried = any(x.tangent is not None for x in own)
    for x in own:
        if x.lost is not None and not (x.lost.silent and carried):
            raise x.lost.error()
    return unflatten(structure, [_tangent(recording, x) for x in leaves])


def _tangent(recording: ForwardRecording, x: Any) -> Any:
    if recording.owns(x) and x.tangent is not None:
        return x.tangent
    dtype = getattr(x, "dtype", None) or np.asarray(x).dtype
    return np.zeros(np.shape(x), dtype)[()] if dtype.kind == "f" else None
