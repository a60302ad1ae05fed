"""Branches, odd points and what is too large."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.derivations.symbolic.derive import derive
from chainrule.explain.derivations.symbolic.numerals import numeral
from chainrule.explain.derivations.symbolic.scalars import TooLarge
from chainrule.explain.notation import evaluate, unicode
from chainrule.explain.subject import subject_of


def result(f, *args, **options):
    shown = derive(subject_of(f, *args, **options))
    assert shown.difference < 1e-10
    return unicode(shown.gradients[0].formula).split(" = ")[1].split(" ≈ ")[0]


def test_a_root_of_a_square_is_the_absolute_value():
    """Symbols are real and of either sign: the derivative at -2 is -1."""
    assert result(lambda x: np.sqrt(x**2), -2.0) == "x/|x|"


def test_a_branch_is_written_case_by_case():
    text = result(lambda r: np.where(np.abs(r) < 1, 0.5 * r**2, np.abs(r) - 0.5), 3.0)
    assert text == "{ r if |r| < 1; sign(r) otherwise }"


def test_of_a_maximum_an_indicator_is_left_and_at_a_tie_one_half():
    assert result(lambda x: np.maximum(x, 0) * 2, 3.0) == "2 𝟏[x > 0]"
    assert "1/2 if x" in unicode(
        derive(subject_of(lambda x: np.maximum(x, 0), 0.0)).gradients[0].formula
    )


def test_what_keeps_numbers_in_range_is_left_out():
    """The largest logit that softmax takes off, and the guard of a norm at 0."""
    total = derive(subject_of(lambda x: cr.logsumexp(x, 0), np.array([3.0, 4.0])))
    assert [unicode(step.formula).split(" = ")[1] for step in total.forward[:2]] == [
        "e^(x₁) + e^(x₂)",
        "log(u) ≈ log(74.6837) ≈ 4.31326",
    ]
    shown = derive(subject_of(np.linalg.norm, np.array([3.0, 4.0])))
    assert unicode(shown.forward[-1].formula) == "f = √(x₁² + x₂²)"


def test_stop_gradient_holds_a_factor_constant():
    shown = derive(subject_of(lambda x: cr.stop_gradient(x) * x, 3.0))
    assert float(shown.gradients[0].value) == 3.0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "1/2"),
        (0.1, "0.1"),
        (1 / 3, "1/3"),
        (np.pi, "π"),
        (2 * np.pi, "2π"),
        (np.e, "e"),
        (np.sqrt(2), "√2"),
        (0.5 * np.log(2 * np.pi), "log(2π)/2"),
        (-1.5, "−3/2"),
        (3.0, "3"),
        (123.456, "123.456"),
    ],
)
def test_numbers_are_written_as_a_person_writes_them(value, text):
    assert unicode(numeral(value)) == text
    assert float(evaluate(numeral(value), {})) == pytest.approx(value, rel=1e-15)


def test_many_paths_are_summed_piece_by_piece():
    """Each layer has two ways: 2⁶ paths, and six pieces."""

    def deep(x):
        a = np.sin(x) * x
        b = np.sin(a) * a
        c = np.sin(b) * b
        d = np.sin(c) * c
        return np.sin(d) * d * a * b

    shown = derive(subject_of(deep, 0.7))
    assert shown.difference < 1e-10
    assert shown.backward[0].rule


def test_a_long_expansion_is_not_shown_and_said_so():
    shown = derive(subject_of(lambda a, b, c: (a + b + c) ** 30, 1.0, 2.0, 3.0), brute_force=True)
    texts = [unicode(step.formula) for step in shown.brute_force[0].steps]
    assert "the expanded form has 496 terms; it is not shown" in texts
    assert unicode(shown.gradients[0].formula).startswith("∂f/∂a = 30(a + b + c)²⁹")


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.sum(x**2), np.ones(1000)),
        (lambda x: np.linalg.inv(x)[0, 0], np.eye(2)),
        (lambda x: np.sort(x)[0], np.ones(3)),
    ],
)
def test_what_is_too_large_or_acts_on_whole_arrays_is_left_to_the_layers(f, x):
    with pytest.raises(TooLarge):
        derive(subject_of(f, x))


@pytest.mark.parametrize("x", [np.nan, np.inf, 0.0, -1.0, 1e300])
def test_at_a_bad_point_the_formulas_stay_and_the_numbers_are_what_they_are(x):
    with np.errstate(all="ignore"):
        shown = derive(subject_of(lambda x: np.log(x) * x, x))
    assert unicode(shown.gradients[0].formula).startswith("df/dx = log(x) + 1")


def test_names_of_the_program_are_letters_of_the_formula():
    shown = derive(
        subject_of(lambda theta, lambda_, W1: theta * lambda_ * W1[0, 1], 1.0, 2.0, np.eye(2))
    )
    assert unicode(shown.forward[0].formula).startswith("f = θλ W₁₂⁽¹⁾")


def test_the_argument_itself_and_what_does_not_matter():
    assert float(derive(subject_of(lambda x: x, 2.0)).gradients[0].value) == 1.0
    unused = derive(subject_of(lambda x, y: 2 * x, 1.0, 2.0)).gradients[1]
    assert unicode(unused.formula) == "∂f/∂y = 0"


def test_an_exponent_ends_where_it_is_seen_to_end() -> None:
    """What follows e to the w₂ is no part of the exponent."""
    assert result(lambda w: w[0] * np.exp(w[1]) * w[0], np.array([2.0, 3.0])) == "2w₁e^(w₂)"


def test_variables_e_and_pi_are_not_the_numbers() -> None:
    assert result(lambda e: e * np.exp(e), 1.5) == "e^(e₀)(e₀ + 1)"


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 0 * np.tanh((x - x) ** -1),
        lambda x: np.where(np.float64(-1) > 0, x, 0 * np.float64(-1)) * -1,
    ],
)
def test_a_division_by_0_and_a_choice_that_is_known_are_no_error(f) -> None:
    with np.errstate(all="ignore"):
        assert "df/dx" in str(derive(subject_of(f, 1.5)))


def test_a_direct_derivative_is_told_from_the_total_one():
    """∂f/∂b = (∂f/∂b)ᵤ + (∂f/∂u)(∂u/∂b): what is held stands beside it."""

    def f(a, b):
        u = np.exp(a * b)
        return np.sin(u) + b * u

    shown = str(derive(subject_of(f, 1.0, 2.0, wrt="b"), brute_force=False))
    assert "∂f/∂b = (∂f/∂b)ᵤ + (∂f/∂u)·(∂u/∂b)" in shown
    assert "∂f/∂b = ∂f/∂b" not in shown
