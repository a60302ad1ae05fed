"""What every test shares: how hard hypothesis looks; and no machine code kept on disk.

``dev`` looks briefly and at random, so that many runs find more. ``ci`` looks longer and always
at the same examples, so that a red run can be repeated and a green one stays green. Neither has a
deadline: the first call of a compiled function takes as long as its compilation.
"""

import os

from hypothesis import HealthCheck, settings

# Compiling inside a test makes it slow by design; that is no fault of how data are drawn.
SLOW_BY_DESIGN = [HealthCheck.too_slow]

settings.register_profile(
    "dev", max_examples=25, deadline=None, suppress_health_check=SLOW_BY_DESIGN
)
settings.register_profile(
    "ci",
    max_examples=100,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=SLOW_BY_DESIGN,
)
# Tests see what is compiled now, and leave nothing behind in the user's own folder.
os.environ["CHAINRULE_CACHE"] = "off"

settings.load_profile("ci" if os.environ.get("CI") else "dev")
