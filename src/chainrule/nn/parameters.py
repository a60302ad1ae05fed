"""What can be said of a model by its tree alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.tracing.trees import flatten


def count_parameters(tree: Any) -> int:
    """How many numbers a tree of arrays holds.

    Example:
        >>> from chainrule import nn
        >>> count_parameters(nn.MLP([784, 128, 10]))  # 784 · 128 + 128 + 128 · 10 + 10
        101770
    """
    return sum(int(np.size(leaf)) for leaf in flatten(tree)[0])
