"""Graph to graph: each pass keeps the meaning and is verified after it ran."""
