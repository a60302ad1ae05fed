"""What the options of `chainrule train` may be called: names alone, so that --help loads no more.

What each name stands for is in ``terms``, ``optimizers``, ``schedules`` and ``batches``.
"""

from __future__ import annotations

from typing import Final

TASKS: Final = ("auto", "classification", "regression")
#: What a column may be taken for; how numbers are scaled. As in ``data.infer``, ``data.number``.
RULES: Final = ("number", "category", "embed", "text", "date", "drop")
SCALES: Final = ("auto", "standard", "robust", "quantile")

#: Losses of numbers: of any, of counts, of amounts above 0.
NUMBER_LOSSES: Final = ("squared_error", "absolute_error", "huber", "quantile", "gaussian")
COUNT_LOSSES: Final = ("poisson", "negative_binomial")
AMOUNT_LOSSES: Final = ("gamma",)
REGRESSION_LOSSES: Final = (*NUMBER_LOSSES, *COUNT_LOSSES, *AMOUNT_LOSSES)
CLASS_LOSSES: Final = ("binary_cross_entropy", "cross_entropy", "hinge")
LOSSES: Final = ("auto", *REGRESSION_LOSSES, *CLASS_LOSSES)

#: Those of ``nn``.
ACTIVATIONS: Final = (
    "relu", "leaky_relu", "relu6", "elu", "celu", "selu", "gelu", "gelu_tanh", "silu", "mish",
    "tanh", "sigmoid", "softplus", "softsign", "log_sigmoid", "hard_tanh", "hard_sigmoid",
    "hard_silu", "softmax", "log_softmax", "identity",
)  # fmt: skip

OPTIMIZERS: Final = (
    "sgd", "nesterov", "adam", "adamw", "amsgrad", "nadam", "rmsprop", "adagrad", "adadelta",
    "lion", "lamb", "muon", "prodigy", "schedule-free-sgd", "schedule-free-adamw",
)  # fmt: skip
WITH_MOMENTUM: Final = ("sgd", "nesterov", "rmsprop", "muon", "schedule-free-sgd")
AVERAGES: Final = ("none", "ema", "swa", "suffix")

SCHEDULES: Final = (
    "auto", "constant", "cosine", "linear", "one-cycle", "step", "multi-step", "exponential",
    "inverse-time", "warm-restarts", "plateau",
)  # fmt: skip

BATCH_SCHEDULES: Final = ("constant", "step-growth", "doubling", "cabs", "noise")
ORDERS: Final = ("reshuffle", "once", "in-order", "with-replacement", "stratified")
REMAINDERS: Final = ("drop", "smaller", "carry")

ON_NAN: Final = ("stop", "skip", "roll-back")
MEASURES: Final = (
    "gradient_norm", "parameter_gradient_norms", "update_ratio", "gradient_variance", "noise_scale",
)  # fmt: skip
