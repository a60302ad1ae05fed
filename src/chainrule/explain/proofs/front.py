"""``explain.convexity``: a verdict with its proof, its counter-example, or what was tried."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chainrule.errors import ShapeError, TrainingError
from chainrule.explain.proofs.answer import Question, proved, refuted
from chainrule.explain.proofs.composition import compose
from chainrule.explain.proofs.guards import without_guards
from chainrule.explain.proofs.hessian import semidefinite
from chainrule.explain.proofs.program import Array, Program, program_of, shape_of, size_of
from chainrule.explain.proofs.proof import Proof, proof_by_composition, quadratic_proof, short_of
from chainrule.explain.proofs.search import Search, hidden_coordinates
from chainrule.explain.proofs.verdict import Verdict
from chainrule.explain.subject import Subject, subject_of

#: Multiplications of one value of f up to which all rows are used.
_HEAVY: Final = 10_000_000
_ROWS: Final = 200
_FEWEST: Final = 20
#: Numbers of data in the rows of a sample.
_NUMBERS: Final = 20_000
#: In the rows of a proof by composition.
_MORE: Final = 4_000_000
_LARGE: Final = 400


def convexity(
    first: Any, *rest: Any, wrt: Any = None, box: Any = None, seconds: float = 10.0, seed: int = 0
) -> Verdict:
    """Whether f is convex in θ, with a proof or a counter-example, and what its minima are.

    Tried in this order: composition of convex functions over the graph; the Hessian, constant or
    in interval arithmetic; a search for a chord below f, which is checked in 50 digits. f is taken
    as a function of real numbers: what is in ``wrt`` varies, all else has its value.

    Args:
        first: a function in NumPy of one number's value, or a model: a tree of parameters.
        *rest: its arguments; or a loss and a tuple of arrays, as ``cr.train`` takes them.
        wrt: names of the parts of θ; None for the parameters, or all floating-point arguments.
        box: None for all of Rⁿ; (low, high) for every number of θ; or a dict from the name of a
            part to its (low, high), each a number or an array.
        seconds: for the search, about; the proofs take what they take, mostly milliseconds.
        seed: of the search.

    Raises:
        TrainingError: no such name, nothing to vary, or a box that is empty or unknown.
        ShapeError: bounds that do not fit their part.
        TraceError: a function whose result is not one number.

    Source:
        Boyd & Vandenberghe 2004, Convex Optimization, chapter 3; Grant, Boyd & Ye 2006,
        Disciplined Convex Programming.

    Example:
        >>> found = convexity(lambda w: np.sum(np.logaddexp(0, w)) + 0.5 * w @ w, np.zeros(3))
        >>> found.verdict, found.curvature, found.minimum.unique
        ('convex, proved', 'strongly convex', True)
        >>> convexity(lambda w: np.log(1 + w * w), 0.0).verdict
        'not convex, proved'
    """
    deadline = time.monotonic() + seconds
    asked = _question(subject_of(first, *rest, wrt=wrt), box, seed)
    proof = _proof(asked, seconds)
    if proof.convex:
        return proved(asked, proof)
    search = _search(asked, proof, deadline)
    return refuted(asked, proof, search.run(), _tried(search))


# -- what is asked -------------------------------------------------------------------------------


def _question(whole: Subject, box: Any, seed: int) -> Question:
    """The program and its composition; a first look at few rows where there are many."""
    subject, rows = _fitting(whole)
    program = without_guards(program_of(subject))
    bounds = _bounds(program, box)
    found = compose(program, *bounds)
    if rows is not None and found.convex:
        subject, rows = _fitting(whole, _MORE)
        program = without_guards(program_of(subject))
        found = compose(program, *bounds)
    return Question(subject, program, found, bounds, rows, np.random.default_rng(seed))


def _fitting(subject: Subject, most: int = 0) -> tuple[Subject, tuple[int, int] | None]:
    """The subject; where all rows of the data are too many, one of some of them.

    ``most`` is how many numbers of data are not too many; by default it is asked what f costs.
    """
    data = subject.arguments[1:]
    if subject.loss is None or not all(isinstance(x, np.ndarray) and x.ndim for x in data):
        return subject, None
    rows, row = len(data[0]), max(data[0][:1].size, 1)
    parameters = sum(subject.leaves[name].size for name in subject.wrt)
    kept = most // row if most else int(np.clip(_NUMBERS // row, _FEWEST, _ROWS))
    light = not most and rows * parameters <= _HEAVY
    if rows <= kept or light or any(len(x) != rows for x in data):
        return subject, None
    chosen = np.linspace(0, rows - 1, kept).astype(int)
    some = tuple(x[chosen] for x in data)
    return subject_of(subject.model, subject.loss, some, wrt=subject.wrt), (kept, rows)


def _bounds(program: Program, box: Any) -> tuple[Array, Array]:
    """The box as two vectors."""
    low, high = np.full(program.size, -np.inf), np.full(program.size, np.inf)
    if box is None:
        return low, high
    given = box if isinstance(box, Mapping) else dict.fromkeys(program.variables, box)
    for name, pair in given.items():
        if name not in program.variables:
            known = ", ".join(program.variables)
            raise TrainingError(f"box: no part of θ is named {name!r}; there are {known}")
        start, shape = program.starts[name], shape_of(program.variables[name])
        size = size_of(program.variables[name])
        ends = _pair(name, pair, shape)
        low[start : start + size], high[start : start + size] = ends
    if not (low < high).all():
        raise TrainingError("box: expected low < high in every number of θ", "box=(-1.0, 1.0)")
    return low, high


def _pair(name: str, pair: Any, shape: Any) -> tuple[Array, Array]:
    try:
        low, high = (np.broadcast_to(np.asarray(x, np.float64), shape).ravel() for x in pair)
    except (TypeError, ValueError):
        raise ShapeError(
            f"box: the bounds of {name} are {pair!r}; expected (low, high), numbers or arrays of"
            f" shape {tuple(shape)}",
            "box=(-1.0, 1.0)",
        ) from None
    return low, high


# -- what is tried -------------------------------------------------------------------------------


def _proof(asked: Question, seconds: float) -> Proof:
    found = asked.found
    if not (np.isfinite(found.form.constant).all() and np.isfinite(found.form.value).all()):
        return short_of(found)
    if found.convex:
        return proof_by_composition(found)
    if not found.domain_is_convex:
        return short_of(found)
    by_quadratic = quadratic_proof(asked.program, found)
    if by_quadratic.convex or by_quadratic.witness is not None:
        return by_quadratic
    witness = semidefinite(found, 0.25 * seconds)
    return short_of(found) if witness is None else Proof.by_hessian(found, witness)


def _search(asked: Question, proof: Proof, deadline: float) -> Search:
    """Of a large θ only some numbers are varied: a function of fewer that bends down will do."""
    size, rng, coordinates = asked.program.size, asked.rng, None
    if size > _LARGE:
        coordinates = hidden_coordinates(asked.subject, asked.program, rng)
        if coordinates is None:
            coordinates = np.sort(rng.choice(size, 12, replace=False))
    directions = () if proof.witness is None else (proof.witness,)
    return Search(
        asked.subject, asked.program, *asked.box, deadline, directions, coordinates, rng
    )  # fmt: skip


def _tried(search: Search) -> tuple[str, ...]:
    tried = [f"{count} {what}" for what, count in search.tried.items()]
    if search.failed:
        tried.append(f"{search.failed} gaps in float64 that more digits did not confirm")
    return ("composition", "the Hessian", *tried)
