"""Convex or not, with a proof, a counter-example, or what was tried."""

from chainrule.explain.proofs.chord import Chord
from chainrule.explain.proofs.front import convexity
from chainrule.explain.proofs.minimum import Minimum
from chainrule.explain.proofs.verdict import Verdict

__all__ = ["Chord", "Minimum", "Verdict", "convexity"]
