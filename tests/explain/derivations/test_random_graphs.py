"""Formulas of random graphs: evaluated as printed they are what autodiff says, and they print."""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from chainrule.explain.derivations.front import formulas
from chainrule.explain.notation import latex, mathml, unicode

with warnings.catch_warnings():  # its import of its fonts is an old one
    warnings.simplefilter("ignore", DeprecationWarning)
    ziamath = importlib.import_module("ziamath")
ROUNDING = 1e-10


def _programs(path: str) -> ModuleType:
    place = Path(__file__).parent / path
    spec = importlib.util.spec_from_file_location(f"programs_{place.stem}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ARRAYS = _programs("array_programs.py")
SCALARS = _programs("../symbolic/programs.py")


def _draw(formula: Any) -> None:
    ziamath.Latex(latex(formula)).svg()
    ziamath.Math(mathml(formula)).svg()
    assert unicode(formula)


@pytest.mark.parametrize("seed", range(48))
def test_formulas_of_random_array_programs_agree_with_autodiff(seed: int) -> None:
    """Every line of the derivation, each on its own, to 1e-10; the first gradient is drawn."""
    program, point = ARRAYS.random_program(seed)
    with np.errstate(all="ignore"):
        derivation = formulas(program, *point)
    assert derivation.difference < ROUNDING, str(derivation)
    assert {g.variable for g in derivation.gradients} >= {"weights.0", "biases.0", "x"}
    assert all(g.difference is not None for g in derivation.gradients)
    if seed % 4 == 0:
        _draw(derivation.gradients[0].steps[0].formula)


@pytest.mark.parametrize("seed", [0, 1, 4, 5, 6, 8])
def test_formulas_of_random_scalar_programs_agree_with_autodiff(seed: int) -> None:
    """The same for functions of two or three numbers, which are written out in full."""
    program, point = SCALARS.random_program(seed)
    derivation = formulas(program, *point)
    assert math.isfinite(derivation.difference)
    assert derivation.difference < ROUNDING
    for gradient in derivation.gradients[:1]:
        _draw(gradient.formula)
