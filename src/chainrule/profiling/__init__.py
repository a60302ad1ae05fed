"""Where the time of a training step goes, held against what the machine can do."""

from chainrule.profiling.front import profile, profile_run
from chainrule.profiling.profile import Profile
from chainrule.profiling.row import Row

__all__ = ["Profile", "Row", "profile", "profile_run"]
