"""Slices of a loss: values, directions, paths."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import explain, losses, nn
from chainrule.errors import TrainingError
from chainrule.explain.geometry.directions import filter_normalised


def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 4)).astype(np.float32)
    return nn.MLP([4, 6, 2], rng=0), losses.cross_entropy, (x, (x[:, 0] > 0).astype(int))


def test_the_values_are_the_functions_own():
    """Every grid point of a slice along entries, against a direct call."""
    found = explain.slice_of(lambda w, b: np.sin(w) + w * b**2, 1.0, 0.5, size=7)
    w, b = np.meshgrid(found.a + 1.0, found.b + 0.5)
    np.testing.assert_allclose(found.loss, np.sin(w) + w * b**2, rtol=1e-12)


def test_the_values_are_the_models_own():
    """Along two entries of a float32 model, against the loss of a changed model."""
    model, loss, (x, y) = problem()
    names = ("layers.0.weight[1, 2]", "layers.1.bias[0]")
    found = explain.slice_of(model, loss, (x, y), directions=names, size=5)
    weight, bias = model.layers[0].weight, model.layers[-1].bias
    for k, q in enumerate(found.b):
        for j, p in enumerate(found.a):
            moved = nn.MLP([4, 6, 2], rng=0)
            moved.layers[0].weight[1, 2] = weight[1, 2] + p
            moved.layers[-1].bias[0] = bias[0] + q
            np.testing.assert_allclose(found.loss[k, j], loss(moved(x), y), rtol=1e-5)


def test_filter_normalisation_gives_each_row_the_length_of_the_weights_row():
    """Li et al. 2018, section 4; biases are not moved."""
    rng = np.random.default_rng(0)
    shapes = [(3, 5), (3,), (2, 3), (2,)]
    centre, direction = rng.normal(size=(2, 15 + 3 + 6 + 2))
    found = filter_normalised(direction, centre, shapes)
    rows, own = found[:15].reshape(3, 5), centre[:15].reshape(3, 5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.linalg.norm(own, axis=1))
    cosines = np.sum(rows * direction[:15].reshape(3, 5), axis=1)
    assert np.all(cosines > 0)
    assert not np.any(found[15:18])
    assert not np.any(found[24:])


def test_the_principal_directions_hold_a_path_that_lies_in_a_plane():
    """A path within a plane of 26 dimensions: 100 % of it, and its points are on the plane."""
    model, loss, data = problem()
    leaves, structure = cr.tracing.trees.flatten(model)
    rng = np.random.default_rng(0)
    u, v = ([rng.normal(size=leaf.shape) for leaf in leaves] for _ in range(2))
    path = [
        cr.tracing.trees.unflatten(
            structure, [w + a * p + b * q for w, p, q in zip(leaves, u, v, strict=True)]
        )
        for a, b in ((1.0, 0.0), (0.5, 0.4), (0.1, 0.2), (0.0, 0.0))
    ]
    found = explain.slice_of(model, loss, data, path=path, size=5)
    assert abs(sum(found.share) - 1) < 1e-9
    assert found.share[0] >= found.share[1]
    assert np.max(found.path_off) < 1e-6
    np.testing.assert_allclose(found.path[-1], 0.0, atol=1e-12)
    assert set(found.pictures()) == {"contours", "surface"}


def test_the_line_goes_from_the_paths_end_to_its_start():
    """At 0 and 1 the losses are those of the two ends."""
    path = [[2.0, 2.0], [1.0, 1.5], [0.5, 0.0]]
    found = explain.slice_of(
        lambda w, b: w**2 + 3 * b**2, 0.5, 0.0, path=path, directions="line", size=7, span=0.25
    )
    np.testing.assert_allclose(found.path_losses[[0, -1]], [16.0, 0.25])
    ends = np.interp([0.0, 1.0], found.a, found.loss)
    np.testing.assert_allclose(ends, [0.25, 16.0], atol=0.3)  # between the points of the grid


def test_a_path_is_kept_while_training_and_stays_bounded(tmp_path):
    """The start and the end are in it, at most as many as asked; a run folder is read too."""
    model, loss, data = problem()
    path = explain.Path(model, most=8)
    run = cr.train(model, loss, data, epochs=400, batch=8, callbacks=[path], out=tmp_path / "run")
    assert path.steps[0] == 0
    assert len(path.steps) <= 8
    np.testing.assert_array_equal(path.points[-1][0], run.model.layers[0].weight)
    assert all(a < b for a, b in zip(path.steps, path.steps[1:], strict=False))
    found = explain.slice_of(run, path=path, size=5)
    assert found.rows == 40
    assert len(found.path) == len(path.points)


def test_paths_are_thinned_when_they_get_long():
    """Every second one is let go, and half as many kept from then on; the last is there."""

    class Report:
        def __init__(self, step):
            self.step, self.loss, self.model = step, 1.0, lambda: [np.full(2, float(step))]

    path = explain.Path([np.zeros(2)], most=8)
    for step in range(1, 101):
        path(Report(step))
    assert len(path.points) <= 9
    assert path.steps[0] == 0
    assert path.points[-1][0][0] == 100.0


def test_a_region_without_values_is_counted():
    """Left of 0 the logarithm has none."""
    found = explain.slice_of(lambda w, b: np.log(w) + b**2, 0.5, 1.0, size=9)
    assert "are not finite" in str(found)
    json.dumps(found.to_json(), allow_nan=False)
    assert found.svg().startswith("<svg")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"directions": "principal"}, "needs the path"),
        ({"path": [[1.0, 1.0], [1.0, 1.0]], "directions": "principal"}, "does not move"),
        ({"path": [[1.0, 1.0]]}, "at least two"),
        ({"size": 1}, "size"),
        ({"span": 0.0}, "span"),
        ({"directions": (np.array([1.0, 0.0]), np.array([2.0, 0.0]))}, "parallel"),
        ({"directions": (np.zeros(2),)}, "leads somewhere"),
        ({"directions": ("w", "v")}, "'v'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_cut_is_said(options, words):
    """With the option's name."""
    with pytest.raises(TrainingError, match=words):
        explain.slice_of(lambda w, b: w**2 + b**2, 1.0, 1.0, **options)
