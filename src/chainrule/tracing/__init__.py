"""Plain NumPy code becomes a graph or a tape: tracers, NumPy's protocols, trees of parameters."""
