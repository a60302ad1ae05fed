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
from chainrule.nn.convolution import conv, conv_transpose, fold, unfold
from chainrule.nn.linear import Linear
from chainrule.nn.lookup import embedding, one_hot
from chainrule.nn.mlp import MLP
from chainrule.nn.parameters import count_parameters
from chainrule.nn.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    max_pool,
)
from chainrule.nn.resize import interpolate
from chainrule.nn.scaled_dot_product import attention
from chainrule.nn.sequential import Function, Sequential
from chainrule.tracing.functions import softmax

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Function",
    "Linear",
    "Sequential",
    "activation",
    "adaptive_average_pool",
    "adaptive_max_pool",
    "attention",
    "average_pool",
    "conv",
    "conv_transpose",
    "count_parameters",
    "elu",
    "embedding",
    "fold",
    "gelu",
    "identity",
    "interpolate",
    "leaky_relu",
    "max_pool",
    "one_hot",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
]
