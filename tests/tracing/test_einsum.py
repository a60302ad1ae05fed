"""Matrix products and their kin: NumPy's values, exact gradients, errors with both shapes."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import ShapeError, TraceError
from tests.tracing.agreement import check_compiled, check_gradient, draw

PAIRS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((3,), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((5, 6, 2, 3), (5, 1, 3, 4)), ((2, 0), (0, 3)),
]  # fmt: skip

FUNCTIONS = {
    "inner": (np.inner, (2, 3), (4, 5, 3)),
    "vdot": (np.vdot, (2, 3), (3, 2)),
    "outer": (np.outer, (2, 3), (4,)),
    "kron": (np.kron, (2, 2, 3), (4, 5)),
    "tensordot of pairs": (lambda a, b: np.tensordot(a, b, ((0, 2), (1, 0))), (2, 3, 4), (4, 2, 5)),
    "tensordot over two": (np.tensordot, (2, 3, 4), (3, 4, 5)),
    "tensordot over none": (lambda a, b: np.tensordot(a, b, 0), (2, 3), (4, 5)),
    "vecdot": (np.vecdot, (2, 3), (4, 1, 3)),
    "linalg.vecdot": (lambda a, b: np.linalg.vecdot(a, b, axis=0), (3, 2), (3, 2)),
    "linalg.matmul": (np.linalg.matmul, (2, 3), (3, 4)),
    "linalg.outer": (np.linalg.outer, (3,), (4,)),
    "linalg.tensordot": (np.linalg.tensordot, (2, 3, 4), (3, 4, 2)),
    "multi_dot": (lambda *a: np.linalg.multi_dot(a), (3,), (3, 4), (4, 5), (5,)),
    "multi_dot of matrices": (lambda *a: np.linalg.multi_dot(a), (2, 9), (9, 4), (4, 5), (5, 2)),
    "matrix_transpose": (np.linalg.matrix_transpose, (2, 3, 4)),
    "cross": (np.cross, (4, 3), (3,)),
    "cross along 0": (lambda a, b: np.cross(a, b, axis=0), (3, 4), (3, 4)),
    "linalg.cross": (np.linalg.cross, (4, 3), (4, 3)),
    "linalg.trace": (lambda a: np.linalg.trace(a, offset=1), (2, 3, 4)),
    "linalg.diagonal": (lambda a: np.linalg.diagonal(a, offset=-1), (2, 4, 3)),
}
if hasattr(np, "matvec"):  # NumPy 2.2
    FUNCTIONS["matvec"] = (np.matvec, (5, 2, 3), (3,))
    FUNCTIONS["vecmat"] = (np.vecmat, (3,), (5, 3, 2))

SUBSCRIPTS = [
    ("ij,jk", (2, 3), (3, 4)), ("ij,jk->ki", (2, 3), (3, 4)), ("ii", (3, 3)), ("ii->i", (3, 3)),
    ("ji", (2, 3)), ("ij->", (2, 3)), ("i,i", (3,), (3,)), ("i,j", (3,), (4,)),
    ("...ij,...jk", (5, 2, 3), (3, 4)), ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    ("i...->...", (3, 2, 4)), ("ij...,jk...->ik...", (2, 3, 5), (3, 4, 5)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)), ("iij,jk->ik", (3, 3, 2), (2, 4)),
    ("ij,ij->ij", (2, 3), (2, 3)), ("ij,ij->i", (2, 3), (2, 3)), ("iii->i", (3, 3, 3)),
    ("ijj->i", (2, 3, 3)), ("ij,kl->", (2, 3), (4, 5)), ("ij,jk->ik", (2, 1), (3, 4)),
    ("...,...", (2, 3), (3,)), ("...i,...i->...", (4, 1, 3), (5, 3)), (",i", (), (3,)),
    ("ij,jk,kl,lm", (2, 3), (3, 4), (4, 5), (5, 2)), ("i,ij,j->", (3,), (3, 4), (4,)),
    ("ijk,il,jm,kn->lmn", (2, 3, 4), (2, 3), (3, 2), (4, 2)), ("ba,b", (2, 3), (2,)),
    ("a,ab,abc->abc", (2,), (2, 3), (2, 3, 4)), ("ij, jk -> ik", (2, 3), (3, 4)),
    ("i,i,i,i,i,i,i->i", *[(3,)] * 7),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_matmul_of_any_rank_is_numpys(left, right):
    """Vectors, matrices, stacks that broadcast; and ``np.dot``, which pairs stacks otherwise."""
    check_gradient(np.matmul, draw(*left), draw(*right))
    check_gradient(np.dot, draw(*left), draw(*right))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_product_is_numpys(name):
    f, *shapes = FUNCTIONS[name]
    check_gradient(f, *(draw(*shape, seed=k) for k, shape in enumerate(shapes)))


@pytest.mark.parametrize("offset", range(-3, 5))
def test_diagonal_and_trace_are_numpys(offset):
    """On either side of the main diagonal, and beyond the matrix."""
    check_gradient(lambda a: np.diagonal(a, offset), draw(3, 4))
    check_gradient(lambda a: np.trace(a, offset, 2, 0), draw(4, 2, 3))


@pytest.mark.parametrize(("text", "shapes"), [(text, shapes) for text, *shapes in SUBSCRIPTS])
def test_einsum_is_numpys(text, shapes):
    """Implicit and explicit results, ellipses, diagonals, sizes of one, many operands."""
    operands = [draw(*shape, seed=k) for k, shape in enumerate(shapes)]
    check_gradient(lambda *a: np.einsum(text, *a), *operands)


def test_einsum_takes_labels_in_lists():
    a, b = draw(5, 2, 3), draw(3, 4)
    check_gradient(lambda a, b: np.einsum(a, [..., 1], b, [1, 2], [..., 2]), a, b)
    check_gradient(lambda a, b: np.einsum(a, [0, 1, 3], b, [3, 2]), a, b)


@pytest.mark.parametrize(
    "optimize", [True, False, "greedy", "optimal", ["einsum_path", (1, 2), (0, 1)]]
)
def test_the_order_of_contraction_changes_no_value(optimize):
    a, b, c = draw(2, 3), draw(3, 4), draw(4, 5)
    check_gradient(lambda a, b, c: np.einsum("ij,jk,kl", a, b, c, optimize=optimize), a, b, c)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int32, np.bool_])
def test_products_keep_numpys_dtype_and_values(dtype):
    """Whole numbers and booleans too, which are sums of products and ors of ands."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-2, 3, shape).astype(dtype) for shape in ((2, 3), (3, 4)))
    for f in (np.matmul, np.dot, lambda a, b: np.einsum("ij,jk", a, b)):
        got, expected = cr.compile(f)(a, b), f(a, b)
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


