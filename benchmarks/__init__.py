"""Measures speed and cost of QuantumJobs as ratios to raw batch/v1 Jobs of the same run: `python -m benchmarks`."""
