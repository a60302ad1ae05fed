"""Graphs as text: what is printed reads back, and what is no graph is refused with the line."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GraphError
from chainrule.ir.graph import Graph
from chainrule.ir.text import parse, to_text
from chainrule.ir.types import BATCH, ArrayType, parse_type
from tests.compiler.programs import make

TEXT = """graph(%0: f32[batch, 2], %1: f32[2]) {
  %2: f32[batch, 2] = broadcast(%1) {axes=(1,); shape=(batch, 2)}
  %3: f32[batch, 2] = add(%0, %2)
  return %3
}"""


def test_text_of_a_graph_is_one_line_a_node():
    assert to_text(parse(TEXT)) == TEXT
    assert str(parse(TEXT)) == TEXT


def test_order_of_a_traced_function_is_the_order_it_was_written_in():
    graph = cr.trace(lambda w, x, b: w * x + b, 2.0, 3.0, 1.0)
    assert to_text(graph).splitlines() == [
        "graph(%0: f64[], %1: f64[], %2: f64[]) {",
        "  %3: f64[] = multiply(%0, %1)",
        "  %4: f64[] = add(%3, %2)",
        "  return %4",
        "}",
    ]


@pytest.mark.parametrize(
    "value", [0.1, -0.0, 1e300, 5e-324, float("inf"), float("-inf"), float("nan"), 1 / 3]
)
def test_numbers_read_back_to_the_last_bit(value):
    graph = parse(to_text(Graph((), (make("constant", value=value, dtype="f64"),))))
    again = graph.outputs[0].attributes["value"]
    assert np.float64(again).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize(("value", "dtype"), [(True, "bool"), (False, "bool"), (-(2**63), "i64")])
def test_booleans_and_integers_stay_what_they_are(value, dtype):
    graph = parse(to_text(Graph((), (make("constant", value=value, dtype=dtype),))))
    again = graph.outputs[0].attributes["value"]
    assert again == value
    assert type(again) is type(value)


def test_graphs_without_inputs_outputs_or_nodes():
    for text in ("graph() {\n  return\n}", "graph(%0: f32[]) {\n  return %0, %0\n}",
                 "graph(%0: bool[0, 3]) {\n  return\n}"):  # fmt: skip
        assert to_text(parse(text)) == text


def test_indentation_and_empty_lines_around_do_not_matter():
    assert to_text(parse("\n\n    " + TEXT.replace("\n", "\n      ") + "\n\n")) == TEXT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a graph"),
        ("graph(", "not a graph"),
        ("graph() {\n}", "not a graph"),
        ("graph() {\n  return %0\n}", "%0 is used before it is defined"),
        (TEXT.replace("return %3", "return %4"), "%4 is used before it is defined"),
        (TEXT.replace("add(%0, %2)", "add(%0, %3)"), "loops are not allowed: %3 -> %3"),
        (TEXT.replace("%3: f32[batch, 2] =", "%2: f32[batch, 2] ="), "%2 is defined twice"),
        (TEXT.replace("add(%0, %2)", "add %0, %2"), "not a node"),
        (TEXT.replace("f32[batch, 2] = add", "f16[batch, 2] = add"), "not a type"),
        (TEXT.replace("axes=(1,)", "axes"), "without a value"),
        (TEXT.replace("axes=(1,)", "axes=one"), "could not convert"),
        (TEXT.replace("axes=(1,)", "axes=(one,)"), "invalid literal"),
    ],
)
def test_text_that_is_no_graph_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


BODY = """graph(%0: f64[3], %1: f64[]) {
  %2: bool[] = scan(%0, %1) {carries=1; consts=0; length=3; reverse=False} body=graph(%0: f64[]) {
    %1: bool[] = cond(%0) if_false=graph() {
      return
    } if_true=graph(%0: f64[]) {
      %1: f64[] = exp(%0)
      return %1
    }
    return %0, %1
  }
  %3: f64[] = item(%2) {dtype='f64'; index=0; shape=()}
  return %3
}"""


def test_bodies_stand_in_the_text_as_graphs_of_their_own():
    """Names begin anew in a body; what is printed reads back, to any depth."""
    assert to_text(parse(BODY)) == BODY
    assert isinstance(parse(BODY).nodes[2].attributes["body"], Graph)


@pytest.mark.parametrize(
    ("old", "new"),
    [("    return %0, %1\n", ""), ("} if_true=", "} and "), ("(%0) if_false=graph() {", "(%0) x=")],
)
def test_a_body_that_is_no_graph_is_refused(old, new):
    assert old in BODY
    with pytest.raises(ValueError, match=r"not a (graph|node)"):
        parse(BODY.replace(old, new))


@pytest.mark.parametrize(
    ("lines", "loop"),
    [
        (["%1: f64[] = exp(%1)"], "%1 -> %1"),
        (["%1: f64[] = exp(%2)", "%2: f64[] = add(%0, %1)"], "%1 -> %2 -> %1"),
        (
            ["%1: f64[] = exp(%0)", "%2: f64[] = add(%1, %4)", "%3: f64[] = exp(%2)",
             "%4: f64[] = add(%0, %3)"],
            "%2 -> %3 -> %4 -> %2",
        ),
    ],
)  # fmt: skip
def test_a_loop_is_refused_and_printed_as_its_values_flow(lines, loop):
    text = "\n".join(["graph(%0: f64[]) {", *lines, "return %1", "}"])
    with pytest.raises(GraphError, match="anything goes, but loops are not allowed") as error:
        parse(text)
    assert f"not allowed: {loop}\n" in str(error.value)


def test_a_line_in_the_wrong_place_is_no_loop():
    text = "graph(%0: f64[]) {\n%1: f64[] = exp(%2)\n%2: f64[] = exp(%0)\nreturn %1\n}"
    with pytest.raises(ValueError, match="%2 is used before it is defined"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["f32[]", "f64[3]", "i32[batch]", "i64[batch, 784]", "bool[2, 0, 1]"]
)
def test_types_read_back(text):
    assert str(parse_type(text)) == text


@pytest.mark.parametrize("text", ["", "f32", "f32[", "f33[2]", "f32(2)", "f32[two]"])
def test_text_that_is_no_type_is_refused(text):
    with pytest.raises(ValueError, match=r"not a type|invalid literal"):
        parse_type(text)


def test_there_is_one_batch():
    (size, _) = parse_type("f32[batch, 2]").shape
    assert size is BATCH
    assert ArrayType(np.dtype(np.float32), (BATCH, 2)) == parse_type("f32[batch, 2]")
