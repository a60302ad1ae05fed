"""What makes the references needs torch and is not imported by the tests."""

collect_ignore = [
    "references/make_trajectories.py",
    "references/make_schedules.py",
    "nist/make_problems.py",
]
