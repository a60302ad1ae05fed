"""The command line: ``chainrule train``, ``predict``, ``evaluate``."""
