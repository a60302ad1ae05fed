"""Columns that are not used, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn


@dataclass(frozen=True, slots=True)
class Dropped:
    """A column that the network does not see.

    Fields:
        what: what the column was found to be: "constant", "identifier", "text", "empty", ...
        reason: why it is dropped, in words.
        found: its value, or one of them.
    """

    kind: ClassVar[str] = "dropped"

    name: str
    what: str
    reason: str
    found: str = ""

    @property
    def width(self) -> int:
        """How many encoded columns: none."""
        return 0

    @property
    def treatment(self) -> str:
        """What is done with the column, in words."""
        return f"dropped: {self.reason}"

    def features(self) -> list[str]:
        """The name of each encoded column: none."""
        return []

    def encode(self, column: ArrowColumn, x: NDArray[Any]) -> None:
        """Encode nothing."""
