"""Measurements, one a command: ``python -m skmmrr.benchmark --help``."""
