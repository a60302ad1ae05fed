"""Pooling and resizing against their definitions in loops and against closed forms."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import ShapeError
from chainrule.tracing.trees import flatten
from tests.tracing.agreement import check_compiled, check_gradient, draw

#: Kernel, stride, padding, ceil_mode.
SETTINGS = [(2, None, 0, False), (3, 2, 1, False), (3, 1, 1, False), (2, 3, 0, True),
            (3, 2, 0, True), (4, 3, 2, True), (1, 2, 0, False)]  # fmt: skip


def by_definition(x, kernel, stride, padding, ceil, take, whole):
    """One window after the other; ``take(inside the image, number of places)``."""
    stride = stride or kernel
    n = x.shape[-1]
    count = (math.ceil if ceil else math.floor)((n + 2 * padding - kernel) / stride) + 1
    if ceil and (count - 1) * stride >= n + padding:
        count -= 1
    columns = []
    for i in range(count):
        first = i * stride - padding
        last = min(first + kernel, n + padding)
        inside = x[..., max(first, 0) : min(last, n)]
        columns.append(take(inside, last - first if whole else inside.shape[-1]))
    return np.stack(columns, axis=-1)


def along_both(x, *setting):
    for _ in range(2):
        x = np.swapaxes(by_definition(x, *setting), -1, -2)
    return x


@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil"), SETTINGS)
def test_pooling_is_its_definition(kernel, stride, padding, ceil):
    """Of both axes, one after the other: maxima and sums may be taken in any order."""
    x = draw(2, 3, 8, 7)
    options = kernel, stride, padding
    got = nn.max_pool(x, *options, ceil_mode=ceil)
    expected = along_both(x, *options, ceil, lambda v, _: np.max(v, axis=-1), True)
    np.testing.assert_array_equal(got, expected)
    for whole in (True, False):
        got = nn.average_pool(x, *options, ceil, count_include_pad=whole)
        mean = lambda v, n: np.sum(v, axis=-1) / n  # noqa: E731
        np.testing.assert_allclose(got, along_both(x, *options, ceil, mean, whole), atol=1e-14)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil"), SETTINGS[:4])
def test_gradients_of_pooling(rank, kernel, stride, padding, ceil):
    x = draw(2, 3, *(7, 6, 5)[:rank])
    check_gradient(lambda x: nn.max_pool(x, kernel, stride, padding, 1, ceil), x)
    check_gradient(lambda x: nn.max_pool(x, kernel, stride, padding, dilation=2), x)
    check_gradient(lambda x: nn.average_pool(x, kernel, stride, padding, ceil, False), x)


def test_equal_largest_numbers_share_the_gradient():
    gradient = cr.grad(lambda x: np.sum(nn.max_pool(x, 2)))(np.ones((1, 1, 2, 2)))
    np.testing.assert_array_equal(gradient, np.full((1, 1, 2, 2), 0.25))


def test_padding_is_lower_than_any_number():
    x = np.full((1, 1, 3), -7.0)
    np.testing.assert_array_equal(nn.max_pool(x, 3, 1, 1), x)
    whole = np.array([[[-5, -4, -9]]])
    np.testing.assert_array_equal(nn.max_pool(whole, 3, 1, 1), [[[-4, -4, -4]]])
    assert nn.max_pool(np.array([[[-np.inf]]]), 3, 1, 1) == -np.inf


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_adaptive_pooling_is_its_definition(size):
    """Part i of s on an axis of n is from ⌊i n / s⌋ to ⌈(i + 1) n / s⌉."""
    x = draw(2, 3, 7, 8)
    for f, take in ((nn.adaptive_average_pool, np.mean), (nn.adaptive_max_pool, np.max)):
        got = f(x, (size, 3))
        for i, j in itertools.product(range(size), range(3)):
            rows = slice(i * 7 // size, -(-(i + 1) * 7 // size))
            columns = slice(j * 8 // 3, -(-(j + 1) * 8 // 3))
            expected = take(x[:, :, rows, columns], axis=(2, 3))
            np.testing.assert_allclose(got[:, :, i, j], expected, atol=1e-14)
        check_gradient(lambda x, f=f: f(x, (size, 3)), x)


@pytest.mark.parametrize("mode", ["linear", "cubic", "nearest"])
@pytest.mark.parametrize("align_corners", [True, False])
def test_a_polynomial_is_interpolated_exactly(mode, align_corners):
    """A line by lines; a constant by all, so that the weights sum to 1."""
    if mode == "nearest" and align_corners:
        return
    x = np.arange(6.0)[None, None]
    for size in (1, 3, 6, 11, 12, 17):
        ones = nn.interpolate(np.ones((1, 1, 6)), size, mode=mode, align_corners=align_corners)
        np.testing.assert_allclose(ones, np.ones((1, 1, size)), atol=1e-14)
        if mode == "linear":
            i = np.arange(size)
            at = i * 5 / max(size - 1, 1) if align_corners else (i + 0.5) * 6 / size - 0.5
            got = nn.interpolate(x, size, mode=mode, align_corners=align_corners)
            np.testing.assert_allclose(got[0, 0], np.clip(at, 0, 5), atol=1e-13)


def test_nearest_pixels_repeat_or_are_left_out():
    x = np.arange(4.0)[None, None]
    assert nn.interpolate(x, scale=2)[0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert nn.interpolate(x, size=2)[0, 0].tolist() == [0, 2]
    assert nn.interpolate(x, size=6)[0, 0].tolist() == [0, 0, 1, 2, 2, 3]


def test_cubic_weights_are_those_of_image_libraries():
    """Halfway between pixels: (-3, 19, 19, -3) / 32, Keys' kernel of slope -0.75."""
    x = np.eye(4)[:, None]
    middle = nn.interpolate(x, size=7, mode="cubic", align_corners=True)[:, 0, 3]
    np.testing.assert_allclose(middle, np.array([-3, 19, 19, -3]) / 32)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("to", [{"size": (7, 3)}, {"scale": 2}, {"scale": (0.7, 1.5)}])
