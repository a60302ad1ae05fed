"""Programs kept on disk under the hash of their graph: no plan is made, no text is written.

Beside the code, which lies under the hash of its text, lies what its callers must know of it. It is
found again only by the very compiler that wrote it, on the same machine (``source``).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import astuple

import numpy as np

from chainrule.compiler.lower.group import PLACES
from chainrule.compiler.lower.roles import Roles
from chainrule.compiler.native import cache, source
from chainrule.compiler.native.interface import Interface, from_json, to_json
from chainrule.compiler.native.jit import MachineCode, find
from chainrule.compiler.native.target import Target
from chainrule.ir.graph import Graph


def key_of(graph: Graph, roles: Roles, target: Target, compiler: source.Unchanged) -> str | None:
    """The hash of all that decides a program; None where it is not kept."""
    if cache.folder() is None or source.version() is None:
        return None
    ops = {node.op for node in graph.nodes}
    if not compiler.holds(ops):
        return None
    # The line of a place that may be wrong is part of what the caller must know.
    lines = [node.where for node in graph.nodes] if ops & PLACES.keys() else []
    parts = (
        source.version(),
        np.__version__,
        astuple(roles),
        lines,
        list(_nans(graph)),
        str(graph),
    )
    return cache.key_of(hashlib.sha256(repr(parts).encode()).hexdigest(), target)


def _nans(graph: Graph) -> Iterator[bytes]:
    """The bits of each NaN: of whatever sign, they are one text."""
    for node in graph.nodes:
        for _, value in sorted(node.attributes.items()):
            if isinstance(value, Graph):
                yield from _nans(value)
            elif isinstance(value, float) and value != value:
                yield struct.pack("<d", value)


def read(key: str, target: Target) -> tuple[Interface, MachineCode] | None:
    """A program that was kept, ready to be called."""
    content = cache.read(key)
    if content is None:
        return None
    try:
        interface, name = from_json(content)
        code = find(name, target) if name != key else None
    except (ValueError, TypeError, LookupError):  # whole, but not of our form
        return None
    return None if code is None else (interface, code)


def write(key: str, interface: Interface, code: MachineCode) -> None:
    """Keep what must be known of a program whose code is kept already."""
    if interface.is_text:
        cache.write(key, to_json(interface, code.key))
