"""The run folder: what a run leaves on disk, whole or not at all."""
