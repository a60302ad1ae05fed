"""The diagnosis in words, with what to try."""

from __future__ import annotations

from chainrule.diagnosis.finding import Finding, sorted_findings
from chainrule.errors import ChainruleError
from chainrule.explain.page import listing, table
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part


def diagnosis(context: Context) -> Part:
    """What is wrong with the descent, or that nothing is."""
    own, measured = context.told.findings, ""
    try:
        found = context.diagnosis
        findings = sorted_findings((*found.findings, *own))
        measured = "\n".join(line for line in str(found).splitlines() if not _is_finding(line))
    except ChainruleError as error:
        if not own:
            raise
        findings, measured = sorted_findings(own), error.message
    rows = [[f.severity, f.kind, f.what, f.advice or "—"] for f in findings]
    head = ["how serious", "what", "the numbers", "what to try"]
    shown = table(head, rows, "Findings, the most serious first") if findings else ""
    return Part(
        "diagnosis", "Diagnosis", _says(findings), shown + listing(measured, "Measured"),
        numbers={"findings": [_plain(f) for f in findings]},
    )  # fmt: skip


def _says(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    told = [f for f in findings if f.severity != "note"]
    if not told:
        where = "measured at the trained weights and over the record"
        noted = " and ".join(dict.fromkeys(f.kind for f in findings))
        if not noted:
            return (f"Nothing to complain of, {where}.",)
        return (f"Nothing serious, {where}; to be noted: {noted}.",)
    worst = told[0]
    more = f" and {len(told) - 1} more" if len(told) > 1 else ""
    return (f"Found: {worst.kind}{more}. {worst.what[:1].upper()}{worst.what[1:]}.",)


def _is_finding(line: str) -> bool:
    starts = ("serious: ", "warning: ", "note: ", "  try: ")
    return line.startswith(starts)


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "severity": finding.severity, "kind": finding.kind, "what": finding.what,
        "advice": finding.advice,
    }  # fmt: skip
