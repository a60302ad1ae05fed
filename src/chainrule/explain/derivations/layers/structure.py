"""Operations on whole arrays: how each is written, and the cotangent of each operand.

What has no form of its own here is a function by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chainrule.explain.derivations.layers.by_name import (
    Structure,
    back_named,
    no_gradient,
    write_named,
)
from chainrule.explain.derivations.layers.classes import (
    back_binary,
    back_cross_entropy,
    back_log_softmax,
    back_logsumexp,
    back_pick,
    back_softmax,
    write_binary,
    write_cross_entropy,
    write_log_softmax,
    write_logsumexp,
    write_pick,
    write_softmax,
)
from chainrule.explain.derivations.layers.products import (
    back_det,
    back_dot,
    back_inverse,
    write_dot,
    write_inverse,
)
from chainrule.explain.derivations.layers.sums import (
    back_mean,
    back_reshape,
    back_spread,
    back_sum,
    back_transpose,
    write_mean,
    write_spread,
    write_sum,
    write_transpose,
)

#: Operations that are written by their name alone; their results get letters.
RARE: Final = frozenset((
    "cond", "custom", "scan", "while_loop", "recurrence", "cumlogsumexp", "sort", "scatter_add",
    "prod", "cholesky", "solve_triangular", "solve", "cofactor", "eigh", "svd", "qr", "pinv",
))  # fmt: skip
_NAMED: Final = Structure(write_named, back_named, "vector-Jacobian product")
_NO: Final = Structure(write_named, no_gradient, "constant but where it jumps")
_BY_NAME: Final = (
    "item", "rearrange", "patches", "conv", "take", "concatenate", "slice", "pad", "max",
    "shear", "unshear", "polygamma", *sorted(RARE),
)  # fmt: skip
_CONSTANT: Final = (
    "argcummax", "argsort", "last_of", "detsign", "argmax", "searchsorted", "svd_completion",
    "constant", "size", "iota",
)  # fmt: skip
# fmt: off
#: Operations on whole arrays, by the name of the primitive and of the larger pieces.
STRUCTURES: Final[Mapping[str, Structure]] = {
    "sum":       Structure(write_sum, back_sum, "derivative of a sum"),
    "mean":      Structure(write_mean, back_mean, "derivative of a mean"),
    "broadcast": Structure(write_spread, back_spread, "used for all rows: sum over them"),
    "transpose": Structure(write_transpose, back_transpose, "transposition"),
    "reshape":   Structure(write_named, back_reshape, "reshaping"),
    "dot":       Structure(write_dot, back_dot, "matrix product"),
    "softmax":   Structure(write_softmax, back_softmax, "derivative of softmax"),
    "log_softmax": Structure(write_log_softmax, back_log_softmax, "derivative of log softmax"),
    "logsumexp": Structure(write_logsumexp, back_logsumexp, "derivative of log Σ exp: softmax"),
    "cross_entropy": Structure(
        write_cross_entropy, back_cross_entropy, "softmax and cross-entropy: p − y"),
    "soft_cross_entropy": Structure(
        write_cross_entropy, back_cross_entropy, "softmax and cross-entropy: p − y"),
    "binary_cross_entropy": Structure(
        write_binary, back_binary, "sigmoid and cross-entropy: p − y"),
    "pick":      Structure(write_pick, back_pick, "the element of the label"),
    "inverse":   Structure(write_inverse, back_inverse, "derivative of the inverse"),
    "det":       Structure(write_named, back_det, "Jacobi's formula"),
    "logabsdet": Structure(write_named, back_det, "Jacobi's formula"),
    **dict.fromkeys(_BY_NAME, _NAMED),
    **dict.fromkeys(_CONSTANT, _NO),
}
# fmt: on
