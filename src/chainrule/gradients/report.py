"""What ``check_grad`` found, in words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mismatch:
    """A derivative that is not what differences say.

    Attributes:
        order: 1 for the gradient, 2 for the gradient's own derivative.
        argument: the argument and the leaf in it: ``argument 0.weight``.
        element: the index of the element in the leaf, ``()`` for a number.
        by_rule: its derivative by the chain rule (of a weighted sum of the results).
        by_difference: the same by differences, and ``error``, how far that may be off.
        op: the operation whose rule does not agree with its own values, or "".
        where: the line of that operation, ``file.py:14``, or "".
        cause: the likely one.
    """

    order: int
    argument: str
    element: tuple[int, ...]
    by_rule: float
    by_difference: float
    error: float
    op: str
    where: str
    cause: str

    def __str__(self) -> str:
        index = f"[{', '.join(map(str, self.element))}]" if self.element else ""
        op = f"\n  operation: {self.op} at {self.where}" if self.op else ""
        return (
            f"check_grad fails at order {self.order}, {self.argument}{index}: {self.by_rule:.10g} "
            f"by the chain rule, {self.by_difference:.10g} (±{self.error:.1g}) by differences"
            f"{op}\n  likely cause: {self.cause}"
        )


@dataclass(frozen=True, repr=False)
class GradReport:
    """The outcome of ``check_grad``, true if all derivatives agree.

    Attributes:
        order: up to which order it looked.
        tolerance: how far two derivatives may differ, relative to their size.
        error: the largest relative difference that was found.
        notes: what one should know to read it.
        failure: the first mismatch, or None.
    """

    order: int
    tolerance: float
    error: float
    notes: tuple[str, ...]
    failure: Mismatch | None

    @property
    def passed(self) -> bool:
        return self.failure is None

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        most = f"{self.error:.1e}" if self.error else "within the error of differences"
        passes = (
            f"check_grad passes to order {self.order}: largest relative difference {most}, "
            f"allowed {self.tolerance:.0e}"
        )
        notes = [f"\n  note: {note}" for note in self.notes]
        return (passes if self.passed else str(self.failure)) + "".join(notes)

    __str__ = __repr__
