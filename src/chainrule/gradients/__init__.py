"""Derivatives by the chain rule, backwards through what was written down."""
