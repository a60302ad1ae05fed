"""The report of a run: one offline page with its formulas, numbers and pictures."""

from chainrule.explain.reports.build import report
from chainrule.explain.reports.parts import Part, Report
from chainrule.explain.reports.snapshots import snapshots_of
from chainrule.explain.reports.told import Snapshot, Told, told_of

__all__ = ["Part", "Report", "Snapshot", "Told", "report", "snapshots_of", "told_of"]
