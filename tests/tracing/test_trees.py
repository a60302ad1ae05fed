"""Trees of arrays: what is a leaf, what is structure, what a leaf is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError
from chainrule.tracing.trees import (
    flatten,
    named_leaves,
    paths,
    static,
    tree,
    tree_map,
    unflatten,
    with_leaves,
)


@tree
class Layer:
    weight: Any
    bias: Any
    name: str = static(default="layer")


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass
class Plain:
    """A dataclass of a user's own, never registered."""

    slope: Any
    offset: Any
    label: str = field(default="line", metadata={"static": True})


TREE = {
    "layers": [Layer(1.0, 2.0), Layer(3.0, 4.0, "last")],
    "pair": Pair(5.0, (6.0,)),
    "none": None,
}


def test_leaves_come_in_one_order_and_go_back():
    leaves, structure = flatten(TREE)
    assert leaves == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    again = unflatten(structure, [10 * x for x in leaves])
    assert again["layers"][1].weight == 30.0
    assert again["layers"][1].name == "last"
    assert again["pair"] == Pair(50.0, (60.0,))
    assert again["none"] is None


def test_leaves_have_dotted_names():
    assert paths(TREE) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
                           "pair.0", "pair.1.0"]  # fmt: skip
    assert paths(3.0) == ["value"]


def test_leaves_can_be_exchanged_by_name():
    named = named_leaves(TREE)
    named["pair.0"] = 50.0
    assert with_leaves(TREE, named)["pair"].a == 50.0
    with pytest.raises(ShapeError, match=r"pair\.0"):
        with_leaves(TREE, {k: v for k, v in named.items() if k != "pair.0"})
    with pytest.raises(ShapeError, match="more"):
        with_leaves(TREE, {**named, "more": 1.0})


def test_map_takes_trees_of_one_structure():
    doubled = tree_map(lambda x, y: x + y, TREE, TREE)
    assert flatten(doubled)[0] == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
    with pytest.raises(ShapeError, match="trees differ"):
        tree_map(lambda x, y: x, TREE, [1.0])


def test_static_fields_are_structure():
    same, other = flatten(Layer(1.0, 2.0))[1], flatten(Layer(1.0, 2.0, "other"))[1]
    assert flatten(Layer(5.0, 6.0))[1] == same
    assert other != same


def test_a_dataclass_of_the_users_own_is_a_tree():
    line = Plain(2.0, 1.0)
    assert flatten(line)[0] == [2.0, 1.0]
    gradient = cr.grad(lambda line: (line.slope * 3.0 + line.offset) ** 2)(line)
    assert isinstance(gradient, Plain)
    assert (gradient.slope, gradient.offset, gradient.label) == (42.0, 14.0, "line")


def test_gradient_of_a_tree_is_a_tree_of_its_kind():
    def f(t: Any) -> Any:
        return np.sum(t["layers"][0].weight * t["pair"].a) + t["pair"].b[0] ** 2

    gradient = cr.grad(f)(TREE)
    assert isinstance(gradient["pair"], Pair)
    assert isinstance(gradient["layers"][1], Layer)
    assert flatten(gradient)[0] == [5.0, 0.0, 0.0, 0.0, 1.0, 12.0]


def test_a_layer_cannot_be_changed():
    with pytest.raises(AttributeError):
        Layer(1.0, 2.0).weight = 3.0
