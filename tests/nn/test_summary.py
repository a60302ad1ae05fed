"""``nn.summary``: what it counts and how it prints."""

from dataclasses import dataclass

import numpy as np
import pytest

from chainrule import nn
from chainrule.errors import TrainingError


def test_counts_of_a_network_are_those_by_hand():
    """Products 2 · batch · in · out, a bias and a ReLU one for each number."""
    table = nn.summary(nn.MLP([5, 7, 3]), np.zeros((4, 5), np.float32))
    whole, first, last = table.layers
    assert (first.path, first.name, first.output) == ("layers.0", "Linear", ((4, 7),))
    assert first.flops == 2 * 4 * 5 * 7 + 4 * 7
    assert last.flops == 2 * 4 * 7 * 3 + 4 * 3
    assert whole.flops == table.flops == first.flops + 4 * 7 + last.flops
    assert (whole.neurons, first.neurons) == (3, 7)
    assert table.parameters == 5 * 7 + 7 + 7 * 3 + 3 == first.parameters + last.parameters
    assert table.memory == 4 * 4 * (7 + 3)


def test_convolution_counts_each_window_once():
    table = nn.summary(nn.Conv2d.init(3, 8, 5, rng=0), np.zeros((2, 3, 12, 12), np.float32))
    assert table.flops == 2 * (2 * 8 * 8 * 8) * (3 * 5 * 5) + 2 * 8 * 8 * 8
    assert table.layers[0].output == ((2, 8, 8, 8),)


def test_a_loop_counts_each_of_its_steps():
    short, long = (nn.summary(nn.GRU.init(3, 4, 0), np.zeros((2, t, 3), np.float32)).flops
                   for t in (5, 50))  # fmt: skip
    assert long == pytest.approx(10 * short, rel=0.01)


def test_layers_within_layers_and_layers_called_twice_have_lines_of_their_own():
    @dataclass
    class Own:
        shared: nn.Linear
        scale: np.ndarray

        def __call__(self, x):
            return self.shared(nn.tanh(self.shared(x))) * self.scale

    model = nn.Sequential(Own(nn.Linear.init(3, 3, 0), np.ones(3, np.float32)), nn.relu)
    table = nn.summary(model, np.zeros((2, 3), np.float32))
    rows = [(row.depth, row.path, row.name) for row in table.layers]
    assert rows == [
        (0, "", "Sequential"),
        (1, "layers.0", "Own"),
        (2, "layers.0.shared", "Linear"),
        (2, "layers.0.shared", "Linear"),
        (1, "layers.1", "relu"),
    ]
    assert table.parameters == 15  # a layer that is called twice is one layer
    assert table.layers[1].flops == 2 * table.layers[2].flops + 6 + 6


def test_it_prints_as_a_table_with_aligned_columns():
    model = nn.Sequential(nn.Embedding.init(1000, 16, 0), nn.Flatten(), nn.Linear.init(64, 2, 1))
    lines = str(nn.summary(model, np.zeros((8, 4), np.int64))).splitlines()
    assert lines[0].split() == ["layer", "output", "neurons", "parameters", "FLOPs", "memory"]
    assert len(lines) == 5
    assert "layers.0 Embedding" in lines[2]
    assert "(8, 4, 16)" in lines[2]
    assert "16,000" in lines[2]
    ends = {
        line.index(word) + len(word)
        for line, word in zip(lines, ("parameters", "16,130"), strict=False)
    }
    assert len(ends) == 1


def test_nothing_is_computed_and_the_model_is_left_as_it_was():
    model = nn.MLP([3, 4, 2])
    nn.summary(model, np.zeros((10**7, 3), np.float32))
    assert model(np.zeros((1, 3), np.float32)).shape == (1, 2)
    assert type(model.layers[0]) is nn.Linear


def test_what_cannot_be_called_has_no_summary():
    with pytest.raises(TrainingError, match="dict cannot be called"):
        nn.summary({"w": np.zeros(3)}, np.zeros(3))
