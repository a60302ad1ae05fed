"""``summary``: a model's layers with their outputs, parameters, operations and memory."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from chainrule.errors import TrainingError
from chainrule.ir.graph import Node
from chainrule.nn.cost import flops
from chainrule.nn.parameters import count_parameters
from chainrule.nn.watching import Call, layer_name, plain, watched
from chainrule.tracing.recording import GraphTracer
from chainrule.tracing.trace import array_type, trace_types
from chainrule.tracing.trees import Tree, flatten, unflatten

Array: TypeAlias = Any
Shapes: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One call of a layer.

    Attributes:
        path: its place in the model, such as ``layers.0``; "" for the model itself.
        name: of its class or function.
        depth: how many layers it is called within.
        output: the shapes that it returns.
        neurons: numbers per example that it returns.
        parameters: how many numbers it holds, those of the layers within included.
        flops: floating-point operations of this call, for all examples of x.
        memory: bytes that its output takes; of a layer with layers within, theirs together.
    """

    path: str
    name: str
    depth: int
    output: Shapes
    neurons: int
    parameters: int
    flops: int
    memory: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A table of a model's layers, in the order in which they are called; prints as one.

    Attributes:
        layers: a ``LayerSummary`` each; the first is the model as a whole. As keyword arguments
            of a data frame: ``pandas.DataFrame(summary.layers)``.
        parameters, flops, memory: of the whole model.
    """

    layers: tuple[LayerSummary, ...]

    @property
    def parameters(self) -> int:
        return self.layers[0].parameters

    @property
    def flops(self) -> int:
        return self.layers[0].flops

    @property
    def memory(self) -> int:
        return self.layers[0].memory

    def __str__(self) -> str:
        head = ("layer", "output", "neurons", "parameters", "FLOPs", "memory")
        return _aligned([head, *map(_cells, self.layers)])

    __repr__ = __str__


def summary(model: Any, *inputs: Tree) -> Summary:
    """What a model consists of, for inputs of these shapes: nothing is computed.

    Args:
        model: a tree that can be called: a layer, or a dataclass of layers and arrays whose call
            is plain Python.
        inputs: what it is called with, such as ``x``: (batch, n_in).

    Returns:
        A ``Summary``; ``print`` it. FLOPs are those of the forward pass, a multiplication and an
        addition counting two; backward and update take about twice as many again. Memory is what
        the layers' outputs take, which are kept for the way back.

    Raises:
        TrainingError: the model cannot be called.

    Example:
        >>> import numpy as np
        >>> from chainrule import nn
        >>> print(summary(nn.MLP([784, 128, 10]), np.zeros((32, 784), np.float32)))
        layer              output     neurons  parameters      FLOPs   memory
        MLP                (32, 10)        10     101,770  6,512,960  17.7 kB
          layers.0 Linear  (32, 128)      128     100,480  6,426,624  16.4 kB
          layers.1 Linear  (32, 10)        10       1,290     82,240   1.3 kB
    """
    if not callable(model):
        raise TrainingError(f"summary: {type(model).__name__} cannot be called; expected a model")
    leaves, structure = flatten((model, inputs))
    calls: list[Call] = []

    def call(tracers: list[Any]) -> Any:
        traced, arguments = unflatten(structure, tracers)
        return watched(traced, "", calls, [])(*arguments)

    trace_types(call, [array_type(leaf) for leaf in leaves])
    return Summary(tuple(_summed(k, calls) for k in range(len(calls))))


def _summed(k: int, calls: list[Call]) -> LayerSummary:
    call = calls[k]
    outputs = [x for x in flatten(call.output)[0] if hasattr(x, "shape")]
    shapes = tuple(tuple(x.shape) for x in outputs)
    within = [c for c in _within(k, calls) if not c.has_inner] if call.has_inner else [call]
    return LayerSummary(
        path=call.path,
        name=layer_name(call.layer),
        depth=call.depth,
        output=shapes,
        neurons=sum(math.prod(shape[1:]) for shape in shapes),
        parameters=count_parameters(plain(call.layer)),
        flops=flops(_made(outputs, call.arguments)),
        memory=sum(_bytes(flatten(c.output)[0]) for c in within),
    )


def _within(k: int, calls: list[Call]) -> Iterable[Call]:
    for call in calls[k + 1 :]:
        if call.depth <= calls[k].depth:
            return
        yield call


def _bytes(outputs: list[Any]) -> int:
    return sum(x.size * x.dtype.itemsize for x in outputs if hasattr(x, "dtype"))


def _made(outputs: list[Any], arguments: list[Any]) -> set[Node]:
    """The nodes that lie between a call's arguments and what it returned."""
    found: set[Node] = {x.node for x in arguments if isinstance(x, GraphTracer)}
    before, waiting = set(found), [x.node for x in outputs if isinstance(x, GraphTracer)]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.inputs
    return found - before


_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def _memory(count: int) -> str:
    power = min(int(math.log10(count)) // 3, len(_UNITS) - 1) if count else 0
    return f"{count / 1000**power:.1f} {_UNITS[power]}" if power else f"{count} B"


def _cells(row: LayerSummary) -> tuple[str, ...]:
    label = "  " * row.depth + " ".join(filter(None, (row.path, row.name)))
    shapes = ", ".join(map(str, row.output))
    numbers = (row.neurons, row.parameters, row.flops)
    return (label, shapes, *(f"{n:,}" for n in numbers), _memory(row.memory))


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = "<<>>>>"

    def line(row: tuple[str, ...]) -> str:
        cells = zip(row, sides, widths, strict=True)
        return "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip()

    return "\n".join(map(line, rows))