def test_a_size_of_one_is_repeated_and_not_laid_out():
    """The operand with a stack of one is read as it is: no broadcast stands in the graph."""
    graph = cr.trace(np.matmul, draw(1, 2, 3), draw(5, 3, 4))
    assert "broadcast" not in str(graph)


@pytest.mark.parametrize(("left", "right"), PAIRS[3:9])
def test_compiled_matmul_is_the_eager_one(left, right):
    check_compiled(np.matmul, draw(*left), draw(*right))


@pytest.mark.parametrize("text", ["bhqd,bhkd->bhqk", "ij,jk,kl,lm", "ii->i", "...,..."])
def test_compiled_einsum_is_the_eager_one(text):
    shapes = next(shapes for found, *shapes in SUBSCRIPTS if found == text)
    operands = [draw(*shape, seed=k) for k, shape in enumerate(shapes)]
    check_compiled(lambda *a: np.einsum(text, *a), *operands)


REFUSED = {
    "inner sizes": (lambda a: a @ np.ones((4, 3)), r"f64\[2, 3\] @ .*3 is not 4"),
    "turned": (lambda a: a @ np.ones((4, 3)), r"a @ b\.T fits"),
    "stacks": (lambda a: np.ones((6, 2, 2)) @ np.stack([a] * 5), "stacks of .* do not broadcast"),
    "a number": (lambda a: np.matmul(a, 2.0), "a number is no matrix"),
    "labels": (lambda a: np.einsum("ij,jk", a, np.ones((5, 2))), "under 'j': 3 and 5"),
    "result": (lambda a: np.einsum("ij->iz", a), "no operand has 'z'"),
    "rank": (lambda a: np.einsum("ijk->i", a), "'ijk' for an operand of 2 axes"),
    "operands": (lambda a: np.einsum("ij,jk", a), "2 terms for 1 operands"),
    "dots": (lambda a: np.einsum("...->", a), "no '...'"),
    "signs": (lambda a: np.einsum("i?->i", a), "not made of letters"),
    "pairs": (lambda a: np.tensordot(a, a, ((0,), (1,))), "2 is not 3"),
    "vectors of three": (lambda a: np.cross(a, np.ones((2, 2))), "vectors of 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_an_error_with_line_and_shapes(name):
    f, message = REFUSED[name]
    with pytest.raises(ShapeError, match=message) as error:
        cr.grad(lambda a: np.sum(f(a)))(draw(2, 3))
    assert "test_einsum.py" in str(error.value)


def test_results_are_new_arrays():
    with pytest.raises(TraceError, match="out="):
        cr.grad(lambda a: np.sum(np.dot(a, a, out=np.zeros((3, 3)))))(draw(3, 3))