def test_gradients_of_interpolation(mode, to):
    check_gradient(lambda x: nn.interpolate(x, mode=mode, **to), draw(2, 3, 4, 5))


COMPILED = {
    "max": lambda x: nn.max_pool(x, 3, 2, 1),
    "max, side by side": lambda x: nn.max_pool(x, 2),
    "average": lambda x: nn.average_pool(x, 3, 2, 1, True, False),
    "adaptive average": lambda x: nn.adaptive_average_pool(x, (3, 2)),
    "adaptive max": lambda x: nn.adaptive_max_pool(x, (3, 2)),
    "nearest": lambda x: nn.interpolate(x, (3, 9)),
    "linear": lambda x: nn.interpolate(x, (9, 5), mode="linear"),
}


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_pooling_is_the_eager_one(name):
    check_compiled(COMPILED[name], draw(2, 3, 7, 6))


def test_what_does_not_fit_is_an_error_at_the_line():
    x = draw(1, 1, 4)
    for f in (
        lambda: nn.max_pool(x, 5),
        lambda: nn.max_pool(x, 2, padding=2),
        lambda: nn.average_pool(x, 2, padding=2, count_include_pad=False),
        lambda: nn.max_pool(x, (2, 2)),
        lambda: nn.adaptive_max_pool(x, 0),
        lambda: nn.interpolate(x),
        lambda: nn.interpolate(x, 3, mode="best"),
    ):
        with pytest.raises(ShapeError, match=r"test_pooling\.py"):
            f()


@pytest.mark.parametrize("kind", [nn.MaxPool, nn.AveragePool])
def test_options_given_as_lists_are_part_of_the_structure(kind):
    """The structure of a tree is compared and hashed; lists within lists are tuples too."""
    lists = kind([2, 2], stride=[1, 1], padding=[[0, 1], [1, 0]])
    tuples = kind((2, 2), stride=(1, 1), padding=((0, 1), (1, 0)))
    assert hash(flatten(lists)[1]) == hash(flatten(tuples)[1])
    assert repr(lists) == repr(tuples)
