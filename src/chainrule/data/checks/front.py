"""``preflight``: all checks of a table, in the order in which they are said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from chainrule.data.checks import labels, leaks, numbers, rows
from chainrule.data.checks.finding import Finding, sorted_findings
from chainrule.data.checks.seen import MOST_COLUMNS, SAMPLE, Subject
from chainrule.data.columns import NONE
from chainrule.data.extras import Table
from chainrule.data.prepare import Prepared
from chainrule.data.words import listed

_APART: Final = 3  # findings of one kind that are said one by one
Check: TypeAlias = Callable[[Subject], Iterator[Finding]]

CHECKS: Final[tuple[Check, ...]] = (
    leaks.leaks,
    labels.imbalance,
    labels.one_number,
    rows.repeated_rows,
    rows.label_noise,
    rows.ordered_by_date,
    numbers.row_numbers,
    numbers.affine_copies,
    numbers.sentinels,
    numbers.mostly_missing,
    labels.only_in_test,
    rows.dropped_rows,
    numbers.heavy_tails,
    numbers.unscaled,
    numbers.left_out,
)


def preflight(
    table: Table, target: str, *, prepared: Prepared | None = None, task: str = "auto",
    drop: Mapping[str, str] = NONE, rules: Mapping[str, str] = NONE, seed: int = 0,
) -> list[Finding]:  # fmt: skip
    """What is wrong with a table, or worth knowing, before a network is trained on it.

    Checks of single columns look at 10,000 rows, drawn evenly, and at the first 200 used columns;
    those of nearest neighbours at 1,000 rows; those of equal rows at all, up to ten million values
    and 2,000 used columns.

    Args:
        table: as ``read_table`` gives it.
        target: the column to predict.
        prepared: what ``prepare`` made of the table, if it has; the rest is then not needed.
        task: as for ``prepare``, and so are the others.
        drop: columns not to use, each with the reason.
        rules: of some columns, what to take them for.
        seed: of the random split.

    Returns:
        The serious findings first; none where nothing is to be said.

    Raises:
        DataError: the target or a column to drop is not there, or the target cannot be learned.

    Example:
        >>> import numpy as np, pyarrow as pa
        >>> rng = np.random.default_rng(0)
        >>> price = rng.lognormal(size=500)
        >>> tax = 0.2 * price + 3
        >>> table = pa.table({"rooms": rng.integers(1, 9, 500), "tax": tax, "price": price})
        >>> print(preflight(table, "price")[0])
        serious: leak: tax alone explains 99.9...% of the variance of price's ranks
          try: drop tax, if it is made from price or known only after it
    """
    if prepared is None:
        subject = Subject.of(table, target, task=task, drop=drop, rules=rules, seed=seed)
    else:
        subject = Subject.prepared(table, prepared)
    return sorted_findings(finding for check in CHECKS for finding in check(subject))


def scope(rows: int, columns: int) -> str:
    """What the checks looked at, in words; "" where it was all.

    >>> scope(300_000, 12), scope(500, 12)
    ('single columns were checked on 10,000 rows', '')
    """
    parts = []
    if rows > SAMPLE:
        parts.append(f"single columns were checked on {SAMPLE:,} rows")
    if columns > MOST_COLUMNS:
        parts.append(f"the first {MOST_COLUMNS} used columns were checked")
    return "; ".join(parts)


def joined(findings: Sequence[Finding]) -> list[Finding]:
    """Findings with those of one kind about more than three columns made one: the largest.

    Example:
        >>> many = [Finding("note", "far", c, f"{c} is far", k) for k, c in enumerate("abcd")]
        >>> [finding.what for finding in joined(many)]
        ['d is far; so are a, b, c']
    """
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.kind), []).append(finding)
    return [one for group in kinds.values() for one in _one(group)]


def _one(group: list[Finding]) -> list[Finding]:
    if len(group) <= _APART:
        return group
    first = max(group, key=lambda finding: finding.figure)
    others = [finding.column for finding in group if finding is not first]
    return [replace(first, what=f"{first.what}; so are {listed(others, 5)}")]


def most_important(findings: Sequence[Finding], most: int = 6) -> list[Finding]:
    """The serious findings and the warnings, joined, so many at most."""
    return [finding for finding in joined(findings) if finding.severity != "note"][:most]
