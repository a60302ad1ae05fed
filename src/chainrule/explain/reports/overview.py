"""Everything about one function at one point: formulas, numbers, verdict, geometry, as one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chainrule import explain
from chainrule.errors import ChainruleError, TrainingError
from chainrule.explain.page import document, escape, fragment, section
from chainrule.explain.subject import Subject, subject_of

#: What can be shown: its title, and the function of ``chainrule.explain`` that explains it.
PARTS: Final = {
    "formulas": ("Formulas", "formulas"),
    "numbers": ("Backpropagation, number by number", "backpropagation"),
    "convexity": ("Convexity", "convexity"),
    "level-set": ("The gradient and the level set", "level_set"),
    "ascent": ("Steepest ascent", "steepest_ascent"),
    "rates": ("Learning rates", "learning_rates"),
    "critical-point": ("Critical point", "critical_point"),
}
#: What is shown unless something else is asked for.
USUAL: Final = ("formulas", "numbers", "convexity")


@dataclass(frozen=True, eq=False)
class Explained:
    """One explanation, or why there is none.

    Attributes:
        name, title: as in ``PARTS``.
        found: the explanation; None if there is none.
        reason: why there is none, in a sentence.
    """

    name: str
    title: str
    found: Any
    reason: str = ""

    def html(self) -> str:
        """Its section's content: the explanation as it shows itself, with all its pictures."""
        if self.found is None:
            return f"<p>{escape(self.reason)}</p>"
        return self.found._repr_html_()  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False, repr=False)
class Overview:
    """What ``overview`` found; ``print`` it, show it in a notebook, or write ``document()``.

    Attributes:
        title: what is explained.
        parts: in the order in which they were asked for.
        subject: the function and its point.
    """

    title: str
    parts: tuple[Explained, ...]
    subject: Subject

    def __getitem__(self, name: str) -> Any:
        """The explanation of this name: ``overview(f, 2.0)["formulas"]``."""
        return {part.name: part.found for part in self.parts}[name]

    def __str__(self) -> str:
        shown = [_headed(part) for part in self.parts]
        return "\n\n".join(shown)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return fragment("".join(f"<h3>{escape(p.title)}</h3>{p.html()}" for p in self.parts))

    def document(self) -> str:
        """One offline page."""
        shown = [section(part.title, part.html(), part.name) for part in self.parts]
        return document(self.title, shown)

    def to_json(self) -> dict[str, Any]:
        """Plain data by name; {"reason": ...} for what could not be explained."""
        return {
            part.name: {"reason": part.reason} if part.found is None else part.found.to_json()
            for part in self.parts
        }


def overview(
    f: Any, *args: Any, wrt: str | Sequence[str] | None = None, show: Sequence[str] = USUAL,
    title: str = "", **options: Any,
) -> Overview:  # fmt: skip
    """All that is asked for about a function or a model, side by side.

    Args:
        f: a function in NumPy that returns one number; or a model, a tree of parameters.
        *args: its arguments; or a loss and a tuple of arrays, as ``cr.train`` takes them.
        wrt: names of what the gradient is taken of.
        show: names out of "formulas", "numbers", "convexity", "level-set", "ascent", "rates",
            "critical-point".
        title: of the page; the function's name if there is none.
        **options: for ``formulas``: ``brute_force=True``.

    Raises:
        TrainingError: no such part; or what ``subject_of`` raises.
        ChainruleError: none of the parts can be explained: what is wrong with the first.

    Example:
        >>> found = overview(lambda w, x, y: (y - w * x) ** 2, 2.0, 3.0, 5.0, show=["numbers"])
        >>> float(found["numbers"].gradients["w"])
        6.0
    """
    unknown = [name for name in show if name not in PARTS]
    if unknown or not show:
        raise TrainingError(
            f"show: {unknown[0] if unknown else 'nothing'}; expected some of {', '.join(PARTS)}"
        )
    subject = subject_of(f, *args, wrt=wrt)
    own = {"formulas": options}
    found = [_part(name, f, args, {"wrt": wrt, **own.get(name, {})}) for name in show]
    errors = [error for _, error in found if error is not None]
    if len(errors) == len(found):
        raise errors[0]
    return Overview(title or _name(f), tuple(part for part, _ in found), subject)


def _part(
    name: str, f: Any, args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Explained, ChainruleError | None]:
    title, made_by = PARTS[name]
    try:
        return Explained(name, title, getattr(explain, made_by)(f, *args, **options)), None
    except ChainruleError as error:
        reason = f"{error.message}. Try: {error.hint}" if error.hint else error.message
        return Explained(name, title, None, reason), error


def _headed(part: Explained) -> str:
    body = str(part.found) if part.found is not None else part.reason
    return f"{part.title}\n{'─' * len(part.title)}\n{body}"


def _name(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)
