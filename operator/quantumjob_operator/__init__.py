"""The controller of QuantumJobs, and the reconciler that can do the end of its work without it."""
