"""The numbers of backpropagation: as a table, as a drawing, step by step."""

from chainrule.explain.numbers.backpropagation import Backpropagation, backpropagation

__all__ = ["Backpropagation", "backpropagation"]
