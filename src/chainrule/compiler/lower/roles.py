"""What the inputs and outputs of a graph are to the loop that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chainrule.ir.graph import Graph

#: array: the caller's memory, row-major. state: carried from step to step, in a layout of ours.
#: rows: gathered from the caller's rows by the order of examples. scalar: one number a step.
#: Of a loop's body, slice: a part of the caller's array for each step. carry: the caller's memory,
#: row-major, written over by each step.
InputRole = Literal["array", "state", "rows", "scalar", "slice", "carry"]


@dataclass(frozen=True, slots=True)
class OutputRole:
    """What becomes of an output.

    array: the caller's memory. state: the next value of input ``state``. scalar: a record. slice:
    a part of the caller's array for each step.
    """

    kind: Literal["array", "state", "scalar", "slice"]
    state: int = -1


@dataclass(frozen=True, slots=True)
class Roles:
    """A role for each input and each output; the batch of every step, if that is known."""

    inputs: tuple[InputRole, ...]
    outputs: tuple[OutputRole, ...]
    batch: int | None = None


def plain_roles(graph: Graph) -> Roles:
    """Every input and output is an array of the caller."""
    inputs: list[InputRole] = ["array"]
    return Roles(tuple(inputs * len(graph.inputs)), (OutputRole("array"),) * len(graph.outputs))
