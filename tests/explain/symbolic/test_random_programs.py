"""Formulas of random scalar programs: right, and drawn without error."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest

from chainrule.explain.derivations.symbolic.derive import derive
from chainrule.explain.derivations.symbolic.tree import size
from chainrule.explain.notation import latex, mathml, unicode
from chainrule.explain.subject import subject_of
from tests.explain.symbolic.programs import random_program

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it asks for its fonts in an old way
    import ziamath

SEEDS = range(40)


@functools.cache
def shown_of(seed):
    """The derivation of a random program, worked out once for all tests."""
    program, point = random_program(seed)
    return derive(subject_of(program, *point), brute_force=seed % 10 == 0), point


@pytest.mark.parametrize("seed", SEEDS)
def test_every_formula_agrees_with_autodiff(seed):
    """Local derivatives, products, simplified forms: each, evaluated as printed, to 1e-10."""
    shown, point = shown_of(seed)
    assert len(shown.gradients) == len(point)
    assert all(gradient.steps[-1].difference is not None for gradient in shown.gradients)
    assert shown.difference < 1e-10
    assert all(unicode(step.formula) for step in shown.steps)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_result_is_drawn_by_a_typesetter(seed):
    """LaTeX and MathML are such that an engine of its own takes them.

    It needs seconds for what is deeply nested; that is left to the tests of the printers.
    """
    shown, _ = shown_of(seed)
    result = shown.gradients[0].formula
    if size(result) < 30:
        assert "<svg" in ziamath.Latex(latex(result)).svg()
    if size(result) < 12:
        assert "<svg" in ziamath.Math(mathml(result)).svg()


def test_the_programs_are_the_same_in_every_process():
    program, point = random_program(3)
    assert point == random_program(3)[1]
    assert np.isfinite(program(*point))
