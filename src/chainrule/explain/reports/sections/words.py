"""What the report's sentences share."""

from __future__ import annotations

from chainrule.explain.words import short


def value_with(value: float, unit: str) -> str:
    """A number and its unit.

    Example:
        >>> value_with(0.12341, "nats")
        '0.1234 nats'
    """
    return f"{short(value)} {unit}".rstrip()
