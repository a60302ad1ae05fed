"""The emitter refuses operands of wrong types, and nothing that a user wrote reaches its text."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.native.emit import I64, PTR, Emitter, NativeType, Val
from chainrule.compiler.native.program import write_module
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import plain_roles, planned

X, Y = Val(NativeType("f32"), "%x"), Val(NativeType("f64"), "%y")
V, N, P = Val(NativeType("f32", 8), "%v"), Val(I64, "%n"), Val(PTR, "%p")
PS = Val(NativeType("ptr", 4), "%ps")
WRONG = {
    "a sum of two types": lambda e: e.add(X, Y),
    "a choice by a number": lambda e: e.select(N, X, X),
    "a choice of two types": lambda e: e.select(e.compare("lt", N, N), X, Y),
    "an intrinsic of two types": lambda e: e.fma(X, X, Y),
    "a load from a number": lambda e: e.load(N, X.type),
    "a store to a number": lambda e: e.store(X, N),
    "a gather of other lanes": lambda e: e.gather(PS, V.type, None),
    "a scatter of other lanes": lambda e: e.scatter(V, PS, None),
    "an address by a float": lambda e: e.pointer(P, X, "f32"),
    "a branch on a number": lambda e: e.branch(N, "a", "b"),
    "a loop up to a float": lambda e: e.loop(N, X, 1, lambda i, c: c),
    "a loop that changes a type": lambda e: e.loop(N, N, 1, lambda i, c: [Y], [X]),
    "an integer division of floats": lambda e: e.divide_exactly(X, 2),
    "bits of another width": lambda e: e.bitcast(X, "i64"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_emission_is_refused(what):
    with pytest.raises(AssertionError):
        WRONG[what](Emitter())


@pytest.mark.parametrize("name", ['x"; }', "a\nret void", "\\22", "%1 = é", "é⊕\x00"])
def test_no_name_of_a_users_reaches_the_module(name):
    """A key of a tree, and the file that the line of a node stands in."""
    scope = {"np": np}
    exec(
        compile("def f(p):\n    return np.tanh(p[k]).sum()", name.replace("\x00", ""), "exec"),
        scope,
    )
    scope["k"] = name
    text = []
    for key in (name, "plain"):
        scope["k"] = key
        graph = cr.trace(cr.grad(scope["f"]), {key: np.ones((3, 4))})
        text.append(write_module(planned(graph, plain_roles(graph)), host()))
    assert text[0] == text[1]
    assert text[0].isascii()
