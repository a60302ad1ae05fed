"""What a user can get wrong, as a tree of errors.

    ChainruleError
    |- ShapeError (ValueError)        sizes that do not fit together
    |- DTypeError (TypeError)         an element type that an operation does not take
    |- TraceError (TypeError)         code that NumPy's protocols cannot carry
    |- GradientError (ValueError)     a derivative that does not exist or has not been written
    |- DataError (ValueError)         a table, an array or a column
    |- TrainingError (ValueError)     a descent that cannot go on
    |- RunError (ValueError)          a run folder
    `- MissingExtraError (ImportError) an optional library that is not installed

A message says what, where, got and expected in one line; ``hint`` is one thing to try.
"""


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


class DataError(ChainruleError, ValueError):
    """A table, an array or a column that cannot be used as it is."""


class TrainingError(ChainruleError, ValueError):
    """A descent that cannot go on."""


class RunError(ChainruleError, ValueError):
    """A run folder that cannot be read or written."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional library that is not installed."""
