"""Gradients as formulas."""
