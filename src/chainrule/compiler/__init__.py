"""From a graph to one native loop; ``pipeline`` is the whole compiler on one page."""
