"""Layers: each is a frozen tree of arrays whose call is its formula."""

from chainrule.nn.activations import (
    ACTIVATIONS,
    activation,
    celu,
    elu,
    gelu,
    gelu_tanh,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    identity,
    leaky_relu,
    log_sigmoid,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
)
from chainrule.nn.attention_layers import MultiHeadAttention, TransformerBlock
from chainrule.nn.columns import EmbedColumns
from chainrule.nn.convolution import conv, conv_transpose, fold, unfold
from chainrule.nn.convolution_layers import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from chainrule.nn.dropout import Dropout, dropout
from chainrule.nn.initial import SCALES
from chainrule.nn.linear import Linear
from chainrule.nn.lookup import embedding, one_hot
from chainrule.nn.mlp import MLP
from chainrule.nn.mode import STATISTIC, Training, mode, statistics, training
from chainrule.nn.normalization import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from chainrule.nn.parameters import count_parameters
from chainrule.nn.pooling import (
    adaptive_average_pool,
    adaptive_max_pool,
    average_pool,
    max_pool,
)
from chainrule.nn.recurrent import GRU, LSTM
from chainrule.nn.resize import interpolate
from chainrule.nn.scaled_dot_product import attention
from chainrule.nn.sequential import Function, Sequential
from chainrule.nn.shape_layers import AveragePool, Flatten, MaxPool, Residual
from chainrule.nn.summary import LayerSummary, Summary, summary
from chainrule.nn.tables import BatchEnsemble, Embedding, PeriodicEmbedding, PLREmbedding, TabM
from chainrule.tracing.functions import log_softmax, softmax

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "LSTM",
    "MLP",
    "SCALES",
    "STATISTIC",
    "AveragePool",
    "BatchEnsemble",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dropout",
    "EmbedColumns",
    "Embedding",
    "Flatten",
    "Function",
    "GroupNorm",
    "LayerNorm",
    "LayerSummary",
    "Linear",
    "MaxPool",
    "MultiHeadAttention",
    "PLREmbedding",
    "PeriodicEmbedding",
    "RMSNorm",
    "Residual",
    "Sequential",
    "Summary",
    "TabM",
    "Training",
    "TransformerBlock",
    "activation",
    "adaptive_average_pool",
    "adaptive_max_pool",
    "attention",
    "average_pool",
    "celu",
    "conv",
    "conv_transpose",
    "count_parameters",
    "dropout",
    "elu",
    "embedding",
    "fold",
    "gelu",
    "gelu_tanh",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "identity",
    "interpolate",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "max_pool",
    "mish",
    "mode",
    "one_hot",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "statistics",
    "summary",
    "tanh",
    "training",
    "unfold",
]
