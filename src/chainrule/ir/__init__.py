"""The graph of a program: types, nodes, validity, text."""

from chainrule.ir.text import parse, to_text

__all__ = ["parse", "to_text"]
