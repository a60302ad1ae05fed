"""Tables: read them, find out what their columns are, and encode them for a network."""

from chainrule.data.checks.finding import Finding
from chainrule.data.checks.front import preflight
from chainrule.data.columns import Columns
from chainrule.data.examples import EXAMPLES, Example, flights
from chainrule.data.foreign import as_table
from chainrule.data.large import LargeTable, stream_table
from chainrule.data.prepare import Part, Prepared, encode_part, held_out, prepare, with_target
from chainrule.data.read import read_table
from chainrule.data.schema import Schema
from chainrule.data.stream import Stream, stream
from chainrule.data.target import Target

__all__ = [
    "EXAMPLES",
    "Columns",
    "Example",
    "Finding",
    "LargeTable",
    "Part",
    "Prepared",
    "Schema",
    "Stream",
    "Target",
    "as_table",
    "encode_part",
    "flights",
    "held_out",
    "preflight",
    "prepare",
    "read_table",
    "stream",
    "stream_table",
    "with_target",
]
