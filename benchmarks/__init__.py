"""Speed and cost of QuantumJobs, as ratios against raw batch/v1 Jobs of the same run: `python -m benchmarks`."""
