"""Where a descent stands and how it goes: critical points, noise, batches against each other."""
