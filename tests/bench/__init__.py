"""Measure what docs/measurements.md tells: `python -m tests.bench`. Tests nothing."""
