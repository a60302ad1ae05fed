"""Convex or not, with a proof, a counter-example, or what was tried."""

from chainrule.explain.convexity.chord import Chord
from chainrule.explain.convexity.front import convexity
from chainrule.explain.convexity.minimum import Minimum
from chainrule.explain.convexity.verdict import Verdict

__all__ = ["Chord", "Minimum", "Verdict", "convexity"]
