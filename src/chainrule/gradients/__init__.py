"""Derivatives by the chain rule, backwards through what was written down."""

from chainrule.gradients import bodies as bodies  # what loops and branches ask of the transforms
