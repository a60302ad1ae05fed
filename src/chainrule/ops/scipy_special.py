"""SciPy's special ufuncs as they are.

Under ``SCIPY_ARRAY_API=1`` SciPy wraps them in functions that look for one array namespace among
their arguments, and refuse plain arrays beside tracers; the ufunc inside takes both.
"""

from __future__ import annotations

from typing import Any, Final

import scipy.special


class _Special:
    def __getattr__(self, name: str) -> Any:
        function = getattr(scipy.special, name)
        ufunc = getattr(function, "__wrapped__", function)
        setattr(self, name, ufunc)
        return ufunc


special: Final = _Special()
