"""The whole compiler on one page; the gradient is already in the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from chainrule.compiler.lower.plan import Plan, make_plan
from chainrule.compiler.lower.roles import Roles, plain_roles
from chainrule.compiler.lower.straight import may_be_straight, straight_plan
from chainrule.compiler.native.executable import Executable, Program
from chainrule.compiler.native.source import Unchanged
from chainrule.compiler.native.target import Target, host
from chainrule.compiler.passes.bodies import everywhere
from chainrule.compiler.passes.fold import fold
from chainrule.compiler.passes.loops import shorten
from chainrule.compiler.passes.share import share
from chainrule.compiler.passes.windows import windows
from chainrule.ir.graph import Graph, specialise
from chainrule.ops import verify

Pass = Callable[[Graph], Graph]
PASSES: tuple[tuple[str, Pass], ...] = (
    ("loops", shorten),
    ("share", everywhere(share)),
    ("fold", everywhere(fold)),
    ("windows", everywhere(windows)),
    ("share again", everywhere(share)),
    ("loops again", shorten),
)


@dataclass(eq=False)
class Stages:
    """What each stage made and how long it took, in seconds: looking is free."""

    seconds: dict[str, float] = field(default_factory=dict)
    graphs: dict[str, Graph] = field(default_factory=dict)


def simplify(graph: Graph, stages: Stages | None = None) -> Graph:
    """All passes over a graph, its validity checked after each."""
    stages = stages or Stages()
    for name, rewrite in PASSES:
        start = perf_counter()
        after = rewrite(graph)
        try:
            verify(after)
        except Exception as error:
            raise AssertionError(f"the pass {name!r} broke a graph:\n{graph}\n{after}") from error
        graph = after
        stages.seconds[name] = perf_counter() - start
        stages.graphs[name] = graph
    return graph


def compile_graph(graph: Graph, roles: Roles, target: Target | None = None) -> Executable:
    """Graph to native loop: passes, loop nests, machine code; or as it was kept on the disk."""
    return Executable(Program(graph, roles, target or host(), planned, _AS_READ))


def planned(graph: Graph, roles: Roles) -> Plan:
    """Graph to loop nests, through all passes."""
    if may_be_straight(graph, roles):
        plan = straight_plan(simplify(specialise(graph, 1)), roles)
        if plan is not None:
            return plan
    return make_plan(simplify(graph), roles)


#: The compiler that this process runs, taken when all of it had been read.
_AS_READ: Final = Unchanged()

__all__ = ["PASSES", "Stages", "compile_graph", "plain_roles", "planned", "simplify"]
