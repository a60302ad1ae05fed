"""One record per primitive operation; importing this package fills the table."""

from chainrule.ops import arithmetic, contract, elementary, logic, reduce, structure
from chainrule.ops.record import PRIMITIVES, NoGradient, Primitive, verify

__all__ = [
    "PRIMITIVES",
    "NoGradient",
    "Primitive",
    "arithmetic",
    "contract",
    "elementary",
    "logic",
    "reduce",
    "structure",
    "verify",
]
