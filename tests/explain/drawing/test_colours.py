"""Colours that can be told apart and from the ground, in both schemes."""

from itertools import combinations

import numpy as np
import pytest

from chainrule.explain.drawing.colours import (
    PALETTE,
    SCHEMES,
    contrast,
    diverging,
    name_of,
    sequential,
)

#: Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB: who lacks one kind of cone.
MISSING = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "none": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}


def seen(colour, matrix):
    """CIE L*a*b* of #rrggbb as somebody sees it."""
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", [*PALETTE, "text", "muted", "accent"])
def test_every_colour_stands_out_from_the_ground(name, scheme):
    """3:1 for what is drawn (WCAG 2.2, 1.4.11), 4.5:1 for what is read (1.4.3)."""
    needed = 4.5 if name in ("text", "muted", "accent") else 3.0
    assert contrast(SCHEMES[name][scheme], SCHEMES["ground"][scheme]) >= needed


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("kind", sorted(MISSING))
def test_the_first_colours_can_be_told_apart(kind, scheme):
    """A distance of 10 in L*a*b* is plain to see; most pictures have four lines or fewer."""
    colours = [seen(SCHEMES[name][scheme], MISSING[kind]) for name in PALETTE[:4]]
    assert min(np.linalg.norm(a - b) for a, b in combinations(colours, 2)) > 10


def test_the_sequential_map_rises_in_lightness():
    t = np.linspace(0, 1, 33)
    colours = ["#" + "".join(f"{c:02x}" for c in row[:3]) for row in sequential(t)]
    lightness = [seen(c, MISSING["none"])[0] for c in colours]
    assert np.all(np.diff(lightness) > 0)


def test_the_diverging_map_is_clear_at_zero_and_told_by_hue():
    low, zero, high = diverging(np.array([-1.0, 0.0, 1.0]))
    assert zero[3] == 0
    assert low[2] > low[0]
    assert high[0] > high[2]


def test_what_is_not_a_number_is_clear():
    assert sequential(np.array([np.nan]))[0, 3] == 0
    assert diverging(np.array([np.nan]))[0, 3] == 0


def test_indices_go_round_and_unknown_names_are_refused():
    assert name_of(len(PALETTE)) == PALETTE[0]
    with pytest.raises(ValueError, match="expected an index"):
        name_of("red")
