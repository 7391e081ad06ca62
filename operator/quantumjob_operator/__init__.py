"""The operator of QuantumJobs, and the reconciler, which finishes jobs without it."""
