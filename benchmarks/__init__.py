"""Benchmarks: run each as a module from the root of the repository (see README.md here)."""
