"""The arithmetic below the proofs: enclosures contain, forms agree with the program."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs.composition import compose
from chainrule.explain.proofs.enclosure import enclosures
from chainrule.explain.proofs.forms import constants, product, single, two_sum
from chainrule.explain.proofs.guards import without_guards
from chainrule.explain.proofs.precise import precise_value
from chainrule.explain.proofs.program import program_of
from chainrule.explain.subject import subject_of
from tests.explain.proofs.table import CASES


@pytest.mark.parametrize("name", sorted(iv.UNARY))
def test_a_function_of_an_interval_contains_its_values(name):
    """f(x) in 50 digits lies in the enclosure of an interval around x."""
    mp = pytest.importorskip("mpmath")
    rng = np.random.default_rng(0)
    low = rng.normal(size=200) * np.where(np.arange(200) < 150, 3, 20)
    high = low + rng.random(200) * 2
    if name.startswith("log") or name in ("sqrt", "gammaln"):
        low, high = np.abs(low) + 0.01, np.abs(low) + 0.01 + (high - low)
    found = iv.UNARY[name](iv.between(low, high))
    exact = _exactly(mp, name)
    with mp.workdps(50):
        for k in range(200):
            for x in (low[k], high[k], 0.5 * (low[k] + high[k])):
                assert mp.mpf(found.low[k]) <= exact(mp.mpf(x)) <= mp.mpf(found.high[k])


def _exactly(mp, name):
    other = {
        "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        "softplus": lambda x: mp.log1p(mp.exp(x)),
        "ndtr": mp.ncdf,
        "exp2": lambda x: mp.power(2, x),
        "log2": lambda x: mp.log(x, 2),
        "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
        "absolute": abs,
        "negative": lambda x: -x,
        "gammaln": mp.loggamma,
    }
    return other.get(name) or getattr(mp, name)


@pytest.mark.parametrize("rule", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
def test_an_operation_on_intervals_contains_all_results(rule):
    rng = np.random.default_rng(1)
    low = rng.normal(size=(2, 500))
    a, b = (iv.between(x, x + rng.random(500)) for x in low)
    found = getattr(iv, rule)(a, b)
    for s in (0.0, 0.3, 1.0):
        for t in (0.0, 0.7, 1.0):
            x, y = a.low + s * (a.high - a.low), b.low + t * (b.high - b.low)
            y = np.where(y == 0, 1e-9, y)
            value = getattr(np, rule)(x, y)
            assert ((found.low <= value) & (value <= found.high)).all()


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: case.name)
def test_the_enclosure_of_a_program_contains_its_value_in_50_digits(case):
    program = without_guards(program_of(subject_of(*case.arguments)))
    theta = np.round(program.start + 0.013, 3)
    value = precise_value(program, theta)
    if value is None:
        pytest.skip("f has no value there")
    box = {name: iv.point(part) for name, part in program.split(theta).items()}
    found = enclosures(program, box)[program.output]
    assert float(found.low) <= float(value) <= float(found.high)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_guards_taken_out_leave_the_function(case):
    program = program_of(subject_of(*case.arguments))
    with np.errstate(all="ignore"):
        for scale in (0.0, 1.0, -0.7):
            theta = scale * program.start
            bare = without_guards(program).run(theta)
            assert bare == pytest.approx(program.run(theta), rel=1e-12, abs=1e-12, nan_ok=True)


def test_what_cancels_in_a_form_is_gone():
    """x - 3 x + 2 x has no atom left, and no doubt about it."""
    x = single(np.arange(1))
    left = x.plus(x.scaled(3.0), -1.0).plus(x.scaled(2.0))
    assert left.count.tolist() == [0]


def test_what_may_be_rounding_has_no_sign():
    """0.1 x + 0.2 x - 0.3 x is 2.8·10⁻¹⁷ x of the numbers as they are: its sign is not claimed."""
    x = single(np.arange(1))
    third = x.scaled(1.0).divided(3.0)
    left = third.plus(third).plus(third).plus(x, -1.0)
    assert left.sign().tolist() in ([], [0.0])


def test_roundings_are_seen():
    a, b = np.array([1.0, 0.1]), np.array([2.0, 3.0])
    assert product(a, b)[1].tolist() == [0.0, pytest.approx(5.6e-17, rel=0.1)]
    assert two_sum(np.array([1.0]), np.array([1e-20]))[1][0] > 0


def test_a_constant_that_cancels_to_nothing_is_doubted():
    total = constants(np.array([1e16])).shifted(1.0).shifted(-1e16).shifted(-1.0)
    assert total.doubt[0] >= abs(total.constant[0])


def test_elements_that_f_does_not_read_restrict_no_domain():
    """-log(x)[0] + x[1]³ is not convex in x[1] < 0, though log x[1] has no value there."""
    program = program_of(subject_of(lambda x: -np.log(x)[0] + x[1] ** 3, np.ones(2)))
    found = compose(program, np.full(2, -np.inf), np.full(2, np.inf))
    assert not found.convex


def test_what_may_be_0_is_not_enclosed_as_positive() -> None:
    """x⁴, √x and max(x, 0) reach 0: a divisor of theirs is not safe; a product may underflow."""
    from_zero = iv.between(np.array([0.0]), np.array([2.0]))
    above = iv.between(np.array([-1.0]), np.array([3.0]), True)
    for found in (iv.power(from_zero, 4), iv.power(from_zero, 0.5), iv.maximum(from_zero, above)):
        assert not found.positive.any()
    tiny = iv.between(np.array([0.0]), np.array([1e-300]))
    assert iv.multiply(tiny, iv.point(np.array([1e-300]))).high[0] > 0
