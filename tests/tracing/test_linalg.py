"""``np.linalg`` under ``grad`` and ``compile``: values, two orders of derivatives, errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

import chainrule as cr
from chainrule.errors import (
    ChainruleError,
    GradientError,
    LinearAlgebraError,
    ShapeError,
    TraceError,
)
from tests.tracing.agreement import check_compiled, check_gradient, check_second, draw

linalg = np.linalg


def positive(*shape: int) -> np.ndarray:
    a = draw(*shape)
    return a @ np.swapaxes(a, -1, -2) + shape[-1] * np.eye(shape[-1])


def regular(*shape: int) -> np.ndarray:
    return draw(*shape) + 4 * np.eye(*shape[-2:])


def symmetric(*shape: int) -> np.ndarray:
    a = draw(*shape)
    return a + np.swapaxes(a, -1, -2)


def least_squares(a, b):
    x, residuals, _, values = linalg.lstsq(a, b)
    return x, residuals, values


FUNCTIONS = {
    "cholesky": (linalg.cholesky, positive(2, 4, 4)),
    "cholesky, upper": (lambda a: linalg.cholesky(a, upper=True), positive(4, 4)),
    "inv": (linalg.inv, regular(2, 3, 3)),
    "det": (linalg.det, draw(3, 4, 4)),
    "slogdet": (linalg.slogdet, draw(3, 4, 4)),
    "eigh": (linalg.eigh, symmetric(2, 4, 4)),
    "eigh of the upper": (lambda a: linalg.eigh(a, UPLO="U"), draw(4, 4)),
    "eigvalsh": (linalg.eigvalsh, draw(4, 4)),
    "svd of squares": (linalg.svd, draw(2, 3, 3)),
    "svd, tall": (lambda a: linalg.svd(a, full_matrices=False), draw(5, 3)),
    "svd, wide": (lambda a: linalg.svd(a, full_matrices=False), draw(2, 3, 5)),
    "singular values of a full svd": (lambda a: linalg.svd(a)[1], draw(5, 3)),
    "svdvals": (linalg.svdvals, draw(3, 5)),
    "qr, tall": (linalg.qr, draw(2, 5, 3)),
    "qr, wide": (linalg.qr, draw(3, 5)),
    "r of qr": (lambda a: linalg.qr(a, mode="r"), draw(4, 3)),
    "pinv": (linalg.pinv, draw(2, 5, 3)),
    "lstsq": (least_squares, draw(6, 3), draw(6, 2)),
    "lstsq of a vector": (least_squares, draw(6, 3), draw(6)),
    "matrix_power": (lambda a: linalg.matrix_power(a, 5), draw(3, 3) / 2),
    "matrix_power, negative": (lambda a: linalg.matrix_power(a, -3), regular(3, 3)),
    "cond": (linalg.cond, draw(4, 3)),
    "cond in the 1-norm": (lambda a: linalg.cond(a, 1), regular(3, 3)),
    "tensorsolve": (linalg.tensorsolve, regular(6, 6).reshape(2, 3, 6), draw(2, 3)),
    "tensorinv": (linalg.tensorinv, regular(6, 6).reshape(2, 3, 3, 2)),
}
SYSTEMS = [
    ((4, 4), (4,)), ((4, 4), (4, 2)), ((2, 4, 4), (4,)), ((2, 4, 4), (4, 2)), ((4, 4), (3, 4, 2)),
    ((2, 1, 4, 4), (3, 4, 2)),
]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_derivatives_of_two_orders(name):
    f, *args = FUNCTIONS[name]
    check_gradient(f, *args)
    check_second(f, *args)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_is_eager(name):
    f, *args = FUNCTIONS[name]
    check_compiled(f, *args)


@pytest.mark.parametrize(("a", "b"), SYSTEMS)
def test_systems_of_any_stacks_are_solved(a, b):
    """General, triangular and by a Cholesky factor, with stacks that broadcast."""
    a, b = regular(*a), draw(*b)
    for f in (
        linalg.solve,
        lambda a, b: cr.solve_triangular(a, b, lower=True),
        lambda a, b: cr.cho_solve((linalg.cholesky(a @ np.swapaxes(a, -1, -2)), True), b),
    ):
        check_gradient(f, a, b)
        check_second(f, a, b)


@pytest.mark.parametrize("n", [3, 130])  # 130 is beyond what is solved in one block
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("trans", [0, 1, "T", "N"])
@pytest.mark.parametrize("unit_diagonal", [True, False])
def test_solve_triangular_is_scipys(n, lower, trans, unit_diagonal):
    a, b = draw(n, n) / n**0.5 + 3 * np.eye(n), draw(n, 2)
    got = cr.solve_triangular(a, b, trans, lower, unit_diagonal)
    expected = scipy.linalg.solve_triangular(a, b, trans, lower, unit_diagonal)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_results_are_numpys_named_tuples():
    """Code that says ``.eigenvalues`` or ``.logabsdet`` runs as it is."""
    a = positive(3, 3)
    for f in (linalg.eigh, linalg.svd, linalg.qr, linalg.slogdet):
        seen = []
        cr.grad(lambda a, f=f, seen=seen: seen.append(f(a)) or np.sum(a))(a)
        assert type(seen[0]) is type(f(a))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_stays_float32(dtype):
    a = positive(3, 3).astype(dtype)
    for f in (
        linalg.cholesky,
        linalg.inv,
        linalg.det,
        linalg.eigvalsh,
        linalg.svdvals,
        linalg.pinv,
    ):
        value, gradient = cr.value_and_grad(lambda a, f=f: np.sum(f(a)))(a)
        assert value.dtype == gradient.dtype == dtype


def test_only_the_triangle_that_numpy_reads_has_a_gradient():
    """Numbers in the other one change nothing; they may be anything."""
    a = positive(3, 3)
    a[np.triu_indices(3, 1)] = 99.0
    for f in (linalg.cholesky, linalg.eigvalsh):
        value, gradient = cr.value_and_grad(lambda a, f=f: np.sum(f(a) ** 3))(a)
        np.testing.assert_allclose(value, np.sum(f(a) ** 3), rtol=1e-12)
        assert not np.triu(gradient, 1).any()
        check_gradient(f, a)


@pytest.mark.parametrize(
    "a", [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 2.0, 0.0]), np.eye(3), np.ones((1, 1))],
    ids=["zeros", "ones", "rank 2", "identity", "one number"],
)  # fmt: skip
def test_the_determinant_has_its_gradients_at_singular_matrices(a):
    """The cofactors, which need no inverse; and their derivative."""
    minors = [
        [(-1) ** (i + j) * linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(len(a))]
        for i in range(len(a))
    ]
    np.testing.assert_allclose(cr.grad(linalg.det)(a), minors, atol=1e-12)
    check_second(linalg.det, a)


def test_equal_eigenvalues_have_a_gradient_and_their_vectors_none():
    """d Σ λ² = 2 A dA at the identity; what asks for vectors that are any basis gets NaN."""
    squares = cr.grad(lambda a: np.sum(linalg.eigvalsh(a) ** 2))(np.eye(3))
    np.testing.assert_allclose(squares, 2 * np.eye(3))
    asked = cr.grad(lambda a: np.sum(linalg.eigh(a)[1] * draw(3, 3)))(np.eye(3))
    assert np.isnan(asked).any()
    values = cr.grad(lambda a: np.sum(linalg.svdvals(a)))(np.eye(3))
    np.testing.assert_allclose(values, np.eye(3))


def test_the_columns_that_complete_a_basis_have_no_gradient():
    f = lambda a: np.sum(linalg.svd(a)[0] ** 2)  # noqa: E731
    with pytest.raises(GradientError, match="full_matrices=False"):
        cr.grad(f)(draw(4, 2))


def test_the_pseudoinverse_of_lower_rank_is_numpys():
    """And the least squares by it; the rank is counted where the numbers are known."""
    a = draw(5, 2) @ draw(2, 4)
    value, _ = cr.value_and_grad(lambda a: np.sum(linalg.pinv(a) ** 2))(a)
    np.testing.assert_allclose(value, np.sum(linalg.pinv(a) ** 2))
    ranks = []
    cr.grad(lambda a: ranks.append(linalg.lstsq(a, np.ones(5))[2]) or np.sum(a))(a)
    assert ranks == [2]
    assert cr.compile(linalg.matrix_rank)(a) == 2


REFUSED = {
    "not positive definite": (lambda a: linalg.cholesky(-a), LinearAlgebraError),
    "singular": (lambda a: linalg.inv(a * 0), LinearAlgebraError),
    "singular system": (lambda a: linalg.solve(a * 0, np.ones(3)), LinearAlgebraError),
    "zero diagonal": (lambda a: cr.solve_triangular(a * 0, np.ones(3)), LinearAlgebraError),
    "not square": (lambda a: linalg.inv(a[:2]), ShapeError),
    "a vector": (lambda a: linalg.det(a[0]), ShapeError),
    "a right side": (lambda a: linalg.solve(a, np.ones(4)), ShapeError),
    "complex eigenvalues": (lambda a: linalg.eig(a)[0], TraceError),
    "scipy": (lambda a: scipy.linalg.solve_triangular(a, np.ones(3)), TraceError),
    "scipy's exponential": (scipy.linalg.expm, TraceError),
    "a mode": (lambda a: linalg.qr(a, mode="raw")[0], TraceError),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_result_is_an_error_at_the_line(name):
    f, kind = REFUSED[name]
    with pytest.raises(kind) as error:
        cr.grad(lambda a: np.sum(f(a)))(positive(3, 3))
    assert isinstance(error.value, ChainruleError)
    assert "test_linalg.py" in str(error.value)
    if kind is LinearAlgebraError:  # code that catches NumPy's catches ours
        assert isinstance(error.value, linalg.LinAlgError)


def test_one_matrix_without_a_result_does_no_harm_to_its_neighbours():
    """Compiled code cannot raise: NaN stands in its place."""
    got = cr.compile(linalg.cholesky)(np.stack([np.eye(2), -np.eye(2), 4 * np.eye(2)]))
    np.testing.assert_array_equal(got[[0, 2]], [np.eye(2), 2 * np.eye(2)])
    assert np.isnan(got[1]).any()


def test_scipys_functions_are_refused_with_our_spelling():
    with pytest.raises(TraceError, match=r"SciPy's cho_factor.*\n.*cr\.cho_solve"):
        cr.grad(lambda a: np.sum(scipy.linalg.cho_factor(a)[0]))(np.eye(2))


def test_a_gaussian_log_likelihood_has_the_gradient_of_the_textbook():
    """d log N(y | 0, S) / dS = (S⁻¹ y yᵀ S⁻¹ - S⁻¹) / 2 (The Matrix Cookbook, 8.1.1)."""
    s, y = positive(4, 4), draw(4)

    def likelihood(s):
        factor = linalg.cholesky(s)
        z = cr.solve_triangular(factor, y, lower=True)
        return -0.5 * z @ z - np.sum(np.log(np.diagonal(factor)))

    inverse = linalg.inv(s)
    full = (inverse @ np.outer(y, y) @ inverse - inverse) / 2
    gradient = cr.grad(likelihood)(s)  # all of it stands in the triangle that is read
    np.testing.assert_allclose(gradient, np.tril(full) + np.tril(full, -1), rtol=1e-9, atol=1e-12)
