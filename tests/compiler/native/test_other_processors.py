"""Code for processors that are not here: it is generated, and its assembly is read."""

import re

import llvmlite.binding as llvm
import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.native.jit import assembly
from chainrule.compiler.native.program import write_module
from chainrule.compiler.native.target import Target, host
from chainrule.compiler.pipeline import plain_roles, planned

NEON = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon", 128, 32)
#: What the system's own libraries have.
OUTSIDE = {"sched_yield", "memcpy", "memset"}

X, W = np.ones((12, 20), np.float32), np.ones((20, 33), np.float32)


def _network(w, x):
    return np.mean(cr.logsumexp(np.maximum(x @ w, 0), axis=1))


PROGRAMS = {
    "network": (cr.grad(_network), W, X),
    "softmax": (lambda x: cr.softmax(x, axis=1), X),
    "convolution": (
        cr.nn.conv, np.ones((2, 3, 9, 9), "f"), np.ones((4, 3, 3, 3), "f"),
    ),
    "elementary": (lambda x: np.exp(x) + np.log(x) * np.tanh(x) - np.sin(x), X),
}  # fmt: skip


@pytest.fixture(scope="module")
def foreign():
    host()
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        llvm.Target.from_triple(NEON.triple)
    except RuntimeError:
        pytest.skip("this LLVM knows no aarch64")


@pytest.mark.parametrize("name", PROGRAMS)
def test_code_for_neon_multiplies_and_adds_vectors_and_calls_nothing_unknown(foreign, name):
    """``fmla`` on registers of four lanes; every call is to a function of the module's own."""
    f, *arguments = PROGRAMS[name]
    graph = cr.trace(f, *arguments)
    text = assembly(write_module(planned(graph, plain_roles(graph)), NEON), NEON)
    if name != "softmax":
        assert re.search(r"fml[as]\s+v\d+\.4s, v\d+\.4s", text)
    called = set(re.findall(r"\sbl\s+(\S+)", text))
    assert called <= OUTSIDE | set(re.findall(r"^(\w+):", text, re.MULTILINE))
