"""What a user can get wrong, as a tree of errors.

    ChainruleError
    |- ShapeError (ValueError)        sizes that do not fit together
    |- DTypeError (TypeError)         an element type that an operation does not take
    |- TraceError (TypeError)         code that NumPy's protocols cannot carry
    |- GradientError (ValueError)     a derivative that does not exist or has not been written
    |- GraphError (ValueError)        a graph with a loop
    |- LinearAlgebraError (LinAlgError) a matrix that has no inverse or no factor
    |- DataError (ValueError)         a table, an array or a column
    |- TrainingError (ValueError)     a descent that cannot go on
    |  `- InseparableError            gradients of single examples that cannot be told apart
    |- NotRecordedError (AttributeError) a quantity that a descent did not record
    |- RunError (ValueError)          a run folder
    `- MissingExtraError (ImportError) an optional library that is not installed

A message says what, where, got and expected in one line; ``hint`` is one thing to try.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.linalg import LinAlgError


class ChainruleError(Exception):
    """Base of every error that Chainrule raises on purpose."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)


class ShapeError(ChainruleError, ValueError):
    """Sizes that do not fit together."""


class DTypeError(ChainruleError, TypeError):
    """An element type that an operation does not take."""


class TraceError(ChainruleError, TypeError):
    """Code that NumPy's protocols cannot carry into a graph."""


class GradientError(ChainruleError, ValueError):
    """A derivative that does not exist or has not been written."""


class GraphError(ChainruleError, ValueError):
    """A graph with a loop."""


class DataError(ChainruleError, ValueError):
    """A table, an array or a column that cannot be used as it is."""


class TrainingError(ChainruleError, ValueError):
    """A descent that cannot go on."""


class InseparableError(TrainingError):
    """The gradients of single examples cannot be told apart."""


class NotRecordedError(ChainruleError, AttributeError):
    """A quantity that a descent was not asked to record."""


class RunError(ChainruleError, ValueError):
    """A run folder that cannot be read or written."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional library that is not installed."""


if TYPE_CHECKING:

    class LinearAlgebraError(ChainruleError, LinAlgError):
        """A matrix that has no inverse, no factor or no decomposition; NumPy's LinAlgError too."""


def __getattr__(name: str) -> Any:
    """The one error that is NumPy's too is made when it is first used: errors need no NumPy."""
    if name != "LinearAlgebraError":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from numpy.linalg import LinAlgError

    made = type(name, (ChainruleError, LinAlgError), {"__module__": __name__})
    made.__doc__ = "A matrix that has no inverse, no factor or no decomposition."
    globals()[name] = made
    return made
