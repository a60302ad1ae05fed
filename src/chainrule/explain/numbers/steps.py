"""What happens at each step of the two passes, in words, formulas and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from chainrule.explain.numbers.equation import drawn, equation_of
from chainrule.explain.numbers.jacobians import Diagonal, Product, Selection, Unformed
from chainrule.explain.numbers.layers import Given, Layer
from chainrule.explain.numbers.norms import norm
from chainrule.explain.numbers.visits import Visit
from chainrule.explain.numbers.words import RULES, jacobian_text, shape_text, shown
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.numbers.backpropagation import Backpropagation

#: No more layers than this are gone through one by one.
MOST: Final = 48
#: What a layer does on the way forward.
FORWARD: Final[Mapping[str, str]] = {
    "Linear": "z = x Wᵀ + b",
    "relu": "a = max(z, 0)",
    "tanh": "a = tanh z",
    "sigmoid": "a = 1 / (1 + e⁻ᶻ)",
    "softmax": "p = eᶻ / Σ eᶻ",
    "gelu": "a = z Φ(z)",
    "silu": "a = z σ(z)",
    "softplus": "a = log(1 + eᶻ)",
    "leaky_relu": "a = z where z > 0, a small multiple of z elsewhere",
    "add": "y = a + b",
    "subtract": "y = a − b",
    "multiply": "y = a · b, number by number",
    "divide": "y = a / b",
    "square": "y = a²",
    "dot": "y = a b, rows times columns",
    "dot + add": "z = x W + b",
    "Flatten": "the same numbers in one row per example",
    "cross_entropy": "L = −log p of the true class, p = softmax(z)",
    "binary_cross_entropy": "L = −y log p − (1 − y) log(1 − p), p = σ(z)",
    "squared_error": "L = mean of (ŷ − y)²",
    "LayerNorm": "y = weight · (x − mean) / standard deviation + bias, in each row",
    "Conv2d": "each window of x times the kernel, plus a bias per channel",
    "MaxPool": "the largest of each window",
    "GRU": "one step after the other, the state gated by two sigmoids",
    "LSTM": "one step after the other, the state gated by three sigmoids",
    "Embedding": "the row of the table that each index names",
}


@dataclass(frozen=True)
class Step:
    """One step of the animation.

    Attributes:
        title: "Forward 1 of 4: layers.0 Linear".
        lines: what happens, a sentence each.
        pictures: SVG of Jacobian × δ = gradient.
        layers: numbers of the layers to light up.
        phase: "forward", "loss" or "backward".
    """

    title: str
    lines: tuple[str, ...]
    pictures: tuple[str, ...]
    layers: tuple[int, ...]
    phase: str


def steps_of(found: Backpropagation) -> tuple[Step, ...]:
    """The forward pass, the loss, then each layer as backpropagation visits it."""
    layers = found.layers
    if not layers:
        return ()
    chosen = layers if len(layers) <= MOST else (*layers[: MOST // 2], *layers[-MOST // 2 :])
    forward = [_forward(layer, k + 1, len(layers) - 1) for k, layer in _numbered(chosen, layers)]
    backward = [_backward(layer, len(layers), found.visits) for layer in chosen]
    return (*forward, _loss(found), *backward)


def _numbered(
    chosen: Sequence[Layer], layers: Sequence[Layer]
) -> list[tuple[int, Layer]]:  # fmt: skip
    """Layers but the loss in the order of the forward pass, with their places in it."""
    place = {layer.number: k for k, layer in enumerate(reversed(layers))}
    return [(place[layer.number], layer) for layer in reversed(chosen) if layer.number != 1]


def _forward(layer: Layer, number: int, count: int) -> Step:
    read = [*(given.to for given in layer.leaves), *(given.to for given in layer.passed)]
    lines = [f"{_formula(layer)}"] if _formula(layer) else []
    lines.append(f"Reads {_listed(read)}.")
    lines.append(f"Gives {shape_text(layer.shape)}: {_described(layer.value)}")
    if layer.dead is not None and layer.dead[0]:
        lines.append(f"{layer.dead[0]} of {layer.dead[1]} units are 0.")
    title = f"Forward {number} of {count}: {layer.title}"
    return Step(title, tuple(lines), (), (layer.number,), "forward")


def _loss(found: Backpropagation) -> Step:
    layer = found.layers[0]
    unit = f" {found.unit}" if found.unit else ""
    lines = [f"{_formula(layer)}"] if _formula(layer) else []
    lines.append(f"The loss L is {short(found.loss, 5)}{unit}.")
    lines.append("Going back begins with δ = ∂L/∂L = 1.")
    return Step(f"The loss: {layer.title}", tuple(lines), (), (1,), "loss")


def _backward(layer: Layer, count: int, visits: Sequence[Visit]) -> Step:
    arrived = f"{shape_text(layer.shape)}, {_described(layer.delta)}"
    lines = [f"δ, the gradient at what it gave, arrives: {arrived}"]
    lines += [_own_gradient(given) for given in layer.leaves]
    lines += [_passed_on(layer, given, visits) for given in layer.passed]
    if not layer.passed:
        lines.append("Nothing stands before it: here the way back ends.")
    pictures = [
        drawn(equation, f"Visit {layer.number}, {given.to}: {equation.text}")
        for given in (*_matrices(layer), *layer.passed)
        if (equation := equation_of(given, layer.delta)) is not None
    ]
    title = f"Backward {layer.number} of {count}: {layer.title}"
    touched = (layer.number, *(g.source for g in layer.passed if g.source is not None))
    return Step(title, tuple(lines), tuple(pictures[:3]), touched[:1], "backward")


def _matrices(layer: Layer) -> list[Given]:
    """Parameters whose gradient is a product of δ and what came in."""
    is_single = len(layer.visits) == 1
    return [g for g in layer.leaves if isinstance(g.jacobian, Product) or is_single]


def _own_gradient(given: Given) -> str:
    name = given.to
    if isinstance(given.jacobian, Product) and len(given.shape) == 2:
        how = " = δᵀ times what came in"
    elif isinstance(given.jacobian, Selection):
        how = " = δ added up over what it was repeated for"
    else:
        how = ""
    return f"∂L/∂{name}{how}: {shape_text(given.shape)}, {_described(given.gradient)}"


def _passed_on(layer: Layer, given: Given, visits: Sequence[Visit]) -> str:
    said = f"Passes back to {given.to}: {_rule(layer, given, visits)}"
    gains = f" ({jacobian_text(given.jacobian)})"
    return f"{said}{gains}; {shape_text(given.shape)}, {_described(given.gradient)}"


def _rule(layer: Layer, given: Given, visits: Sequence[Visit]) -> str:
    jacobian = given.jacobian
    if len(layer.visits) == 1 and (rule := RULES.get(visits[layer.visits[0] - 1].op)):
        return rule
    if isinstance(jacobian, Product):
        return "δ W, each unit's share of the blame by its weights"
    if isinstance(jacobian, Diagonal):
        return "δ times the slope of each unit"
    if isinstance(jacobian, Selection):
        return "δ, each number back to its place"
    if isinstance(jacobian, Unformed):
        return "Jᵀ δ by the rules of its operations, J not being formed"
    return "Jᵀ δ"


def _formula(layer: Layer) -> str:
    return FORWARD.get(layer.kind, "")


def _described(x: object) -> str:
    """A number, some numbers, or the length, range and zeros of many."""
    if isinstance(x, tuple | dict):
        return f"length {short(norm(x), 3)}."
    values = np.asarray(x, np.float64)
    if values.size <= 4:
        return f"{shown(values, 4)}."
    with np.errstate(all="ignore"):
        low, high = float(np.min(values)), float(np.max(values))
    zeros = float(np.mean(values == 0))
    silent = f", {zeros:.0%} zeros" if zeros else ""
    return f"length {short(norm(values), 3)}, from {short(low, 3)} to {short(high, 3)}{silent}."


def _listed(names: Sequence[str]) -> str:
    some = list(dict.fromkeys(names))
    if len(some) > 5:
        some = [*some[:4], f"{len(some) - 4} more"]
    return " and ".join([", ".join(some[:-1]), some[-1]]) if len(some) > 1 else "".join(some)
