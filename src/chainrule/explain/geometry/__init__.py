"""Gradients as geometry: level sets, steepest ascent, boundaries, slices, rates side by side."""
