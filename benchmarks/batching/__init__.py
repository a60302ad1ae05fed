"""Batching schemes on Fashion-MNIST: epochs, updates and seconds to the same test accuracy.

Noise helps at the beginning of a descent and hurts at its end. Which scheme makes use of that?
Run: python -m benchmarks.batching
"""
