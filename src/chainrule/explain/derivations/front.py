"""``explain.formulas``: the gradient of a function or of a model's loss, as formulas."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Final

from chainrule.data.extras import need
from chainrule.errors import TrainingError
from chainrule.explain.derivations.derivation import Derivation
from chainrule.explain.derivations.layers.derive import derive_arrays
from chainrule.explain.derivations.symbolic.scalars import TooLarge
from chainrule.explain.subject import Subject, subject_of

#: A function of no more numbers than this may be written out number by number.
MOST_NUMBERS: Final = 8


def formulas(
    first: Any,
    *rest: Any,
    wrt: str | Sequence[str] | None = None,
    brute_force: bool = False,
) -> Derivation:
    """The composition, the local derivatives and the gradient by the chain rule, as formulas.

    A function of a few numbers is written out in full and simplified step by step; one of arrays
    is read in larger pieces (affine maps, activations, softmax, cross-entropy, means) and written
    in matrix notation: one example as column vectors, a batch as rows with the mean's 1/n.

    Every formula is evaluated as it is printed, in float64, and compared with automatic
    differentiation: ``difference`` is the largest of all, relative.

    Args:
        first: a function in NumPy that returns one number; or a model.
        *rest: its arguments; or a loss and a tuple of arrays.
        wrt: names of what the gradient is taken of; None for a model's parameters or for all
            floating-point arguments.
        brute_force: also without the chain rule: put everything into one formula, expand it and
            differentiate that, side by side. For functions of a few numbers.

    Raises:
        TrainingError: no arguments, a name in ``wrt`` that is none, or brute force for arrays.
        TraceError: the function's result is not one number.
        MissingExtraError: SymPy is not installed, for a function of a few numbers.

    Source:
        Bishop 2006, Pattern Recognition and Machine Learning, section 5.3; Petersen & Pedersen,
        The Matrix Cookbook, section 2.

    Example:
        >>> import numpy as np
        >>> from chainrule.explain.notation import unicode
        >>> def loss(w, x, y):
        ...     p = 1 / (1 + np.exp(-w @ x))
        ...     return -y * np.log(p) - (1 - y) * np.log(1 - p)
        >>> shown = formulas(loss, np.ones(2), np.ones(2), 1.0, wrt="w")
        >>> print(unicode(shown.gradients[0].formula))
        ∂L/∂w = (p − y) x
        >>> shown.difference < 1e-12
        True
    """
    subject = subject_of(first, *rest, wrt=wrt)
    if _is_of_numbers(subject):
        need("sympy", "explain")
        return _of_numbers(subject, brute_force)
    return _by_layers(subject, brute_force)


def _is_of_numbers(subject: Subject) -> bool:
    """Whether every number has a name of its own: scalars, or elements of short vectors."""
    floats = [x for x in subject.leaves.values() if x.dtype.kind == "f"]
    if subject.model is not None or sum(x.size for x in floats) > MOST_NUMBERS:
        return False
    if all(x.ndim == 0 for x in subject.leaves.values()):
        return True
    ops = {node.op for node in subject.trace().nodes}
    return bool(ops & {"slice", "take"}) and not ops & _WHOLE


_WHOLE: Final = frozenset(("dot", "max", "sort", "solve", "inverse", "scan", "cond"))


def _of_numbers(subject: Subject, brute_force: bool) -> Derivation:
    try:
        return _symbolic(subject, brute_force)
    except TooLarge:
        return _by_layers(subject, brute_force)


def _symbolic(subject: Subject, brute_force: bool) -> Derivation:
    """SymPy is an extra: what needs it is imported when it is needed."""
    module = importlib.import_module("chainrule.explain.derivations.symbolic.derive")
    derivation: Derivation = module.derive(subject, brute_force=brute_force)
    return derivation


def _by_layers(subject: Subject, brute_force: bool) -> Derivation:
    if not brute_force:
        return derive_arrays(subject)
    need("sympy", "explain")
    try:
        return _symbolic(subject, brute_force=True)
    except TooLarge as error:
        raise TrainingError(
            f"brute force writes out every number, and here are too many: {error}",
            "leave out brute_force=True: the gradient is then shown by layers",
        ) from error
