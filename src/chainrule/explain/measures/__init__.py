"""Losses and what classifiers and regressions get right: as a number, a curve and a picture."""
