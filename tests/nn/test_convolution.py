"""Convolutions against their definition in loops, SciPy's correlation and their own adjoints."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import signal

import chainrule as cr
from chainrule import nn
from chainrule.errors import ShapeError
from tests.tracing.agreement import check_compiled, check_gradient, check_second, draw

SPATIAL = (7, 6, 5)
#: Kernel, stride, padding, dilation, groups.
SETTINGS = [(1, 1, 0, 1, 1), (3, 1, 1, 1, 1), (2, 2, 0, 1, 1), (3, 2, 1, 1, 2), (2, 1, 1, 3, 4),
            (3, 3, 2, 1, 2), (1, 2, 0, 1, 1), (2, 3, 1, 2, 1)]  # fmt: skip


def by_definition(x, w, b, stride, padding, dilation, groups):
    """y[b, o, i] = bias[o] + Σ_c Σ_k w[o, c, k] x[b, c, i stride + k dilation - padding]."""
    rank, n_out = w.ndim - 2, w.shape[0]
    x = np.pad(x, [(0, 0), (0, 0)] + [(padding, padding)] * rank)
    counts = [(n - (k - 1) * dilation - 1) // stride + 1
              for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]  # fmt: skip
    y = np.zeros((x.shape[0], n_out, *counts)) + b.reshape(-1, *[1] * rank)
    each_in, each_out = w.shape[1], n_out // groups
    for o, c in itertools.product(range(n_out), range(each_in)):
        channel = x[:, o // each_out * each_in + c]
        for k in np.ndindex(*w.shape[2:]):
            box = tuple(slice(p * dilation, p * dilation + (n - 1) * stride + 1, stride)
                        for p, n in zip(k, counts, strict=True))  # fmt: skip
            y[:, o] += w[(o, c, *k)] * channel[(slice(None), *box)]
    return y


def operands(rank, kernel, groups):
    x = draw(2, 4, *SPATIAL[:rank])
    return x, draw(8, 4 // groups, *(kernel,) * rank), draw(8)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("setting", SETTINGS)
def test_convolution_is_its_definition(rank, setting):
    kernel, *options, groups = setting
    x, w, b = operands(rank, kernel, groups)
    expected = by_definition(x, w, b, *options, groups)
    np.testing.assert_allclose(nn.conv(x, w, b, *options, groups), expected, atol=1e-12)


def test_one_channel_is_scipys_correlation():
    x, w = draw(9, 8), draw(3, 2)
    for mode in ("valid", "same"):
        got = nn.conv(x[None, None], w[None, None], padding=mode)[0, 0]
        expected = signal.correlate(x, w, mode)
        if mode == "same":  # SciPy puts the odd zero before, image code behind
            expected = signal.correlate(np.pad(x, ((1, 1), (0, 1))), w, "valid")
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("setting", SETTINGS[1:5])
def test_gradients_of_convolution(rank, setting):
    kernel, *options, groups = setting
    args = operands(rank, kernel, groups)
    check_gradient(lambda x, w, b: nn.conv(x, w, b, *options, groups), *args)


@pytest.mark.parametrize("setting", SETTINGS)
def test_transposed_convolution_is_the_adjoint(setting):
    """<conv(x), y> = <x, conv_transpose(y)> for every x and y, the sizes restored."""
    kernel, stride, padding, dilation, groups = setting
    x, w, _ = operands(2, kernel, groups)
    forward = nn.conv(x, w, None, stride, padding, dilation, groups)
    y = draw(*forward.shape)
    span = (kernel - 1) * dilation + 1
    more = tuple((n + 2 * padding - span) % stride for n in x.shape[2:])
    back = nn.conv_transpose(y, w, None, stride, padding, more, dilation, groups)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(forward * y), np.sum(x * back))
    check_gradient(
        lambda y, w, b: nn.conv_transpose(y, w, b, stride, padding, more, dilation, groups),
        y, w, draw(4),
    )  # fmt: skip


def test_padding_may_differ_at_every_end():
    x, w = draw(1, 1, 5, 5), draw(1, 1, 2, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 3)))
    np.testing.assert_allclose(nn.conv(x, w, padding=((1, 0), (0, 3))), nn.conv(padded, w))
    for stride in (1, 2, 3):  # "same" gives as many as there are strides on the axis
        assert nn.conv(x, w, stride=stride, padding="same").shape[2] == -(-5 // stride)


def test_one_image_needs_no_batch():
    x, w, b = operands(2, 3, 1)
    np.testing.assert_allclose(nn.conv(x[0], w, b), nn.conv(x, w, b)[0])
    turned = np.swapaxes(w, 0, 1)
    np.testing.assert_allclose(nn.conv_transpose(x[0], turned), nn.conv_transpose(x, turned)[0])


def test_float32_stays_float32():
    x, w, b = (v.astype(np.float32) for v in operands(2, 3, 1))
    assert nn.conv(x, w, b).dtype == np.float32
    gradients = cr.grad(lambda *a: np.sum(nn.conv(*a)), argnums=(0, 1, 2))(x, w, b)
    assert {g.dtype for g in gradients} == {np.dtype(np.float32)}


@pytest.mark.parametrize("setting", [SETTINGS[1], SETTINGS[3], SETTINGS[4]])
def test_compiled_convolution_is_the_eager_one(setting):
    kernel, *options, groups = setting
    check_compiled(lambda *a: nn.conv(*a, *options, groups), *operands(2, kernel, groups))


def test_compiled_transposed_convolution_is_the_eager_one():
    check_compiled(
        lambda x, w: nn.conv_transpose(x, w, None, 2, 1, 1), draw(2, 3, 4, 5), draw(3, 2, 3, 3)
    )


def test_convolution_has_a_second_derivative():
    x, w, b = operands(2, 3, 2)
    check_second(lambda *a: nn.conv(*a, stride=2, padding=1, groups=2) ** 2, x, w, b)


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2)])
def test_folding_is_the_adjoint_of_unfolding(stride, padding, dilation):
    """<unfold(x), u> = <x, fold(u)>; the columns are the windows, channel by channel."""
    x = draw(2, 3, 6, 5)
    columns = nn.unfold(x, (2, 3), stride, padding, dilation)
    u = draw(*columns.shape)
    back = nn.fold(u, (6, 5), (2, 3), stride, padding, dilation)
    np.testing.assert_allclose(np.sum(columns * u), np.sum(x * back))
    w = draw(4, 3, 2, 3)
    by_columns = w.reshape(4, -1) @ columns
    whole = nn.conv(x, w, None, stride, padding, dilation)
    np.testing.assert_allclose(by_columns, whole.reshape(2, 4, -1), atol=1e-12)
    check_gradient(lambda x: nn.unfold(x, (2, 3), stride, padding, dilation), x)
    check_gradient(lambda u: nn.fold(u, (6, 5), (2, 3), stride, padding, dilation), u)


REFUSED = {
    "channels": (lambda: nn.conv(draw(1, 3, 5), draw(2, 4, 3)), "3 channels, expected 4"),
    "groups": (lambda: nn.conv(draw(1, 4, 5), draw(3, 2, 3), groups=2), "groups that divide"),
    "rank": (lambda: nn.conv(draw(4, 5), draw(3, 4, 3, 3)), "2 spatial axes"),
    "kernel": (lambda: nn.conv(draw(1, 1, 2), draw(1, 1, 3)), "a window of 3 does not fit"),
    "stride": (lambda: nn.conv(draw(1, 1, 5), draw(1, 1, 3), stride=0), "at least 1"),
    "padding": (lambda: nn.conv(draw(1, 1, 5), draw(1, 1, 3), padding="full"), "'same' or 'valid'"),
    "bias": (lambda: nn.conv(draw(1, 1, 5), draw(1, 1, 3), draw(2)), r"expected \(1,\)"),
    "output_padding": (
        lambda: nn.conv_transpose(draw(1, 1, 5), draw(1, 1, 3), output_padding=1),
        "less than the stride",
    ),
    "columns": (lambda: nn.fold(draw(1, 4, 5), (3,), 2), "expected .batch, channels"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_an_error_at_the_line(name):
    f, message = REFUSED[name]
    with pytest.raises(ShapeError, match=message) as error:
        f()
    assert "test_convolution.py" in str(error.value)


def test_a_network_of_convolutions_learns():
    """The batch is a size that the compiled step does not know."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 64)
    x = rng.normal(size=(64, 1, 6, 6)) * 0.3
    x[y == 1, 0, 2:4] += 1.0  # a bar that lies
    x[y == 0, 0, :, 2:4] += 1.0  # a bar that stands
    parameters = {"w": rng.normal(size=(4, 1, 3, 3)) / 3, "v": rng.normal(size=(4 * 4, 2)) / 4}

    def loss(p, x, y):
        h = nn.max_pool(nn.relu(nn.conv(x, p["w"])), 2)
        return cr.losses.cross_entropy(h.reshape(len(x), -1) @ p["v"], y)

    run = cr.train(
        parameters, loss, (x, y), optimizer=cr.optim.SGD(0.3), batch=16, epochs=20, seed=0
    )
    assert loss(run.model, x, y) < 0.05
