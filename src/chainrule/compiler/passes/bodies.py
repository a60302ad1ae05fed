"""Passes inside of bodies: what holds for a graph holds for the body of a loop or a branch."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.ir.graph import Graph, map_bodies, rebuild, with_inputs


def everywhere(rewrite: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    """The pass that does the same to every body, the innermost first, and then to the graph."""

    def whole(graph: Graph) -> Graph:
        return rewrite(
            rebuild(graph, lambda node, inputs: map_bodies(with_inputs(node, inputs), whole))
        )

    return whole
