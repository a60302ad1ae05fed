"""The random streams of a run: functions of (seed, stream, step or epoch) and of nothing else."""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.compiler.native.shuffle import epoch_key
from chainrule.orders import ORDER_STREAM

#: Each stream has its own numbers: orders have theirs.
NOISE_STREAM: Final = ORDER_STREAM + 1


def noise_keys(seed: int, step: int, count: int) -> np.ndarray:
    """The keys of the random bits of ``count`` steps from ``step`` on, int64.

    See ``tracing.counter``.

    Neighbours in number; what follows from one key has nothing to do with what does from another.
    """
    first = np.uint64(epoch_key(seed, NOISE_STREAM, 0))
    return (first + np.arange(step, step + count, dtype=np.uint64)).view(np.int64)
