"""The peers of linear models."""
