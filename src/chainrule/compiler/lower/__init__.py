"""Graph to loop nests: what is computed together, where values lie, in which phase, on whom."""
