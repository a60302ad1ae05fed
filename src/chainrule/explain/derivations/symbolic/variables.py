"""Which names the user's own code gives to the values of a graph."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from chainrule.ir.graph import Node
from chainrule.tracing.lines import is_ours
from chainrule.tracing.recording import GraphTracer

T = TypeVar("T")

#: The node of a value, or of each element of a list, and the variable that holds it.
Names = dict[str, tuple[Node, ...]]


def with_variables(run: Callable[[], T]) -> tuple[T, Names]:
    """What ``run`` returns, and the local variables of the user's functions that it went through.

    A function's variables are read when it returns, so that a name that was bound several times
    stands for the last. Of two functions with one name in common the outer one's counts.
    """
    names: Names = {}
    with _on_return(lambda frame: names.update(_variables(frame))):
        result = run()
    return result, names


@contextmanager
def _on_return(note: Callable[[FrameType], None]) -> Iterator[None]:
    """Call ``note`` with the frame of every function of the user's that returns.

    A profiler that is running is left alone: then nothing is noted.
    """
    if sys.getprofile() is not None:
        yield
        return

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and not is_ours(frame.f_code.co_filename):
            note(frame)

    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


def _variables(frame: FrameType) -> Names:
    """Variables that a function sets, not its arguments: those the caller may name better."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    arguments = code.co_varnames[:count]
    own = [k for k in (*code.co_varnames, *code.co_cellvars) if k not in arguments]
    found = {name: _nodes(frame.f_locals.get(name)) for name in own}
    return {name: nodes for name, nodes in found.items() if nodes}


def _nodes(value: Any) -> tuple[Node, ...]:
    """The node of a traced value, or one for each element of a list of scalars."""
    if isinstance(value, GraphTracer):
        return (value.node,)
    if isinstance(value, list | tuple) and value:
        return _listed(value)
    return ()


def _listed(values: Any) -> tuple[Node, ...]:
    if not all(isinstance(x, GraphTracer) and np.shape(x) == () for x in values):
        return ()
    return tuple(x.node for x in values)
