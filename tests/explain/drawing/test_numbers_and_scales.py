"""Numbers beside axes, ranges and ticks."""

from itertools import pairwise

import numpy as np
import pytest

from chainrule.explain.drawing.scales import labels, nice_step, scale_of, ticks
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import width, wrap
from chainrule.explain.words import apart, several, short

RANGES = [
    (0.0, 1.0), (-3.0, 7.0), (0.0, 1e-8), (1e6, 1e6 + 1), (-1e12, 1e12), (5.0, 5.0), (0.0, 0.0),
    (1e-300, 2e-300), (-1e300, 1e300), (0.001, 0.0011), (1e9, 1e9), (-0.5, -0.4),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (-1.0, "−1"), (1000.0, "1,000"), (0.001, "0.001"), (1e-8, "10⁻⁸"),
        (9.999e-5, "0.0001"), (2.5e-8, "2.5·10⁻⁸"), (1e6, "10⁶"), (float("inf"), "∞"),
        (float("-inf"), "−∞"), (float("nan"), "NaN"), (5e-324, "4.94·10⁻³²⁴"), (0.1 + 0.2, "0.3"),
    ],
)  # fmt: skip
def test_a_number_reads_as_people_write_it(value, text):
    assert short(value, 3) == text


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("most", [2, 5, 9])
def test_linear_ticks_lie_inside_rise_and_are_written_apart(low, high, most):
    """No two ticks of one axis read alike, and there are few enough."""
    scale = scale_of([np.array([low, high])], False, None, 0.04)
    values, texts = ticks(scale, most)
    assert scale.low < scale.high
    assert all(a < b for a, b in pairwise(values))
    assert all(scale.low - 1e-9 * abs(scale.low) <= v <= scale.high * (1 + 1e-9) or v <= scale.high
               for v in values)  # fmt: skip
    assert 1 <= len(values) <= most + 1
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("low", "high"), [(1e-8, 1e2), (0.5, 0.6), (1.0, 1e300), (1e-300, 1e300), (2.0, 2.0), (1, 9)]
)
@pytest.mark.parametrize("most", [3, 6, 12])
def test_logarithmic_ticks_are_few_and_written_apart(low, high, most):
    scale = scale_of([np.array([low, high])], True, None, 0.04)
    values, texts = ticks(scale, most)
    assert 1 <= len(values) <= most + 1
    assert len(set(texts)) == len(texts)
    assert all(scale.low * (1 - 1e-9) <= v <= scale.high * (1 + 1e-9) for v in values)


def test_ticks_of_a_logarithmic_axis_are_powers_of_ten():
    scale = scale_of([np.array([1e-8, 1e-2])], True, (1e-8, 1e-2), 0.0)
    assert ticks(scale, 7)[1] == ["10⁻⁸", "10⁻⁷", "10⁻⁶", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²"]


def test_ticks_of_a_logarithmic_axis_are_spelled_alike():
    """Plain decimals where all lie between 0.0001 and 99,999, else powers for all."""

    def texts(low, high):
        return ticks(scale_of([np.array([low, high])], True, (low, high), 0.0), 7)[1]

    assert texts(3e-4, 1.0) == ["0.001", "0.01", "0.1", "1"]
    assert texts(0.001, 0.01) == ["0.001", "0.002", "0.005", "0.01"]
    assert texts(1e-5, 1e-4) == ["10⁻⁵", "2·10⁻⁵", "5·10⁻⁵", "10⁻⁴"]
    assert texts(30.0, 2e5) == ["10²", "10³", "10⁴", "10⁵"]


def test_rounding_beside_larger_numbers_is_0():
    assert several([1.0, -1.4e-16, 1e-12]) == "1, 0, 10⁻¹²"
    assert short(-1.4e-16) == "−1.4·10⁻¹⁶"


def test_a_legend_has_no_more_digits_than_tell_its_numbers_apart():
    assert apart([0.00096137, 0.193, 0.5]) == ["0.00096", "0.19", "0.5"]
    assert apart([0.1234, 0.1235, 0.1235]) == ["0.1234", "0.1235", "0.1235"]
    assert apart([]) == []


def test_a_scale_meets_its_ends_and_knows_no_place_for_nan():
    scale = scale_of([np.array([1.0, 100.0])], True, None, 0.0).on(0.0, 10.0)
    assert np.allclose(scale([1.0, 10.0, 100.0]), [0.0, 5.0, 10.0])
    assert np.isnan(scale([0.0, -1.0, np.nan, np.inf])).all()


@pytest.mark.parametrize("given", [(1.0, 0.0), (0.0, np.nan), (1.0,), "ab"])
def test_a_range_that_is_none_is_refused(given):
    with pytest.raises(ValueError, match="range: expected"):
        scale_of([], False, given, 0.0)


def test_random_ticks_are_multiples_of_a_nice_step():
    rng = np.random.default_rng(0)
    for _ in range(500):
        low = rng.normal() * 10.0 ** rng.integers(-12, 12)
        high = low + abs(rng.normal()) * 10.0 ** rng.integers(-12, 12) + 1e-6 * abs(low)
        scale = scale_of([np.array([low, high])], False, None, 0.04)
        values, texts = ticks(scale, 7)
        assert len(set(texts)) == len(texts)
        assert len(values) >= 2


def test_a_nice_step_is_no_smaller_than_asked():
    steps = np.geomspace(1e-12, 1e12, 301)
    assert all(1 - 1e-9 <= nice_step(s) / s <= 2.5 for s in steps)


def test_labels_of_one_axis_share_one_power():
    assert labels([0.0, 5e-9, 1e-8]) == ["0", "0.5·10⁻⁸", "10⁻⁸"]
    assert labels([0.0, 250000.0, 500000.0]) == ["0", "250,000", "500,000"]


def test_wrapped_lines_fit_and_keep_every_letter():
    text = "the gradient of the loss with respect to averyveryverylongnamewithoutaspace in nats"
    lines = wrap(text, 120.0, SIZE, most=99)
    assert all(width(line, SIZE) <= 120.0 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_does_not_fit_its_lines_ends_in_an_ellipsis():
    lines = wrap("word " * 100, 100.0, SIZE, most=3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert wrap("", 100.0, SIZE) == []
