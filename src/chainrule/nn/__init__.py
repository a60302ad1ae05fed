"""Layers: each is a frozen tree of arrays whose call is its formula."""

from chainrule.nn.activations import (
    ACTIVATIONS,
    activation,
    elu,
    gelu,
    identity,
    leaky_relu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from chainrule.nn.linear import Linear
from chainrule.nn.mlp import MLP
from chainrule.nn.parameters import count_parameters
from chainrule.nn.sequential import Function, Sequential
from chainrule.tracing.functions import softmax

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Function",
    "Linear",
    "Sequential",
    "activation",
    "count_parameters",
    "elu",
    "gelu",
    "identity",
    "leaky_relu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]
